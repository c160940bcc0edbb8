"""Rows 1 to 3: the text branch, value and gradient, against prompts padded to L.

A ViT-B-32 text tower of random weights: neither time nor rounding depends on them.
"""

from collections.abc import Callable, Iterator

import open_clip
import torch
from rows import Row, error, timed
from torch import Tensor, nn

from helpers.chapters.class_names import CIFAR100
from helpers.chapters.plain_forms import padded_features
from helpers.lab.pairs import Pairs, alternate, seconds
from helpers.language import text_tower
from helpers.language.prompts import (
    Prompts,
    build_prompts,
    draw_context,
    rolled_apart,
    some,
)
from helpers.language.text_tower import TextFeatures
from helpers.streams import stream

THREADS = 2
SLOTS, BATCH, PAIRS = 12, 64, 5
Branch = Callable[[Tensor], TextFeatures]


def rows(
    tower: nn.Module | None = None, names: tuple[str, ...] = CIFAR100
) -> Iterator[Row]:
    """Yield the rows of a tower: ViT-B-32 unless another is given."""
    tower = open_clip_text() if tower is None else tower
    tower.requires_grad_(False).eval()
    length, width, classes = tower.context_length, text_tower.width(tower), len(names)
    labels = torch.randint(classes, (BATCH,), generator=stream(0, "labels"))
    batch = labels.unique()
    end, front = (
        build_prompts(names, SLOTS, place, True, length) for place in ("end", "front")
    )
    one = draw_context(1, SLOTS, width, stream(0, "context"))
    own = draw_context(classes, SLOTS, width, stream(0, "contexts"))
    on, few = f"{classes} classes", f"{len(batch)} labels of a batch of {BATCH}"
    against = f"all classes x {length} tokens"

    def padded(prompts: Prompts) -> Branch:
        return lambda context: padded_features(
            tower, prompts, context.expand(classes, -1, -1)
        )

    def shared(prompts: Prompts) -> Branch:
        trie = text_tower.build_trie(prompts)
        return lambda context: text_tower.shared_features(tower, trie, context)

    def cut(prompts: Prompts, kept: Tensor) -> Branch:
        return lambda context: text_tower.own_features(
            tower, prompts, context.expand(classes, -1, -1)[kept]
        )

    every, several = torch.arange(classes), batch.tolist()
    cases = (
        ("1a", "text branch", on, end, every, shared(end), one, 15),
        ("1b", "text branch", few, end, batch, shared(some(end, several)), one, 25),
        ("3a", "a context for each class", on, end, every, cut(end, every), own, 4),
        (
            *("3b", "a context for each class", few, end, batch),
            *(cut(some(end, several), batch), own, 7),
        ),
        ("3c", "label in front", on, front, every, cut(front, every), one, 4),
        (
            *("3d", "label in front", few, front, batch),
            *(cut(some(front, several), batch), one, 7),
        ),
    )
    for number, name, what, prompts, kept, ours, context, bar in cases:
        plain = _of(padded(prompts), kept)
        with torch.no_grad():
            found, wanted = ours(context), plain(context)
        differences = [
            error(found.tokens, wanted.tokens),
            error(found.pooled, wanted.pooled),
            error(slope(ours, context), slope(plain, context)),
        ]
        pairs = alternate(
            lambda form=plain, c=context: slope(form, c),
            lambda form=ours, c=context: slope(form, c),
            *(PAIRS, 0),
        )
        more = {"bar": bar, "error": max(differences)}
        yield timed(number, name, against, what, pairs, "at least", **more)

    pairs = alternate(
        lambda: slope_with_weights(tower, padded(end), one),
        lambda: slope(shared(end), one),
        *(PAIRS, 0),
    )
    trained = f"{against}, tower not frozen, as published"
    yield timed("1c", "text branch", trained, on, pairs, "at least")

    copies, kept = rolled_apart(one), {}
    plain, ours = padded(end), shared(end)
    by_copy = seconds(
        lambda: kept.update(
            plain=torch.cat([slope(plain, copy[None]) for copy in copies])
        )
    )
    at_once = seconds(lambda: kept.update(ours=slope(ours, copies)))
    yield timed(
        *("2", "text branch", f"{len(copies)} x {against}, copy by copy"),
        *(f"{len(copies)} contexts x {on}", Pairs((by_copy,), (at_once,)), "at least"),
        bar=15,
        error=error(kept["ours"], kept["plain"]),
    )


def open_clip_text() -> nn.Module:
    """Return a ViT-B-32 CLIP with random weights, without its picture tower."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32"))
    del model.visual
    return model


def slope(branch: Branch, context: Tensor) -> Tensor:
    """Return the gradient in the context of a fixed sum over a branch's features.

    The same for each copy of the context, whether they come together or one by one.
    """
    start = context.clone().requires_grad_()
    (found,) = torch.autograd.grad(_total(branch(start)), start)
    return found


def slope_with_weights(tower: nn.Module, branch: Branch, context: Tensor) -> None:
    """Compute `slope`, and the gradients of all weights of the tower's text part."""
    weights = list(tower.parameters())
    for weight in weights:
        weight.requires_grad_(True)
    _total(branch(context.clone().requires_grad_())).backward()
    for weight in weights:
        weight.requires_grad_(False).grad = None


def _of(branch: Branch, classes: Tensor) -> Branch:
    """Return a branch that gives these classes alone, of all that it computes."""

    def some_of(context: Tensor) -> TextFeatures:
        found = branch(context)
        return TextFeatures(found.tokens[:, classes], found.pooled[:, classes])

    return some_of


def _total(found: TextFeatures) -> Tensor:
    total = torch.zeros(())
    for name, part in (("tokens", found.tokens), ("pooled", found.pooled)):
        weight = torch.randn(part[:1].shape, generator=stream(1, name))
        total = total + (weight * part).sum()
    return total
