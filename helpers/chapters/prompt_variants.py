"""Chapter 06: a context for each class, and the name in front. Who hears the name?

What that does to the losses, and what it costs, stands in `prompt_effects`, what became
of accuracy and maps in `prompt_claims`. Text sides are trained or not. K classes, n
learnable tokens, M text tokens, E features of the tower, d' cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.chapters.chapter import LicoChapter
from helpers.chapters.text_tokens import carriers
from helpers.chapters.training import rows_of
from helpers.lab.runs import Run, needs, train_or_load
from helpers.language.tiny_clip import tokenizer
from helpers.methods.presets import preset
from helpers.methods.text_side import Language, TextSide
from helpers.settings import Lico, RunSettings
from helpers.streams import stream

# Arm: what it changes of `paper`.
VARIANTS: dict[str, dict[str, Any]] = {
    "shared, end": {},
    "class, end": {"contexts": "class"},
    "shared, front": {"position": "front"},
    "class, front": {"contexts": "class", "position": "front"},
}
# The published code that has both extensions: it reads every position of a prompt.
PUBLISHED = ("repro_shared", "repro_class_specific", "repro_label_front")
SAME, OWN, HEARS = "same for all classes", "own context only", "hears the name"
ROUNDING = 1e-5  # a feature has changed by more than this share of its length


class PromptVariants(LicoChapter):
    """The parameters of chapter 06."""

    n_ctx: int = Field(12, ge=2, description="learnable tokens of a prompt")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the baseline and LICO with each form of its prompts."""
        arms = {"ce": self.each(self.data(), self.cross_entropy(), self.seeds)}
        for name, method in self.methods().items():
            arms[name] = self.each(self.data(), method, self.seeds)
        return arms

    def methods(self) -> dict[str, Lico]:
        """Return the settings of each variant, by its name."""
        return {
            name: self.lico("paper", n_ctx=self.n_ctx, **changed)
            for name, changed in VARIANTS.items()
        }

    def published(self) -> dict[str, Lico]:
        """Return the published code in its three forms, by what each is called."""
        return {
            self.called(name, n_ctx=self.n_ctx): preset(name, n_ctx=self.n_ctx)
            for name in PUBLISHED
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return of each run what the claims need, per picture, and its means."""
        return {"parameters": self.model_dump(), "arms": rows_of(arms)}


def clip_of(run: Run) -> nn.Module:
    """Return the vision-language model whose tower reads the run's prompts."""
    (one,) = needs(run.settings)
    return train_or_load(one).model()


def trained_sides(arms: Mapping[str, Sequence[Run]]) -> dict[str, TextSide]:
    """Return the trained text side of each variant, of its first seed."""
    return {name: cast(TextSide, arms[name][0].text_side()) for name in VARIANTS}


def start_of(
    method: Lico, like: TextSide, clip: nn.Module, names: Sequence[str] | None = None
) -> TextSide:
    """Return a method's text side as training would start it, not training.

    Classes (or other `names` for them), cells and seed are those of `like`.
    """
    cells = cast(nn.Linear, like.h_psi[-1]).out_features
    language = Language(tuple(names or like.prompts.names), clip)
    side = TextSide(method, language, cells, like.seed)
    return side.to(like.t.device).eval()


def starts(
    methods: Mapping[str, Lico], like: TextSide, clip: nn.Module
) -> dict[str, TextSide]:
    """Return `start_of` each method."""
    return {name: start_of(method, like, clip) for name, method in methods.items()}


def _tokens(side: TextSide) -> Tensor:
    """Return the tower's features of each class's text tokens, `[K, M, E]`."""
    with torch.no_grad():
        return side().tokens[0].double()


def _moved(before: Tensor, after: Tensor) -> Tensor:
    """Tell which features `[..., E]` are not the same, but for rounding."""
    length = before.norm(dim=-1).clamp_min(1e-12)
    return (after - before).norm(dim=-1) > ROUNDING * length


def differs(side: TextSide) -> Tensor:
    """Tell which tokens are not the same for all classes, bool `[M]`."""
    tokens = _tokens(side)
    return _moved(tokens[:1], tokens).any(0)


def hears(side: TextSide, clip: nn.Module) -> Tensor:
    """Tell which tokens depend on the class's name, bool `[K, M]`.

    Each class keeps its context vectors and is given the names of three other classes
    in turn; a token that stays as it is does not know the name.
    """
    names, own = side.prompts.names, _tokens(side)
    heard = torch.zeros(own.shape[:2], dtype=torch.bool, device=own.device)
    for step in {1, len(names) // 3, len(names) // 2} - {0}:
        other = start_of(side.method, side, clip, names[step:] + names[:step])
        other.load_state_dict(side.state_dict())
        heard |= _moved(own, _tokens(other))
    return heard


def renamed(side: TextSide, clip: nn.Module, step: int) -> list[float]:
    """Return each token's largest change if class k bears the name of k + `step`, M.

    Of any feature of any class; weights and context vectors stay as they are.
    """
    names = side.prompts.names
    other = start_of(side.method, side, clip, names[step:] + names[:step])
    other.load_state_dict(side.state_dict())
    found: list[float] = (_tokens(other) - _tokens(side)).abs().amax((0, 2)).tolist()
    return found


def learns(side: TextSide, clip: nn.Module) -> Tensor:
    """Tell which tokens depend on the learnable vectors at all, bool `[K, M]`."""
    other = start_of(side.method, side, clip)
    other.load_state_dict(side.state_dict())
    assert other.context is not None
    noise = torch.randn(other.context.shape, generator=stream(0, "other context"))
    with torch.no_grad():
        other.context.add_(noise.to(other.context))
    return _moved(_tokens(side), _tokens(other))


def name_part(side: TextSide, clip: nn.Module) -> float:
    """Return how much of the distance between classes is made by their names.

    mean |G_k(name of l) - G_k|^2 / mean |G_k - G_l|^2 of the rows that manifold
    matching compares: class k keeps its own context vectors and bears the name of
    another, k + s for about eight shifts s. 0 or more, 1 where the context is shared;
    what differs from 1 is due to the contexts.
    """
    names, own = side.prompts.names, rows_of_texts(side)
    classes = len(names)
    steps = range(1, classes, max(1, classes // 8))
    by_name, apart = [], []
    for step in steps:
        other = start_of(side.method, side, clip, names[step:] + names[:step])
        other.load_state_dict(side.state_dict())
        by_name.append((rows_of_texts(other) - own).square().sum(1).mean())
        apart.append((own.roll(-step, 0) - own).square().sum(1).mean())
    return float(torch.stack(by_name).mean() / torch.stack(apart).mean())


@torch.no_grad()
def rows_of_texts(side: TextSide) -> Tensor:
    """Return what manifold matching compares of each class's text, `[K, D]`."""
    rows = side.all_rows(side()).double()
    return F.normalize(rows, dim=1) if side.method.unit else rows


def carried(sides: Mapping[str, TextSide], clip: nn.Module) -> pd.DataFrame:
    """Return a row a text side: which of its M tokens can tell classes apart, and how.

    "differ": not the same for all classes. "hear the name", "padding", "not learnt"
    (no learnable vector stands before them): means over classes. "mass": nu = 1/M of
    each token that hears. "in common": the share of ||G_k||^2 that all classes share.
    "by the name": as `name_part`.
    """
    common = carriers(sides)["length in common"].tolist()
    rows = []
    for (name, side), shared in zip(sides.items(), common, strict=True):
        heard = hears(side, clip).double()
        tokens = heard.shape[1]
        ends = torch.tensor(side.prompts.end, dtype=torch.float64)
        padding = tokens - ends.mean() if side.prompts.every else 0.0
        rows.append(
            {
                "prompts": name,
                "M": tokens,
                "differ": int(differs(side).sum()),
                "hear the name": float(heard.sum(1).mean()),
                "padding": float(padding),
                "not learnt": float((~learns(side, clip)).double().sum(1).mean()),
                "mass": float(heard.mean()),
                "in common": shared,
                "by the name": name_part(side, clip),
            }
        )
    return pd.DataFrame(rows)


def strips(
    sides: Mapping[str, TextSide], clip: nn.Module, classes: Sequence[int]
) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return the text tokens of some classes: what it is, what it knows, is it learnt.

    What it knows is `SAME`, `OWN` or `HEARS`; learnt is what a learnable vector stands
    before. A row is named by text side and class.
    """
    rows = []
    for name, side in sides.items():
        heard, different, learnt = hears(side, clip), differs(side), learns(side, clip)
        several = classes if side.prompts.every else classes[:1]
        for k in several:
            knows = [
                HEARS if one else OWN if other else SAME
                for one, other in zip(
                    heard[k].tolist(), different.tolist(), strict=True
                )
            ]
            of = f"{name}: {side.prompts.names[k]}" if side.prompts.every else name
            tokens = zip(words(side, k), knows, learnt[k].tolist(), strict=True)
            rows.append((of, list(tokens)))
    return rows


def short_and_long(side: TextSide) -> list[int]:
    """Return a class whose name has the fewest tokens, and one that has the most."""
    sizes = [len(label) for label in side.prompts.label]
    return [sizes.index(min(sizes)), sizes.index(max(sizes))]


def words(side: TextSide, k: int) -> list[str]:
    """Return what each of the M text tokens of class k is."""
    made, tokens = side.prompts, tokenizer()
    if not made.every:
        return [f"$X_{{{j + 1}}}$" for j in range(made.contexts)] + ["class"]
    words = []
    for at, key in enumerate(made.rows[k]):
        if key < 0:
            words.append(f"$X_{{{-key}}}$")
        elif at in made.label[k]:
            words.append(tokens.decode([key]).strip())
        else:
            words.append("end" if at == made.end[k] else "pad")
    return words[1:]


def token_distances(sides: Mapping[str, TextSide]) -> pd.DataFrame:
    """Return a row a text side: how far each token's feature is between classes.

    sqrt(mean over pairs of classes of |g_k - g_l|^2) in units of the root mean square
    of |g_k|; exactly 0 where all classes are the same. Columns X_1 .. X_n, class.
    """
    rows = {}
    for name, side in sides.items():
        tokens = _tokens(side).transpose(0, 1)  # [M, K, E]
        classes = tokens.shape[1]
        apart = torch.stack([(one[:, None] - one).square().sum(2) for one in tokens])
        mean = apart.sum((1, 2)) / (classes * (classes - 1))
        length = tokens.square().sum(2).mean(1)
        rows[name] = dict(
            zip(words(side, 0), (mean / length).sqrt().tolist(), strict=True)
        )
    return pd.DataFrame(rows).T
