"""Small image towers of open_clip, double and loud, for the tests of their maps."""

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from tests.explain.vits import loud

SIDE = 4  # places a side of each tower
E = 5


def vit(**more) -> VisionTransformer:
    """Of 32 pixels, 4 x 4 patches, three blocks of two heads."""
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 8, "width": 8, "layers": 3, "heads": 2}
    tower = VisionTransformer(**{**sizes, "mlp_ratio": 2, "output_dim": E, **more})
    loud(tower)
    return tower.double().eval()


def resnet() -> ModifiedResNet:
    """Of 128 pixels, 4 x 4 cells of 64 channels, an attention pool of two heads."""
    torch.manual_seed(0)
    tower = ModifiedResNet([1, 1, 1, 1], E, heads=2, image_size=128, width=2)
    loud(tower)
    return tower.double().eval()


def pictures(tower: nn.Module, count: int = 3) -> Tensor:
    side = tower.image_size if isinstance(tower.image_size, int) else 32
    generator = torch.Generator().manual_seed(1)
    shape = (count, 3, side, side)
    return torch.randn(shape, dtype=torch.double, generator=generator)


def texts(count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, E, dtype=torch.double, generator=generator)


def mixed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d)) v of one head, place by place, `[T, d]` each."""
    rows = []
    for asking in q:
        scores = torch.stack([asking @ one for one in k]) / k.shape[1] ** 0.5
        shares = scores.exp() / scores.exp().sum()
        rows.append(sum(share * one for share, one in zip(shares, v, strict=True)))
    return torch.stack(rows)


def by_heads(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """The heads of `mixed` side by side, `[T, C]` each."""
    wide = q.shape[1] // heads
    parts = [slice(h * wide, (h + 1) * wide) for h in range(heads)]
    return torch.cat([mixed(q[:, s], k[:, s], v[:, s]) for s in parts], 1)


def slow_vit(tower: VisionTransformer, image: Tensor, second: int = 0) -> Tensor:
    """Tokens after the last norm of a picture `[3, H, W]`, `[1 + N, W]`, by hand.

    With `second`, those of the path that begins so many blocks before the end.
    """
    rows = F.unfold(image[None], 8, stride=8)[0].T  # [N, 3 * 64]
    x = rows @ tower.conv1.weight.flatten(1).T
    x = torch.cat([tower.class_embedding[None], x]) + tower.positional_embedding
    x = tower.ln_pre(x)
    beside = None
    for number, block in enumerate(tower.transformer.resblocks):
        attn = block.attn
        weight, bias = attn.in_proj_weight, attn.in_proj_bias
        y = block.ln_1(x)
        q, k, v = (y @ weight.T + bias).chunk(3, 1)
        if second and number >= len(tower.transformer.resblocks) - second:
            beside = x if beside is None else beside
            asked = by_heads(v, v, v, attn.num_heads)
            beside = beside + block.ls_1(attn.out_proj(asked))
        x = x + block.ls_1(attn.out_proj(by_heads(q, k, v, attn.num_heads)))
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
    return tower.ln_post(x if beside is None else beside)


def slow_resnet(tower: ModifiedResNet, image: Tensor, reading: str) -> Tensor:
    """Tokens of the attention pool before `c_proj`, `[1 + N, C]`, by hand."""
    f = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(image[None])))))[
        0
    ]
    cells = [f[:, y, x] for y in range(SIDE) for x in range(SIDE)]
    x = torch.stack([sum(cells) / len(cells), *cells])
    pool = tower.attnpool
    x = x + pool.positional_embedding
    q, k, v = pool.q_proj(x), pool.k_proj(x), pool.v_proj(x)
    if reading == "value":
        return v
    if reading == "v-v":
        q = k = v
    return by_heads(q, k, v, pool.num_heads)
