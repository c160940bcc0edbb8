"""A CLIP as a classifier of given texts: any saliency method can explain it."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import name_of

SCALE = (
    100.0  # the largest that CLIP's training allows, which its released weights have
)


class ZeroShot(nn.Module):
    """Logits of texts t_k for a picture, s cos(I(x), t_k) (Radford et al. 2021, 3.1.2).

    Shapes: images `[B, 3, H, W]` -> `[B, K]`. Range: [-s, s]. The tower is shared, not
    copied, and its mode is its own.
    """

    texts: Tensor

    def __init__(
        self, visual: nn.Module, texts: Tensor, scale: float | Tensor = SCALE
    ) -> None:
        super().__init__()
        check_texts(texts)
        if not 0 < float(scale) < float("inf"):
            raise ValueError(f"scale must be over 0, got {float(scale)}")
        self.visual, self.scale = visual, float(scale)
        self.register_buffer("texts", F.normalize(texts.detach(), dim=1))
        self.training = visual.training  # train() would reach into the tower

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        found: Any = self.visual(images)
        if isinstance(found, tuple):  # towers that hand out their tokens too
            found = found[0]
        if found.ndim != 2 or found.shape[1] != self.texts.shape[1]:
            got = f"{list(found.shape)} for texts of {self.texts.shape[1]}"
            raise ValueError(f"{name_of(self.visual)} gives {got}: another CLIP's?")
        return self.scale * F.normalize(found, dim=1) @ self.texts.T


def check_texts(texts: Tensor) -> None:
    """Raise a ValueError unless text features are `[K, E]`, finite and none zero."""
    if not isinstance(texts, Tensor) or texts.ndim != 2 or not len(texts):
        shape = list(texts.shape) if isinstance(texts, Tensor) else type(texts).__name__
        raise ValueError(f"text features must be [K, E], got {shape}")
    if not texts.isfinite().all() or not texts.any(1).all():
        raise ValueError("text features must be finite and none of them zero")
