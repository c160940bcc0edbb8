"""A small CLIP whose image tower has 8 x 8 places: of the tiny one a map is too coarse.

open_clip's own classes with other sizes, so that whatever reads a full CLIP reads these
too. Depth, tower and pooling are the factors that CLIP's maps are said to depend on.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from open_clip.model import CLIP
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from helpers.language.tiny_clip import ATTENTION_STD, SCALE, Architecture, tokenizer
from helpers.settings import Refused
from helpers.streams import mix

PLACES = 8  # a side
STRIDE = 32  # of open_clip's ResNet, in pixels
Kind = Literal["vit", "resnet"]
Pool = Literal["class token", "mean", "max", "attention"]


class MaxPooled(VisionTransformer):
    """open_clip's ViT that reads the maximum of its tokens, channel by channel."""

    def _global_pool(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, 1:].amax(1), x[:, 1:]


@dataclass(frozen=True)
class MapTower:
    """The image tower of a CLIP for maps.

    Attributes:
        kind: "vit", or "resnet": open_clip's ModifiedResNet without the strides that
            would leave fewer than 8 x 8 places.
        pooling: of a ViT its "class token", or the "mean" or the "max" of its tokens;
            of a ResNet its "attention" pool.
        depth: blocks of a ViT, bottlenecks a stage of a ResNet.
        width: numbers a token of a ViT; channels of a ResNet's first stage.
        size: pixels a side, a multiple of 32.
    """

    kind: Kind = "vit"
    pooling: Pool = "class token"
    depth: int = 4
    width: int = 96
    size: int = 64

    def __post_init__(self) -> None:
        """Refuse what open_clip does not build."""
        allowed = {"vit": ("class token", "mean", "max"), "resnet": ("attention",)}
        if self.kind not in allowed:
            raise Refused(f"a tower is 'vit' or 'resnet', got '{self.kind}'")
        if self.pooling not in allowed[self.kind]:
            raise Refused(
                f"a {self.kind} pools by {' or '.join(allowed[self.kind])}, "
                f"not by '{self.pooling}'"
            )
        if self.size < 64 or self.size % STRIDE:
            raise Refused(f"size must be 64 or more by 32 pixels, got {self.size}")
        wide = 32 if self.kind == "vit" else 8
        if self.depth < 1 or self.width < wide or self.width % wide:
            raise Refused(
                f"depth must be 1 or more and width a multiple of {wide}, got "
                f"{self.depth} and {self.width}"
            )


VIT = MapTower()
RESNET = MapTower("resnet", "attention", depth=1, width=16)


def build_map_clip(
    seed: int, tower: MapTower = VIT, text: Architecture | None = None
) -> CLIP:
    """Return an untrained CLIP, its weights fixed by the seed alone.

    The text side is that of `tiny_clip`, with its initialisation and its scale.
    """
    text = text or Architecture()
    vision: dict[str, Any] = {"image_size": tower.size, "width": tower.width}
    if tower.kind == "vit":
        vision |= {
            "layers": tower.depth,
            "head_width": 32,
            "mlp_ratio": 2.0,
            "patch_size": tower.size // PLACES,
            "pool_type": "tok" if tower.pooling == "class token" else "avg",
        }
    else:  # built as large as 8 x 8 places ask, the strides are taken out after
        vision |= {"layers": (tower.depth,) * 4, "head_width": 32}
        vision["image_size"] = PLACES * STRIDE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, "initialisation"))
        model = CLIP(
            embed_dim=text.embed,
            init_logit_scale=math.log(SCALE),
            vision_cfg=vision,
            text_cfg={
                "context_length": text.context,
                "vocab_size": tokenizer(text.context).vocab_size,
                "width": text.text_width,
                "layers": text.text_layers,
                "heads": text.heads,
            },
        )
        if tower.pooling == "max":
            model.visual = _max_pooled(model.visual)
        for block in model.transformer.resblocks:
            nn.init.normal_(block.attn.out_proj.weight, std=ATTENTION_STD)
        if tower.kind == "resnet":
            for module in model.visual.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(
                        module.weight, mode="fan_out", nonlinearity="relu"
                    )
            _less_stride(model.visual, tower.size)
    return model


def _max_pooled(tower: Any) -> MaxPooled:
    """Return the tower with its pooling replaced, all weights the same."""
    blocks = tower.transformer.resblocks
    found = MaxPooled(
        tower.image_size,
        tower.patch_size,
        tower.transformer.width,
        len(blocks),
        blocks[0].attn.num_heads,
        blocks[0].mlp.c_fc.out_features / tower.transformer.width,
        output_dim=tower.output_dim,
    )
    found.load_state_dict(tower.state_dict())
    found.pool_type = "max"
    return found


def _less_stride(tower: Any, size: int) -> None:
    """Take strides out of the last stages until 8 x 8 places are left, in place."""
    stride = STRIDE
    for stage in (tower.layer4, tower.layer3, tower.layer2):
        if size // stride >= PLACES:
            break
        block = stage[0]
        block.avgpool = nn.Identity()
        block.downsample[0] = nn.Identity()
        stride //= 2
    if size // stride != PLACES:
        raise Refused(
            f"a resnet of {size} pixels has no {PLACES} x {PLACES} places: take 64, "
            "128 or 256"
        )
    tower.image_size = size
