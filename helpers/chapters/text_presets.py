"""Chapter 01, preset by preset: prompts, what is read of them, labels read twice.

K classes, n learnable tokens, M text tokens, B pictures, as in `text_features`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters.text_features import (
    FEW,
    Batch,
    TextFeaturesChapter,
    spelled,
    transported,
)
from helpers.data.scenes import draw_scenes
from helpers.lab.recipes import recipe
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import REPAIRS
from helpers.methods.text_side import TextSide
from helpers.report.preset_figures import Met, Strip
from helpers.settings import RunSettings

OWN = {"shared": "context", "class": "own context"}  # kinds of learnable tokens


def prompt_strips(sides: Mapping[str, TextSide], name: str) -> dict[str, Strip]:
    """Return the prompt of a class in each preset, and what the losses read of it.

    Presets of equal prompts share a strip, which their names joined lead to.
    """
    named: dict[Strip, list[str]] = {}
    for preset, side in sides.items():
        named.setdefault(_strip(side, name), []).append(preset)
    return {", ".join(presets): strip for strip, presets in named.items()}


def _strip(side: TextSide, name: str) -> Strip:
    made, method = side.prompts, side.method
    k = made.names.index(name)
    label, end = made.label[k], made.end[k]
    words = []
    for at, (word, kind) in enumerate(spelled(made, k)):
        own = OWN.get(method.contexts, "context") if kind == "context" else kind
        words.append(("", "padding") if at > end else (word, own))
    single: tuple[int, ...] = made.slots[k]
    mean: tuple[int, ...] = (*label, end)
    if "tokens" not in (method.mm_text, method.ot_text):
        single, mean = (), (end,)
    elif made.every:
        single, mean = tuple(range(1, len(words))), ()
    copies = len(side.context) if method.contexts.startswith("rolled") else 1  # type: ignore[arg-type]
    return Strip(tuple(words), single, mean, f"× {copies}" if copies > 1 else "")


@torch.no_grad()
def read_tokens(sides: Mapping[str, TextSide]) -> pd.DataFrame:
    """Return a row a preset that reads token by token: which of the M know the class.

    A token knows it if its feature is not the same for all classes. "behind the end" is
    the mean number of padding positions read of a prompt; a token's mass is nu = 1/M.
    """
    rows = []
    for name, side in sides.items():
        if side.method.ot_text != "tokens":
            continue
        tokens = side().tokens[0]  # [K, M, E]
        count = tokens.shape[1]
        knows = int((tokens != tokens[:1]).any(2).any(0).sum())
        padding = 0.0
        if side.prompts.every:
            ends = torch.tensor(side.prompts.end, dtype=torch.float64)
            padding = float((len(side.prompts.rows[0]) - 1 - ends).mean())
        rows.append(
            {
                "preset": name,
                "tokens M": count,
                "know the class": knows,
                "mass on these": knows / count,
                "behind the end": padding,
                "mass behind the end": padding / count,
            }
        )
    return pd.DataFrame(rows)


@torch.no_grad()
def met(side: TextSide, batch: Batch, names: Sequence[str]) -> Met:
    """Return which texts each picture's channels pay for, the mean cost over channels.

    `names` are those of the classes. Where the texts are those of other pictures or
    classes too, `own` is the column of the picture's own.
    """
    found = transported(side, batch)
    labels, count = batch.labels.tolist(), found.cost.shape[2]
    columns = [f"$X_{{{j}}}$" for j in range(1, count)] + ["class"]
    own: list[int] | None = None
    if side.method.ot_text == "copies":
        columns = [f"copy {j}" for j in range(1, count + 1)]
    elif side.method.ot_text == "classes":
        columns, own = list(names), labels
    elif side.method.ot_text == "label":
        columns, own = [names[k] for k in labels], list(range(len(labels)))
    elif side.prompts.every:
        columns = [str(position) for position in range(1, count + 1)]
    return Met(found.cost.mean(1).cpu(), columns, own)


def said(attempt: Callable[[], object]) -> str:
    """Return "runs", or in a line what torch says to a computation that fails."""
    try:
        attempt()
    except (RuntimeError, IndexError) as error:
        return f"torch's {type(error).__name__}, {str(error).splitlines()[0]}"
    return "runs"


def unrepaired(
    chapter: TextFeaturesChapter, clip: nn.Module, batch: Batch
) -> pd.DataFrame:
    """Return what stops `authors_oct`, what torch says to it, and the repair.

    The first two repairs of `REPAIRS` are of tensors and are tried: the view of the
    text rows, and labels as an index of the batch, here of one that is as large as its
    largest label. The others are of names and files.
    """
    side = chapter.untrained(clip, "authors_oct", repairs="none")
    labels = batch.labels.cpu()
    few = labels.roll(-int(labels.argmax()))[: int(labels.max())]

    def twice() -> Tensor:
        return side.picked(torch.arange(side.classes)[:, None], few)

    tried = {0: said(lambda: transported(side, batch)), 1: said(twice)}
    return pd.DataFrame(
        {
            "what stops it": repair.fails,
            "said here": tried.get(number, "not tried"),
            "instead": repair.instead,
        }
        for number, repair in enumerate(REPAIRS["authors_oct"])
    )


def labels_twice(
    repaired: TextSide, published: TextSide, batch: Batch, sizes: Sequence[int]
) -> pd.DataFrame:
    """Return a row a batch size: how many pictures are given their own class's text.

    The two sides index texts by labels twice, one repaired and one as published.
    "once" is what a single index gives: all of them.
    """
    numbers = torch.arange(repaired.classes)[:, None]
    rows = []
    for size in sizes:
        labels = batch.labels[:size].cpu()
        once = numbers[labels][:, 0]
        given = repaired.picked(numbers, labels)[:, 0]
        without = said(lambda: published.picked(numbers, labels))  # noqa: B023
        rows.append(
            {
                "batch": size,
                "own text, indexed once": float((once == labels).double().mean()),
                "own text, twice": float((given == labels).double().mean()),
                "as published": without,
            }
        )
    return pd.DataFrame(rows)


def texts_given(
    side: TextSide, labels: Tensor, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the classes of a batch, and the class whose text the pictures of each get.

    Labels `[B]`; pictures of a class get the same text, the same one in the batch.
    """
    numbers = torch.arange(side.classes)[:, None]
    given = side.picked(numbers, labels.cpu())[:, 0].tolist()
    pairs = dict(sorted(zip(labels.tolist(), given, strict=True)))
    return [names[k] for k in pairs], [names[k] for k in pairs.values()]


