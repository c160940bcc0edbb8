"""Validated settings: of data, of methods, of a run.

A setting that is unknown, of the wrong type or out of range is refused in one line
(`Refused`), before anything is loaded or trained.
"""

import difflib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)


class Refused(ValueError):  # noqa: N818 - the word a reader meets in the message
    """Input that cannot be used, with one line that names it and the remedy."""


class Settings(BaseModel):
    """A frozen set of checked values; no unknown name, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )

    @classmethod
    def of(cls, /, **values: Any) -> Self:
        """Return the settings with these values, or raise `Refused` in one line."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Refused(one_line(error, list(cls.model_fields))) from None


def nearest(name: str, known: list[str]) -> str:
    """Return "; did you mean 'x'?" for the closest known name, else all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


def one_line(error: ValidationError, known: list[str]) -> str:
    """Return all faults of a validation error in one line, each with its name."""
    lines = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        if not name:  # settings that do not go together
            lines.append(fault["msg"].removeprefix("Value error, "))
        elif fault["type"] == "extra_forbidden":
            lines.append(f"unknown parameter '{name}'{nearest(name, known)}")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            message = message[0].lower() + message[1:]
            shown = repr(fault["input"])
            shown = shown if len(shown) < 80 else shown[:76] + " ..."
            lines.append(f"parameter '{name}' = {shown}: {message}")
    return "; ".join(lines)


class Dot(Settings):
    """A small disc on some training pictures: a planted shortcut to its class."""

    target: int = Field(0, ge=0)  # the class it stands for
    share: float = Field(1.0, ge=0, le=1)  # of the class's pictures that carry it
    elsewhere: float = Field(0.0, ge=0, le=1)  # of the other classes' pictures
    radius: float = Field(2.0, ge=1)  # pixels, after resizing
    colour: tuple[int, int, int] = (255, 0, 0)
    position: str = "top-left"


class DataSettings(Settings):
    """Which pictures: a name of `helpers.data.catalog`, and how many of what size."""

    name: str = "scenes"
    size: int = Field(64, ge=16, le=256)  # pixels a side
    train: int = Field(850, ge=2)  # training pictures
    test: int = Field(1000, ge=2)  # test pictures, and half as many to validate
    explained: int = Field(64, ge=1)  # the first test pictures: with maps and scores
    cue: float = Field(0.0, ge=-1 / 7, le=1)  # class and background, training scenes
    dot: Dot | None = None  # on training pictures
    seed: int = Field(0, ge=0)  # of the pictures, not of the training


# The networks of `helpers.vision`, and the wide ones, of any width K.
BACKBONES = ("scene-resnet", "resnet20", "resnet56", "resnet18", "resnet50", "wrn28-K")
WIDE = re.compile(r"wrn28-([1-9][0-9]?)")


def check_backbone(name: str) -> str:
    """Return the name of a backbone; raises `ValueError` for an unknown one."""
    if name not in BACKBONES[:-1] and not WIDE.fullmatch(name):
        *names, wide = (f"'{one}'" for one in BACKBONES)
        raise ValueError(f"input should be {', '.join(names)} or {wide}, K = 1 to 99")
    return name


Backbone = Annotated[str, AfterValidator(check_backbone)]


class Classifier(Settings):
    """What every classifier is trained with, whatever its loss.

    SGD with momentum. The schedule is lr cos(7 pi k / 16 K) at step k of K, or
    (1 + cos(pi e / E)) / 2 of lr through all of epoch e of E.
    """

    backbone: Backbone = "scene-resnet"
    epochs: int = Field(52, ge=1, le=1000)
    batch: int = Field(32, ge=2)
    lr: float = Field(0.03, gt=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["steps", "epochs"] = "steps"
    flip: bool = False  # mirror half of the pictures
    shift: int = Field(0, ge=0, le=16)  # crop after padding by so many pixels
    padding: Literal["reflect", "zeros"] = "reflect"
    least_area: float = Field(1.0, gt=0, le=1)  # below 1: random resized crops
    backbone_dropout: float = Field(0.0, ge=0, lt=1)
    clip_norm: float = Field(0.0, ge=0)  # of the gradient; 0: not clipped
    precision: Literal["32", "16", "bf16"] = "32"  # 16, bf16: autocast
    scaler: bool = False  # of the loss, against underflow in float16
    ema: float = Field(0.0, ge=0, lt=1)  # decay of averaged weights; 0: none
    keep: Literal["last", "best validation", "best test"] = "last"  # which epoch's

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        """Refuse a loss scaler where nothing is float16, a border that never shows."""
        if self.scaler and self.precision != "16":
            raise ValueError("a loss scaler is for precision '16': leave it out")
        if self.padding != "reflect" and not self.shift:
            raise ValueError(f"padding='{self.padding}' needs shift >= 1: leave it out")
        return self


class CrossEntropy(Classifier):
    """A classifier trained with cross-entropy alone: the baseline."""

    name: Literal["ce"] = "ce"


Names = Literal[
    "aligned", "permuted", "sorted", "lexicographic", "captions", "shuffled captions"
]


REORDERED = ("permuted", "sorted", "lexicographic")
WORDLESS = ("random-vectors", "one-hot", "vectors:random", "vectors:one-hot")
MOST_ITERATIONS = 1000  # of a published plan, where its code says nothing else
LEAST_TAU = 0.01  # of a bounded temperature: 1 / tau = exp(t), t up to log 100


class Lico(Classifier):
    """LICO: L_CE + alpha L_MM + beta L_OT against the features of class prompts.

    The defaults are the preset `paper`. `helpers.methods.presets` holds the other
    presets as rows of these switches, and says where each default comes from.
    """

    name: Literal["lico"] = "lico"
    preset: str = "paper"  # the row of switches it started from
    alpha: float = Field(10.0, ge=0)  # weight of manifold matching
    beta: float = Field(1.0, ge=0)  # weight of transport
    # Language
    language: str = "tiny-clip"  # one of `helpers.language.sources`
    text_width: int = Field(512, ge=2)  # of the features of `file:PATH`
    names: Names = "aligned"  # what text k says
    tower: Literal["frozen", "trained"] = "frozen"
    clip_pictures: int = Field(12000, ge=16)
    clip_epochs: int = Field(2, ge=1)
    clip_seed: int = Field(1, ge=0)
    # Prompts and h_psi
    n_ctx: int = Field(12, ge=1)  # learnable tokens X_1..X_n
    contexts: Literal["shared", "class", "rolled", "rolled apart"] = "shared"
    ctx_std: float = Field(0.02, gt=0)  # of the learnable tokens at the start
    position: Literal["end", "middle", "front"] = "end"  # of the class name
    full_stop: bool = False  # "." behind the prompt
    shuffle: bool = False  # the learnable tokens change places at each step
    text_tokens: Literal["class mean", "every position"] = "class mean"
    hidden: int = Field(512, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    text_decay: bool = True  # weight decay on prompts and temperature as well
    # Manifold matching
    mm_text: Literal["tokens", "pooled"] = "tokens"  # projected tokens, or CLIP's own
    mm_image: Literal["maps", "pooled"] = "maps"
    mm_labels: Literal["once", "twice"] = "once"  # times that texts are indexed by them
    unit: bool = True  # rows of length 1 before their distances
    least_square: float = Field(0.0, ge=0)  # squared distances are at least this
    sign: Literal["near", "far"] = "near"  # who is alike: softmax of -D or of +D
    temperature: Literal["exponential", "bounded", "raw", "fixed"] = "exponential"
    tau: float = Field(2.659, gt=0)  # the temperature at the start
    diagonal: bool = True  # each picture is among its own neighbours
    kl_floor: float = Field(0.0, ge=0)
    # Transport
    ot_text: Literal["tokens", "label", "classes", "copies"] = "tokens"
    epsilon: float = Field(0.1, gt=0)
    plan: Literal["converged", "published"] = "converged"
    iterations: int = Field(MOST_ITERATIONS, ge=1)  # at most, of a published plan
    plan_gradient: Literal["through", "envelope", "detached", "none"] = "through"
    repairs: Literal["made", "none"] = "made"  # of what stops a published code

    @model_validator(mode="after")
    def makes_sense(self) -> Self:
        """Refuse switches of which one takes away what another is about."""
        rolled, told = self.contexts.startswith("rolled"), "captions" in self.names
        unread = self.mm_text == "pooled" and self.ot_text != "tokens"
        for wrong, remedy in (
            (
                self.position == "middle" and self.n_ctx < 2,
                "a name between learnable tokens needs n_ctx >= 2",
            ),
            (
                self.text_tokens == "every position" and unread,
                "text_tokens='every position' is read by nothing with mm_text='pooled' "
                f"and ot_text='{self.ot_text}': take text_tokens='class mean'",
            ),
            (rolled and self.n_ctx < 2, "a rolled context needs n_ctx >= 2"),
            (
                self.ot_text == "copies" and not rolled,
                "ot_text='copies' needs contexts='rolled' or 'rolled apart'",
            ),
            (
                rolled and self.ot_text != "copies",
                f"contexts='{self.contexts}' makes copies that only ot_text='copies' "
                "reads",
            ),
            (
                self.shuffle and self.n_ctx < 2,
                "one learnable token cannot change places: take n_ctx >= 2",
            ),
            (
                self.names in REORDERED and self.language in WORDLESS,
                f"language='{self.language}' knows no names, so none are "
                f"{self.names}: take names='aligned'",
            ),
            (
                told and self.contexts != "shared",
                "captions are many: take contexts='shared'",
            ),
            (
                told and self.ot_text == "classes",
                "a picture has one caption: take ot_text='tokens' or 'label'",
            ),
            (
                told and self.mm_labels == "twice",
                "a caption has no label: take mm_labels='once'",
            ),
            (
                self.least_square > 0 and not self.unit,
                "least_square is for rows of length 1: take unit=True",
            ),
            (
                self.plan == "published" and self.plan_gradient == "envelope",
                "an envelope needs the converged plan: take plan='converged'",
            ),
            (
                self.plan == "converged" and self.iterations != MOST_ITERATIONS,
                "iterations bound a published plan alone: take plan='published'",
            ),
            (
                self.repairs == "none"
                and self.ot_text != "copies"
                and self.mm_labels != "twice",
                "repairs='none' is for ot_text='copies' or mm_labels='twice', which "
                "stop: leave it out",
            ),
            (
                self.temperature == "bounded" and not LEAST_TAU <= self.tau <= 1,
                f"a bounded temperature starts within [{LEAST_TAU:g}, 1], not at "
                f"{self.tau:g}: give tau",
            ),
        ):
            if wrong:
                raise ValueError(remedy)
        return self


class Cgc(Classifier):
    """CGC: cross-entropy on three views, and maps that move with the picture.

    The defaults are those of its authors; lam = 0 is the control "cross-entropy with
    the same three views". `flip`, `shift` and `least_area` augment the original view.
    """

    name: Literal["cgc"] = "cgc"
    lam: float = Field(0.5, ge=0)  # weight of the contrast
    temperature: float = Field(0.5, gt=0)
    least_crop: float = Field(0.08, gt=0, le=1)  # least area of a window, as a share
    # "published": of the pictures whose map is mirrored, half are not mirrored
    flips: Literal["together", "published"] = "together"


class TinyClip(Settings):
    """A small CLIP trained on scenes of one object and their captions.

    Muon for the filters and AdamW for the rest, each learning rate warmed up over 50
    steps, then lowered by a cosine to 0; the rates of the other groups stand in
    `helpers.methods.clip`.
    """

    name: Literal["tiny-clip"] = "tiny-clip"
    captions: Literal["aligned", "shuffled"] = "aligned"
    epochs: int = Field(2, ge=1, le=1000)
    batch: int = Field(24, ge=2)
    lr: float = Field(1e-3, gt=0, le=1)  # of the image tower but for its filters
    weight_decay: float = Field(0.05, ge=0)


Method = Annotated[CrossEntropy | Lico | Cgc | TinyClip, Field(discriminator="name")]


class RunSettings(Settings):
    """One training: all that decides its weights."""

    data: DataSettings = DataSettings()
    method: Method = CrossEntropy()
    seed: int = Field(1, ge=0)  # of initialisation, order, augmentation, dropout
    threads: int = Field(1, ge=1)  # 1 and 2 threads give different weights
    device: str = "cpu"
    devices: int = Field(1, ge=1, le=64)  # processes that share each batch
