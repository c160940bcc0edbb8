"""A Vision Transformer for scenes, torchvision's, with its patch tokens handed out."""

from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer


class SceneViT(VisionTransformer):
    """Four blocks of three heads on patches of 8 x 8 pixels, and a class token.

    Dosovitskiy et al. 2021, section 3.1, in small: 96 channels, pictures of 64 x 64
    pixels in 64 patches. Its logits read the class token alone: unlike the other
    networks of this book it has no pooled linear head.
    """

    cell = 8  # pixels a side

    def __init__(
        self,
        classes: int,
        size: int = 64,
        depth: int = 4,
        heads: int = 3,
        width: int = 96,
        dropout: float = 0.0,
    ) -> None:
        if size % self.cell:
            raise ValueError(f"the side must be a multiple of {self.cell}, got {size}")
        super().__init__(
            image_size=size,
            patch_size=self.cell,
            num_layers=depth,
            num_heads=heads,
            hidden_dim=width,
            mlp_dim=2 * width,
            dropout=dropout,
            num_classes=classes,
        )

    def tokens(self, images: Tensor) -> Tensor:
        """Return the tokens after the last norm, the class token first.

        Shapes: images `[B, 3, H, W]` -> `[B, 1 + h w, C]`, h = H / 8.
        """
        patches = self._process_input(images)  # [B, h w, C]
        first = self.class_token.expand(len(patches), -1, -1)
        return cast(Tensor, self.encoder(torch.cat([first, patches], 1)))

    def features(self, images: Tensor) -> Tensor:
        """Return the patch tokens as maps, `[B, 3, H, W]` -> `[B, C, h, w]`."""
        side = self.image_size // self.cell
        return self.tokens(images)[:, 1:].mT.unflatten(2, (side, side))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights anew from one generator, in place.

        Linear layers and the patches' convolution N(0, 1 / fan_in), class token and
        positions N(0, 0.02^2), biases 0, norms 1 and 0. The head too is drawn, which
        torchvision sets to 0: so an untrained network has a map.
        """
        for module in self.modules():
            weight: Tensor
            bias: Tensor | None
            if isinstance(module, nn.MultiheadAttention):
                weight, bias = module.in_proj_weight, module.in_proj_bias
            elif isinstance(module, nn.Linear | nn.Conv2d):
                weight, bias = module.weight, module.bias
            else:
                if isinstance(module, nn.LayerNorm):
                    module.reset_parameters()
                continue
            std = weight[0].numel() ** -0.5
            nn.init.normal_(weight, std=std, generator=generator)
            nn.init.zeros_(cast(Tensor, bias))
        for free in (self.class_token, self.encoder.pos_embedding):
            nn.init.normal_(free, std=0.02, generator=generator)
