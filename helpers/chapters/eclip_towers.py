"""Networks of chapter 12 that no other chapter has: trained once and kept.

CLIPs whose tower, pooling, depth or pictures are varied to look for the effect, and an
encoder without labels or words for the free attention. Each lies in
`runs/maps/NAME/seed<seed>-<digest>.safetensors`; the digest covers the settings and the
code that trains.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers import paths
from helpers.chapters.eclip_material import Reader
from helpers.chapters.eclip_pictures import Shown
from helpers.data import catalog
from helpers.data.scenes import draw_scenes
from helpers.explain.clip_tokens import class_attention
from helpers.lab.code import code_hash
from helpers.lab.weights import load_weights
from helpers.language.map_clip import VIT, MapTower, build_map_clip
from helpers.language.tiny_clip import MEAN, STD, build_tiny_clip, tokenise
from helpers.methods.caption_pairs import Pairing, train_pairs
from helpers.methods.free_attention import ByClassToken
from helpers.methods.self_supervised import Pretraining, pretrain
from helpers.settings import Refused, nearest
from helpers.streams import stream
from helpers.vision.vit import SceneViT

OWN = "CNN"  # the tiny CLIP of the laboratory, a run of its own
LONGER = "CNN, longer"
CODE = ("methods/caption_pairs.py", "language/map_clip.py", "data/scenes.py")
CODE_ALONE = ("methods/self_supervised.py", "methods/free_attention.py")
ENCODER = {"depth": 2, "heads": 2, "width": 64}
# Rates of what is made orthogonal, chosen by the training loss of one epoch: of a ViT
# .05, .008 and .003 gave 2.68, 2.25 and 2.27 nats.
FILTERS, MATRICES = 0.02, 0.005
BATCH = 50  # views that must find each other, in twos


@dataclass(frozen=True)
class Variant:
    """A CLIP that differs from another in one thing.

    Attributes:
        tower: its image tower; None for the tiny CLIP's.
        cue: correlation of class and background in its pictures.
        beside: the name of the one that it differs from, or "" of the first of a kind.
    """

    tower: MapTower | None = None
    cue: float = 0.0
    beside: str = ""


VARIANTS: dict[str, Variant] = {
    LONGER: Variant(),  # the tiny CLIP's tower, trained as long as the others
    "CNN, cue .8": Variant(cue=0.8, beside=LONGER),
    "ViT": Variant(VIT),
    "ViT, cue .8": Variant(VIT, 0.8, "ViT"),
    "ViT, depth 2": Variant(replace(VIT, depth=2), beside="ViT"),
    "ViT, mean": Variant(replace(VIT, pooling="mean"), beside="ViT"),
    "ViT, max": Variant(replace(VIT, pooling="max"), beside="ViT"),
}
TOWERS = (OWN, *VARIANTS)


def check_towers(names: list[str]) -> list[str]:
    """Return the names of towers; raise a `ValueError` for one that there is not."""
    for name in names:
        if name not in TOWERS:
            raise ValueError(f"unknown tower '{name}'{nearest(name, list(TOWERS))}")
    if len({*names}) < len(names):
        raise ValueError("give each tower once")
    return names


def cue_of(name: str) -> float:
    """Return the correlation of class and background that a tower saw."""
    return 0.0 if name == OWN else VARIANTS[name].cue


def varied_clip(
    name: str,
    seed: int,
    count: int,
    epochs: int,
    report: Callable[[str], None] | None = None,
) -> nn.Module:
    """Return a variant trained on `count` scenes with captions, in evaluation mode.

    Scenes, captions and batch are those of the tiny CLIP. Here matrices and positions
    of a tower's pooling are made orthogonal too, not its filters alone, and a ViT has a
    rate of its own. One that was trained before is loaded.

    Raises:
        Refused: as `caption_pairs.train_pairs`.
    """
    variant = VARIANTS[name]
    turned = FILTERS if variant.tower is None else MATRICES
    how = Pairing("muon", epochs=epochs, batch=24, matrix_lr=turned)
    model: nn.Module
    if variant.tower is None:
        model = build_tiny_clip(seed)
        model.visual.to(memory_format=torch.channels_last)
    else:
        model = build_map_clip(seed, variant.tower)

    def train() -> None:
        scenes = draw_scenes(count, "language", cue=variant.cue, single=True)
        words = tokenise(scenes.captions)
        train_pairs(model, scenes.images, words, MEAN, STD, how, seed, report)

    settings = {**asdict(variant), **asdict(how), "pictures": count}
    return _kept(name, settings, seed, CODE, model, train)


def encoder(
    shown: Shown,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    epochs: int,
    seed: int,
    report: Callable[[str], None] | None = None,
) -> SceneViT:
    """Return a small ViT trained on pictures without labels or words (SimCLR).

    Its class token is what two views of a picture must share. With 0 epochs it is the
    untrained one.

    Raises:
        Refused: fewer pictures than a batch.
    """
    side = min(shown.images.shape[2], 64)
    network = SceneViT(2, size=side, **ENCODER)
    network.initialise(stream(seed, "encoder"))
    if not epochs:
        return network.eval()
    how = Pretraining(epochs=epochs, batch=BATCH)
    images = small(shown.images, side)

    def train() -> None:
        pretrain(ByClassToken(network), images, mean, std, how, seed, report)

    taken = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    settings = {"how": asdict(how), "network": ENCODER, "size": side, "images": taken}
    _kept("encoder", settings, seed, CODE_ALONE, network, train)
    return network


@torch.no_grad()
def encoder_attention(network: SceneViT, reader: Reader, images: Tensor) -> Tensor:
    """Return its class token's attention to each patch, `[N, h, w]`, heads averaged."""
    pixels = catalog.normalise(
        small(images, network.image_size), reader.mean, reader.std
    )
    return class_attention(network, pixels)


def small(images: Tensor, side: int) -> Tensor:
    """Return pictures `[N, 3, H, W]` uint8 of `side` pixels, as means of areas."""
    if images.shape[2] == side:
        return images
    shrunk = nn.functional.interpolate(
        images.float(), (side, side), mode="bilinear", antialias=True
    )
    return shrunk.round().clamp(0, 255).to(torch.uint8)


def _kept(
    name: str,
    settings: dict[str, Any],
    seed: int,
    code: tuple[str, ...],
    network: nn.Module,
    train: Callable[[], None],
) -> nn.Module:
    """Load a network's weights, or train it in place and keep them."""
    text = json.dumps([settings, seed, torch.get_num_threads()], sort_keys=True)
    digest = hashlib.sha256((text + code_hash(code)).encode()).hexdigest()[:12]
    slug = name.lower().replace(", ", "-").replace(" ", "-").replace(".", "")
    file = paths.runs() / "maps" / slug / f"seed{seed}-{digest}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.is_file():
            network.load_state_dict(load_weights(file))
            return network.eval()
        train()
        _write(network, file)
    return network.eval()


def _write(network: nn.Module, file: Path) -> None:
    """Write weights beside their place first: they are whole, or not there."""
    if not all(one.isfinite().all() for one in network.parameters()):
        raise Refused(f"'{file.parent.name}' has weights that are not finite: lower lr")
    beside = file.with_suffix(".writing")
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file(state, beside)
    beside.replace(file)
