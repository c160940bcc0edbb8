"""Chapter 01: from a prompt to text features, shape by shape, in every preset.

Every function takes text sides (`helpers.methods.text_side.TextSide`), trained or not,
and a batch of maps from one trained classifier. B pictures, C channels, d' cells, M
text tokens, n learnable tokens, K classes, E text features.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from helpers.chapters.chapter import LicoChapter
from helpers.data import catalog
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run, check
from helpers.language import prompts, tiny_clip
from helpers.losses import transport
from helpers.methods.presets import PRESETS
from helpers.methods.text_side import TextSide
from helpers.settings import RunSettings
from helpers.streams import stream

CLIP, LICO = "tiny CLIP", "lico"
POSITIONS: tuple[prompts.Position, ...] = ("end", "middle", "front")
CLIP_LENGTH = 77  # tokens that the text tower of ViT-B/32 takes
FEW = 64  # training pictures that an untrained module is given


class TextFeaturesChapter(LicoChapter):
    """The parameters of chapter 01."""

    n_ctx: int = Field(12, ge=1, description="learnable tokens of a prompt")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the tiny CLIP and a trained LICO a seed."""
        lico = self.lico("paper", n_ctx=self.n_ctx)
        return {CLIP: [self.clip()], LICO: self.each(self.data(), lico, self.seeds)}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what the runs were trained with: all else is arithmetic."""
        return {"parameters": self.model_dump()}

    def check(self) -> None:
        """Refuse what the chapter's run, or a preset that it builds, cannot have."""
        super().check()
        for name in PRESETS:
            check(self.start_of(name))

    def start_of(self, name: str, **changed: Any) -> RunSettings:
        """Return the run of a preset of which the chapter builds the text side."""
        return RunSettings(
            data=self.data().model_copy(update={"train": FEW}),
            method=self.lico(name, **{"n_ctx": self.n_ctx} | changed),
            seed=self.seeds[0],
            device=self.device,
        )

    def untrained(self, clip: nn.Module, name: str, **changed: Any) -> TextSide:
        """Return the text side of a preset as training would start it, not training.

        The weights are those of the chapter's first seed; `changed` sets switches.
        """
        settings = self.start_of(name, **changed)
        module, _ = recipe(settings).module_and_tensors(settings, [clip])
        return cast(TextSide, module.text).to(self.device).eval()

    def presets(self, clip: nn.Module) -> dict[str, TextSide]:
        """Return the untrained text side of every preset, by what it is called."""
        return {
            self.called(name, n_ctx=self.n_ctx): self.untrained(clip, name)
            for name in PRESETS
        }

    def positions(self, clip: nn.Module, trained: TextSide) -> dict[str, TextSide]:
        """Return a trained text side three times: its name at each position."""
        sides: dict[str, TextSide] = {}
        for place in POSITIONS:
            sides[place] = self.untrained(clip, "paper", position=place)
            sides[place].load_state_dict(trained.state_dict())
        return sides

    def copies(self, clip: nn.Module, trained: TextSide) -> dict[str, TextSide]:
        """Return the preset `rebuttal` with a trained context, rolled in two ways.

        "rolled": n times by the same step; "rolled apart": copy i by i steps. The
        projection is the trained one too.
        """
        ways = {"rolled": prompts.rolled, "rolled apart": prompts.rolled_apart}
        sides = {}
        for name, way in ways.items():
            sides[name] = side = self.untrained(clip, "rebuttal")
            assert trained.context is not None
            with torch.no_grad():
                side.context = nn.Parameter(way(trained.context))
            side.h_psi.load_state_dict(trained.h_psi.state_dict())
        return sides


class Batch(NamedTuple):
    """What the losses of one step see of the pictures: maps F `[B, C, d']`, labels."""

    maps: Tensor
    labels: Tensor

    def first(self, count: int) -> "Batch":
        """Return the first `count` pictures."""
        return Batch(self.maps[:count], self.labels[:count])


class Transport(NamedTuple):
    """Tokens `[B, M, d']`, cost and plan `[B, C, M]`, and <T, c> of each picture."""

    tokens: Tensor
    cost: Tensor
    plan: Tensor
    losses: Tensor


@torch.no_grad()
def batch_of(run: Run, count: int) -> Batch:
    """Return the first training pictures as a trained classifier maps them."""
    pictures = catalog.load(run.settings.data, "train").first(count)
    images = pictures.normalised().to(run.settings.device)
    maps = run.model().features(images).flatten(2)  # type: ignore[operator]
    return Batch(maps, pictures.labels.to(run.settings.device))


@torch.no_grad()
def transported(side: TextSide, batch: Batch) -> Transport:
    """Return the transport of a batch's channels to texts, as the preset has it."""
    tokens = side.transport_tokens(side(), batch.labels)
    cost = transport.ground_cost(batch.maps, tokens)
    method = side.method
    if method.plan == "published":
        plan = transport.published_plan(cost, method.epsilon, most=method.iterations)
    else:
        plan = transport.optimal_plan(cost, method.epsilon)
    return Transport(tokens, cost, plan, (plan * cost).sum((1, 2)))