def copy_gradients(
    chapter: TextFeaturesChapter, clip: nn.Module, batch: Batch
) -> pd.DataFrame:
    """Return which copies of a context a step moves, and whether it parts them.

    Norms of the gradients of L_MM and L_OT in the context of the first copy and, the
    largest, of another; "others part by" is the largest difference of any two of the
    others' gradients in units of their largest entry. Dropout is off.
    """
    rows = []
    for name in ("rebuttal", "authors_oct"):
        for way in ("rolled", "rolled apart"):
            module = _module(chapter, clip, name, contexts=way)
            side = cast(TextSide, module.text)
            row: dict[str, Any] = {"preset": name, "contexts": way}
            total = torch.zeros_like(cast(Tensor, side.context))
            for loss in ("MM", "OT"):
                slope = _context_slope(module, batch, loss)
                norms = slope.norm(dim=(1, 2))
                row[f"{loss}: first copy"] = float(norms[0])
                row[f"{loss}: others"] = float(norms[1:].max())
                total += slope
            others = total[1:]
            top = float(others.abs().max())
            apart = float((others.amax(0) - others.amin(0)).max())
            row["others part by"] = apart / top if top else 0.0
            rows.append(row)
    return pd.DataFrame(rows)


def _module(
    chapter: TextFeaturesChapter, clip: nn.Module, name: str, **changed: Any
) -> LicoClassifier:
    """Return a preset's training module before its first step, in evaluation mode."""
    settings = RunSettings(
        data=chapter.data().model_copy(update={"train": FEW}),
        method=chapter.lico(name, **{"n_ctx": chapter.n_ctx} | changed),
        seed=chapter.seeds[0],
        device=chapter.device,
    )
    module, _ = recipe(settings).module_and_tensors(settings, [clip])
    return cast(LicoClassifier, module).to(chapter.device).eval()


def _context_slope(module: LicoClassifier, batch: Batch, loss: str) -> Tensor:
    """Return the gradient of one loss in the contexts, zeros where there is none."""
    side = cast(TextSide, module.text)
    context = cast(Tensor, side.context)
    texts, which = side.of_batch(batch.labels)
    if loss == "MM":
        term = module.manifold_matching(batch.maps, side, texts, which, batch.labels)
    else:
        term = module.optimal_transport(batch.maps, side, texts, which)
    if not term.loss.requires_grad:
        return torch.zeros_like(context)
    (slope,) = torch.autograd.grad(term.loss, context, allow_unused=True)
    return torch.zeros_like(context) if slope is None else slope


class Told(NamedTuple):
    """Pictures told apart by captions: a text side of them, and what each says."""

    side: TextSide
    captions: tuple[str, ...]  # of the first pictures, in their order
    labels: tuple[int, ...]


def captioned(chapter: TextFeaturesChapter, clip: nn.Module) -> Told | None:
    """Return preset `paper` with a caption a picture in the place of its class's name.

    None where the data set has no captions.
    """
    if chapter.dataset != "scenes":
        return None
    data = chapter.data()
    drawn = draw_scenes(FEW, "train", data.size, data.cue, data.seed)
    side = chapter.untrained(clip, "paper", names="captions")
    return Told(side, tuple(drawn.captions), tuple(drawn.labels.tolist()))


def told_table(told: Told | None, named: TextSide) -> pd.DataFrame:
    """Return names against captions as texts of the same pictures.

    "texts" are the distinct ones, "share a text" the share of pairs of pictures with
    the same, "same class, other text" of pairs of a class those with different ones.
    """
    if told is None:
        return pd.DataFrame({"texts of": ["these data have no captions"]})
    labels = torch.tensor(told.labels)
    assert told.side.numbers is not None
    kinds = {"names": (named, labels), "captions": (told.side, told.side.numbers)}
    classmates = _pairs(labels)
    rows = []
    for kind, (side, numbers) in kinds.items():
        shared = _pairs(numbers.cpu())
        rows.append(
            {
                "texts of": f"{len(labels)} pictures, {kind}",
                "texts": len(numbers.unique()),
                "tokens through the tower": len(side.trie.keys),
                "share a text": float(shared.double().mean()),
                "same class, other text": float((~shared)[classmates].double().mean()),
            }
        )
    return pd.DataFrame(rows)


def _pairs(numbers: Tensor) -> Tensor:
    """Return which pairs of different pictures have the same number, `[B (B-1)]`."""
    same = numbers[:, None] == numbers
    return same[~torch.eye(len(numbers), dtype=torch.bool)]
