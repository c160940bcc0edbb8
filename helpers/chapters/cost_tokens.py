"""Chapter 08: the tokens of the text branch, form by form, by counting.

K classes, B pictures of a batch, n learnable tokens, L tokens a padded prompt, W width
of the tower.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from helpers.chapters.class_names import CIFAR10, CIFAR100, IMAGENET_S50, IMAGENETTE
from helpers.chapters.plain_forms import padded_features
from helpers.language import text_tower
from helpers.language.prompts import Position, Prompts, build_prompts, draw_context
from helpers.report import tables
from helpers.streams import mix, stream

LENGTH, WIDTH, HEADS, LAYERS = 77, 512, 8, 12  # the text tower of ViT-B/32
CONTEXTS = 12  # learnable tokens of the published codes
APART = 2.0  # columns between the trunk of a drawn trie and its branches
Cell = tuple[float, float, str]
Edge = tuple[tuple[float, float], tuple[float, float]]
DATA: dict[str, tuple[str, ...]] = {
    "CIFAR-10": CIFAR10,
    "Imagenette": IMAGENETTE,
    "ImageNet-S50": IMAGENET_S50,
    "CIFAR-100": CIFAR100,
}
PUBLISHED, PADDED, CUT, SHARED, DISTINCT = WAYS = (
    "as published",
    "each prompt once",
    "cut at the end token",
    "beginnings shared",
    "classes of the batch",
)


@dataclass(frozen=True)
class Form:
    """A form of the prompts, and how many of them a published code runs in a step."""

    name: str
    position: Position = "end"
    full_stop: bool = False
    copies: bool = False  # n of them, rolled
    own: bool = False  # a context for each class
    a_picture: bool = True  # a prompt a picture, else one a class

    def prompts(self, names: Sequence[str], contexts: int = CONTEXTS) -> Prompts:
        """Return the prompts of these classes."""
        return build_prompts(names, contexts, self.position, self.full_stop, LENGTH)


FORMS = (
    Form("shared context"),
    Form("own contexts", own=True),
    Form("name in front", position="front"),
    Form("rolled copies", full_stop=True, copies=True, a_picture=False),
)


def distinct_labels(classes: int, batch: int) -> float:
    """Return the expected number of classes in a batch, K (1 - (1 - 1/K)^B).

    Of K classes that are equally likely, drawn independently.
    """
    return classes * (1 - (1 - 1 / classes) ** batch)


def expected_nodes(prompts: Prompts, batch: int) -> float:
    """Return the expected size of the trie of the classes of a batch.

    sum over nodes v of 1 - (1 - c_v / K)^B, c_v the classes whose prompt goes through
    v: the start and a shared context are always there, the end of a prompt as often as
    its class.
    """
    trie = text_tower.build_trie(prompts)
    through = (trie.mask[trie.places.end] == 0).sum(0).double()  # [T]
    return float((1 - (1 - through / len(prompts.rows)) ** batch).sum())


def tokens(
    form: Form, names: Sequence[str], batch: int, contexts: int = CONTEXTS
) -> dict[str, float]:
    """Return the tokens that a tower runs in one step, by way; NaN: the way is barred.

    The last way is an expectation; with own contexts its rows stay as long as the
    longest of all classes.
    """
    made = form.prompts(names, contexts)
    copies = contexts if form.copies else 1
    counted = text_tower.tokens_per_step(made, copies, form.own)
    if form.own:
        longest = max(len(row) for row in made.rows)
        last = distinct_labels(len(names), batch) * longest
    else:
        last = copies * expected_nodes(made, batch)
    rows = batch if form.a_picture else copies * len(names)
    return {
        PUBLISHED: rows * LENGTH,
        PADDED: counted["plain"],
        CUT: counted["cut"],
        SHARED: counted.get("trie", float("nan")),
        DISTINCT: last,
    }


def token_table(batch: int, contexts: int = CONTEXTS) -> pd.DataFrame:
    """Return a row a data set and form: tokens a step, a column a way, and the saving.

    "times fewer" is `PUBLISHED` by `DISTINCT`.
    """
    rows = []
    for data, names in DATA.items():
        for form in FORMS:
            counted = tokens(form, names, batch, contexts)
            fewer = counted[PUBLISHED] / counted[DISTINCT]
            rows.append(
                {"data": data, "prompts": form.name, **counted, "times fewer": fewer}
            )
    return pd.DataFrame(rows)


def text_tower_of(layers: int, seed: int) -> nn.Module:
    """Return the text tower of ViT-B/32 with so many of its blocks, random and frozen.

    Cost does not depend on the weights; the blocks are alike.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, "text tower"))
        tower: nn.Module = blank_tower(layers)
    return tower.requires_grad_(False).eval()


def blank_tower(layers: int) -> Any:
    """Return the tower with so many blocks on the current device, untrained."""
    return TextTransformer(
        context_length=LENGTH,
        width=WIDTH,
        heads=HEADS,
        layers=layers,
        output_dim=WIDTH,
    )


