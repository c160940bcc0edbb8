"""Any network of torchvision or timm as a backbone: its maps at a layer, by name."""

import math

from torch import Tensor, nn

from helpers.settings import Refused, nearest

LISTED = 12  # layers that a message names


class FeaturesAt(nn.Module):
    """A network up to a layer, which hands its output out as maps.

    What lies behind the layer is cut off and not run. For layers that give maps; of
    those that give tokens see `TokensAt`.
    """

    def __init__(self, network: nn.Module, layer: str) -> None:
        """Cut a network at a layer, by its name in `network.named_modules()`.

        Raises:
            Refused: no such layer, or a forward pass that `torch.fx` cannot read.
        """
        super().__init__()
        from torchvision.models.feature_extraction import create_feature_extractor

        known = [name for name, _ in network.named_modules() if name]
        if layer not in known:
            shown = [name for name in known if name.count(".") < 2][-LISTED:]
            raise Refused(
                f"{type(network).__name__} has no layer '{layer}'"
                f"{nearest(layer, known) if len(known) < LISTED else ''}; its last are "
                f"{', '.join(shown)}"
            )
        try:
            self.trunk = create_feature_extractor(network, {layer: "maps"})
        except Exception as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Refused(
                f"the forward pass of {type(network).__name__} cannot be cut at "
                f"'{layer}' ({why[:80]}): give it a method features(images)"
            ) from None

    def features(self, images: Tensor) -> Tensor:
        """Return the layer's maps, `[B, 3, H, W]` -> `[B, C, h, w]`."""
        return self.trunk(images)["maps"]

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of the cells, `[B, 3, H, W]` -> `[B, C]`: no logits."""
        return self.features(images).mean((2, 3))


class TokensAt(FeaturesAt):
    """A Vision Transformer up to a layer, its patch tokens as maps of side sqrt(n).

    Class and register tokens, which come first, are left out.
    """

    def features(self, images: Tensor) -> Tensor:
        """Return the patch tokens, `[B, 3, H, W]` -> `[B, C, s, s]`.

        Raises:
            Refused: an output that is no square of patches.
        """
        return folded(super().features(images))


def folded(tokens: Tensor) -> Tensor:
    """Return patch tokens as maps, `[B, extra + s^2, C]` -> `[B, C, s, s]`.

    s is the largest whole number that fits.
    """
    if tokens.ndim != 3:
        raise Refused(f"tokens must be [B, n, C], the layer gives {[*tokens.shape]}")
    side = math.isqrt(tokens.shape[1])
    extra = tokens.shape[1] - side**2
    if side < 2 or extra > 5:  # a class token and four registers, at most
        raise Refused(
            f"{tokens.shape[1]} tokens are no square of patches behind a class token: "
            "take square pictures, or an earlier layer"
        )
    return tokens[:, extra:].mT.unflatten(2, (side, side))