def refusal(maps: Tensor, texts: Tensor) -> str:
    """Return what this package's ground cost says to texts of another shape."""
    try:
        return f"cost of shape {_shape(transport.ground_cost(maps, texts))}"
    except ValueError as error:
        return str(error)


def prompt_rows(
    names: Sequence[str], contexts: int, full_stop: bool = False
) -> dict[str, list[list[tuple[str, str]]]]:
    """Return the prompts of some classes at each position, token by token.

    A token is (what it spells, its kind): "start", "context", "name", "stop", "end".
    """
    found: dict[str, list[list[tuple[str, str]]]] = {}
    for place in POSITIONS:
        made = prompts.build_prompts(names, contexts, place, full_stop, CLIP_LENGTH)
        found[place] = [spelled(made, k) for k in range(len(names))]
    return found


def spelled(made: prompts.Prompts, k: int) -> list[tuple[str, str]]:
    """Return prompt k, a (what it spells, its kind) a token, padding included."""
    tokens = tiny_clip.tokenizer()
    return [
        _token(key, at in made.label[k], tokens) for at, key in enumerate(made.rows[k])
    ]


def _token(key: int, of_name: bool, tokens: Any) -> tuple[str, str]:
    if key < 0:
        return f"$X_{{{-key}}}$", "context"
    if key in (tokens.sot_token_id, tokens.eot_token_id):
        kind = "start" if key == tokens.sot_token_id else "end"
        return kind, kind
    return tokens.decode([key]).strip(), "name" if of_name else "stop"


@torch.no_grad()
def shape_table(sides: Mapping[str, TextSide], batch: Batch) -> pd.DataFrame:
    """Return a row a preset: the shapes of all that its two losses read of a batch.

    "OT meets" is read off the tensor: a batch axis of stride 0 is one set of texts,
    shown to every picture, be it of all classes or of the batch.
    """
    rows = []
    for name, side in sides.items():
        texts, found = side(), transported(side, batch)
        pooled = side.method.mm_image == "pooled"
        image = batch.maps.mean(2) if pooled else batch.maps.flatten(1)
        words = side.manifold_rows(texts, batch.labels)
        shared = found.tokens.stride(0) == 0
        of = "all classes" if side.method.ot_text == "classes" else "the batch"
        rows.append(
            {
                "preset": name,
                "prompts a step": texts.pooled.shape[:2].numel(),
                "MM: text": _shape(words),
                "MM: image": _shape(image),
                "OT: text": _shape(found.tokens),
                "OT: cost": _shape(found.cost),
                "OT meets": f"texts of {of}" if shared else "own text",
            }
        )
    return pd.DataFrame(rows)


def _shape(tensor: Tensor) -> str:
    return f"[{', '.join(map(str, tensor.shape))}]"


def shuffled_labels(
    sides: Mapping[str, TextSide], batch: Batch, times: int = 5
) -> pd.DataFrame:
    """Return a row a text side: its OT loss, and what other labels change of it.

    The labels of the batch change places `times` times. "a picture" and "largest" are
    mean and largest |L_i' - L_i| / L_i of pictures that get another class's label; "the
    batch" is the median |L' - L| / L of the mean over pictures, where changes cancel.
    """
    rows = []
    for name, side in sides.items():
        own = transported(side, batch).losses
        single, whole = [], []
        for number in range(times):
            generator = stream(0, "shuffled labels", number)
            order = torch.randperm(len(batch.labels), generator=generator)
            labels = batch.labels[order.to(batch.labels.device)]
            other = transported(side, Batch(batch.maps, labels)).losses
            single.append(((other - own).abs() / own)[labels != batch.labels])
            whole.append(float((other.mean() / own.mean() - 1).abs()))
        changes = torch.cat(single)
        rows.append(
            {
                "text side": name,
                "OT loss": float(own.mean()),
                "a picture": float(changes.mean()),
                "largest": float(changes.max()),
                "the batch": float(pd.Series(whole).median()),
            }
        )
    return pd.DataFrame(rows)


def batch_sizes(
    sides: Mapping[str, TextSide], batch: Batch, sizes: Sequence[int]
) -> pd.DataFrame:
    """Return a row a text side and batch size: loss of the same pictures, and memory.

    The pictures are those of the smallest batch, the others join them. Memory is that
    of all differences F_ik - G_im, `[B, C, M, d']` in float32, as published codes make
    them.
    """
    rows = []
    for name, side in sides.items():
        for size in sizes:
            found = transported(side, batch.first(size))
            numbers = found.cost.numel() * batch.maps.shape[2]
            rows.append(
                {
                    "text side": name,
                    "batch": size,
                    "tokens M": found.cost.shape[2],
                    "OT loss": float(found.losses[: min(sizes)].mean()),
                    "megabytes": 4 * numbers / 1e6,
                }
            )
    return pd.DataFrame(rows)


def moved_by_batch(sizes: pd.DataFrame) -> pd.Series:
    """Return for each text side how far its loss moves with the batch, relative."""
    losses = sizes.groupby("text side", sort=False)["OT loss"]
    return (losses.max() - losses.min()) / losses.first()