def learnt_nodes(prompts: Prompts) -> tuple[int, int]:
    """Return how many nodes of the trie hang on a learnable token, and how many it has.

    With a frozen tower what stands before the first learnable token is the same at
    every step; its keys and values could be kept from one step to the next.
    """
    trie = text_tower.build_trie(prompts)
    learnable = (trie.keys < 0).double()
    hangs = (trie.mask == 0).double() @ learnable > 0
    return int(hangs.sum()), len(hangs)


def exactness(layers: int, names: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return a row a form: largest relative errors of the short way, by the padded.

    Of the text tokens, the pooled feature, and the gradient of the context, in
    float64; the gradient is that of a random sum of all tokens.
    """
    tower = text_tower_of(layers, seed).double()
    generator = stream(seed, "exactness")
    rows = []
    for form in FORMS[:3]:
        made = form.prompts(names)
        count = len(names) if form.own else 1
        start = draw_context(count, CONTEXTS, WIDTH, generator).double()
        slope = torch.randn(
            *(1, len(names), CONTEXTS + 1, WIDTH),
            generator=generator,
            dtype=torch.float64,
        )
        found = {}
        cut = form.own or form.position == "front"  # as in training
        for way, run in ways(tower, made, cut).items():
            context = start.clone().requires_grad_()
            features = run(context)
            (change,) = torch.autograd.grad((slope * features.tokens).sum(), context)
            found[way] = features.tokens.detach(), features.pooled.detach(), change
        parts = zip(*found.values(), strict=True)
        errors = [float((a - b).abs().max() / a.abs().max()) for a, b in parts]
        words = ("tokens", "pooled", "gradient of the context")
        rows.append({"prompts": form.name, **dict(zip(words, errors, strict=True))})
    return pd.DataFrame(rows)


def exact(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the checks of `exactness`: the largest error of each form, against 1e-12.

    That is a few thousand roundings of float64.
    """
    words = errors.columns.drop("prompts")
    largest = errors[words].max(axis=1)
    table = tables.of_checks(
        [
            (f"{name}: largest relative error", "at most 1e-12", value, value <= 1e-12)
            for name, value in zip(errors["prompts"], largest, strict=True)
        ]
    )
    return table.assign(measured=table["measured"].map("{:.1e}".format))


def ways(
    tower: nn.Module, prompts: Prompts, cut: bool = False
) -> Mapping[str, Callable[[Tensor], text_tower.TextFeatures]]:
    """Return the padded and the short way from a context to the text features.

    The short way cuts prompts at their end, or shares their beginnings.
    """
    trie = None if cut else text_tower.build_trie(prompts)

    def padded(context: Tensor) -> text_tower.TextFeatures:
        each = context.expand(len(prompts.rows), -1, -1)
        return padded_features(tower, prompts, each)

    def short(context: Tensor) -> text_tower.TextFeatures:
        if trie is None:
            each = context.expand(len(prompts.rows), -1, -1)
            return text_tower.own_features(tower, prompts, each)
        return text_tower.shared_features(tower, trie, context)

    return {"padded": padded, "shared" if trie else "cut": short}


def layouts(prompts: Prompts) -> dict[str, tuple[list[Cell], list[Edge]]]:
    """Return the tokens of prompts as places on a page: padded, cut, and as a trie.

    A token is (position in the prompt, row, kind); edges join a token to the next. In
    the trie a token stands at the mean row of the prompts that go through it, and
    those that not all go through stand `APART` further on.
    """
    kinds = [_kinds(prompts, k) for k in range(len(prompts.rows))]
    padded: list[Cell] = []
    cut: list[Cell] = []
    for row, own in enumerate(kinds):
        cut += [(float(at), float(row), kind) for at, kind in enumerate(own)]
        whole = own + ["pad"] * (prompts.length - len(own))
        padded += [(float(at), float(row), kind) for at, kind in enumerate(whole)]
    rows: dict[tuple[int, ...], list[int]] = {}
    for row, keys in enumerate(prompts.rows):
        for stop in range(1, len(keys) + 1):
            rows.setdefault(keys[:stop], []).append(row)
    place = {
        prefix: (
            len(prefix) - 1 + APART * (len(through) < len(kinds)),
            sum(through) / len(through),
        )
        for prefix, through in rows.items()
    }
    trie = [
        (*place[prefix], kinds[through[0]][len(prefix) - 1])
        for prefix, through in rows.items()
    ]
    edges = [(place[p[:-1]], place[p]) for p in rows if len(p) > 1]
    return {PADDED: (padded, []), CUT: (cut, []), SHARED: (trie, edges)}


def _kinds(prompts: Prompts, k: int) -> list[str]:
    """Return what each token of class k is: start, context, name, stop or end."""
    kinds = ["stop"] * len(prompts.rows[k])
    for at in prompts.slots[k]:
        kinds[at] = "context"
    for at in prompts.label[k]:
        kinds[at] = "name"
    kinds[0], kinds[prompts.end[k]] = "start", "end"
    return kinds
