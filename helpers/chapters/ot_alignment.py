"""Chapter 02: the transport plan between channels and text tokens.

Here are the features: those of a trained LICO, and of controls. Plans stand in
`ot_plans`, gradients in `ot_gradients`. B pictures, C channels, M text tokens, d' cells
of a feature map.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from helpers.chapters.chapter import LicoChapter
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run, needs, train_or_load
from helpers.language import prompts, tiny_clip
from helpers.losses.transport import ground_cost
from helpers.methods.presets import preset
from helpers.methods.text_side import Language, TextSide
from helpers.settings import Lico, RunSettings
from helpers.streams import stream

LICO, BASELINE = "lico", "ce"
# Rows of the tables: the trained features, and controls.
TRAINED = "trained"
UNTRAINED = "control: untrained network"
WITHOUT = "control: trained without text"
OTHER = "control: another class's text"
SHUFFLED = "control: shuffled cells"
GAUSSIAN = "control: Gaussian features"


class OtAlignment(LicoChapter):
    """The parameters of chapter 02."""

    epsilons: list[PositiveFloat] = Field(
        [1.0, 0.3, 0.1, 0.03, 0.01, 0.003],
        min_length=2,
        description="strengths of the entropic term, from large to small",
    )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return a LICO a seed and, as a control, a baseline trained without text."""
        return {
            LICO: self.each(self.data(), self.lico("paper"), self.seeds),
            BASELINE: self.each(self.data(), self.cross_entropy(), self.seeds),
        }

    def shown(self) -> Pictures:
        """Return the test pictures that the chapter looks at."""
        return catalog.load(self.data(), "test").first(self.explained)

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what the runs were trained with: all else is arithmetic."""
        return {"parameters": self.model_dump()}


@dataclass(frozen=True, eq=False)
class Features:
    """What is transported, for B pictures, float64: channels to text tokens."""

    maps: Tensor  # F, [B, C, d']
    tokens: Tensor  # G, [B, M, d']

    def cost(self) -> Tensor:
        """Return 2 - 2 cos(F_i, G_j), `[B, C, M]`."""
        return ground_cost(self.maps, self.tokens)

    def first(self, count: int) -> "Features":
        """Return the features of the first `count` pictures."""
        return Features(self.maps[:count], self.tokens[:count])


def method(run: Run) -> Lico:
    """Return the settings of a run of LICO."""
    return cast(Lico, run.settings.method)


def token_names(run: Run) -> list[str]:
    """Return X1 .. Xn and "class", the M tokens of a prompt."""
    return [f"X{slot + 1}" for slot in range(method(run).n_ctx)] + ["class"]


def features(run: Run, baseline: Run, pictures: Pictures) -> dict[str, Features]:
    """Return F and G of a trained LICO, and those of five controls.

    Without text: the maps of the baseline, held against the tokens that LICO learned.
    Untrained: network, prompts and h_psi as this run began, batch norms with the
    statistics of the pictures given. Another class's text: the trained maps and the
    prompt of the class half the classes further. Shuffled cells: the trained features,
    each map's cells in an order of its own. Gaussian: both sides N(0, 1), same shapes.
    """
    side = cast(TextSide, run.text_side())
    labels = pictures.labels
    far = (labels + side.classes // 2) % side.classes
    maps = _maps(run.model(), run, pictures)
    tokens = _tokens(side, labels)
    start = _start(run)
    generator = stream(run.settings.seed, "transport controls")
    order = torch.rand(maps.shape, generator=generator).argsort(2)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).double()

    return {
        TRAINED: Features(maps, tokens),
        WITHOUT: Features(_maps(baseline.model(), baseline, pictures), tokens),
        UNTRAINED: Features(
            _maps(start.model.train(), run, pictures),
            _tokens(start.text.eval(), labels),
        ),
        OTHER: Features(maps, _tokens(side, far)),
        SHUFFLED: Features(maps.gather(2, order), tokens),
        GAUSSIAN: Features(noise(maps), noise(tokens)),
    }


@torch.no_grad()
def class_distances(run: Run) -> Tensor:
    """Return how far each token of one class is from that of another, `[M]`.

    The mean over pairs of classes of the squared distance of unit rows, in [0, 4].
    """
    side = cast(TextSide, run.text_side())
    rows = side().projected
    assert rows is not None
    by_token = rows.double().transpose(0, 1).cpu()  # [M, K, d']
    apart = ground_cost(by_token, by_token).clamp_min(0)  # [M, K, K]
    classes = apart.shape[1]
    return apart.sum((1, 2)) / (classes * max(classes - 1, 1))


def mean_map(maps: Tensor, size: int) -> Tensor:
    """Return the mean of a picture's unit channels, at `size` pixels a side.

    Shapes: maps `[B, C, d']`, square -> `[B, size, size]`.
    """
    side = round(maps.shape[2] ** 0.5)
    unit = torch.nn.functional.normalize(maps, dim=2).mean(1)
    pixels = torch.nn.functional.interpolate(
        unit.unflatten(1, (1, side, side)), (size, size), mode="nearest"
    )
    return pixels[:, 0]


def text_sides(run: Run, pictures: Pictures) -> dict[str, Features]:
    """Return what a plan has to choose from, for five text sides of one network.

    All use the trained maps and the trained h_psi. The preset `rebuttal` has n copies
    of one context, its pooled feature a token; "apart" rolls copy i by i; "dropout" is
    a training step's draw. One pooled feature a class is M = 1.
    """
    trained = cast(TextSide, run.text_side())
    maps = _maps(run.model(), run, pictures)
    clip = _clip(run)
    seed, names = run.settings.seed, catalog.class_names(run.settings.data)

    def side(changed: Lico, language: Language) -> TextSide:
        made = TextSide(changed, language, maps.shape[2], seed)
        made.h_psi.load_state_dict(trained.h_psi.state_dict())
        return made.to(run.settings.device).eval()

    rolled = side(preset("rebuttal", n_ctx=method(run).n_ctx), Language(names, clip))
    apart = side(rolled.method, Language(names, clip))
    assert apart.context is not None
    base = apart.context.detach()[:1].roll(-1, 1)
    apart.context = nn.Parameter(prompts.rolled_apart(base))
    fixed = tiny_clip.text_features(clip, tiny_clip.class_prompts(names))
    single = side(method(run), Language(names, vectors=fixed.to(run.settings.device)))
    labels = pictures.labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        dropped = _tokens(rolled.train(), labels)
    cases = {
        "tokens of the prompt": _tokens(trained, labels),
        "rolled copies": _tokens(rolled.eval(), labels),
        "rolled copies, dropout": dropped,
        "rolled copies, apart": _tokens(apart, labels),
        "one pooled feature": _tokens(single, labels),
    }
    return {case: Features(maps, rows) for case, rows in cases.items()}


def _start(run: Run) -> Any:
    """Return the module of a run, as it was before its first step."""
    module, _ = recipe(run.settings).module_and_tensors(run.settings, [_clip(run)])
    return module.to(run.settings.device)


def _clip(run: Run) -> Any:
    """Return the tiny CLIP whose tower reads the run's prompts."""
    (one,) = needs(run.settings)
    return train_or_load(one).model()


@torch.no_grad()
def _maps(model: Any, run: Run, pictures: Pictures) -> Tensor:
    """Return F, `[B, C, d']`, float64 on the CPU."""
    images = pictures.normalised().to(run.settings.device)
    return model.features(images).flatten(2).double().cpu()


@torch.no_grad()
def _tokens(side: TextSide, labels: Tensor) -> Tensor:
    """Return G, `[B, M, d']`, float64 on the CPU."""
    texts = side()
    rows = side.transport_tokens(texts, labels.to(texts.tokens.device))
    return rows.double().cpu()
