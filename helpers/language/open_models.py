"""Any CLIP of open_clip with its tokenizer and its pictures' form: by tag or from file.

`MODEL/TAG`, as "ViT-B-32-quickgelu/openai", takes published weights; `MODEL:FILE` takes
a file of yours; `MODEL:random` takes none, for a check that all runs.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from helpers.language.sources import check_source, open_clip_tower
from helpers.settings import Refused, nearest
from helpers.streams import mix

FORM = "write MODEL/TAG, as ViT-B-32-quickgelu/openai, or MODEL:FILE"
SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin")
RANDOM = "random"

Template = str | Callable[[str], str]  # "a {}", or a function of the name


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A CLIP in evaluation mode and what its pictures and texts need.

    Attributes:
        name: as it was asked for.
        model: open_clip's, with `visual`, `encode_image` and `encode_text`.
        tokenizer: texts -> tokens `[N, L]`.
        size: (H, W) of its pictures, in pixels.
        mean: of the normalisation of intensities in [0, 1], per channel.
        std: of the same.
        note: what a reader of its results should know, or "".
    """

    name: str
    model: nn.Module
    tokenizer: Callable[[list[str]], Tensor]
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    note: str = ""


def check_open_model(name: str) -> None:
    """Raise `Refused` for a name of another form, or of what is not there."""
    model, file = _parts(name)
    if file is None:
        check_source(f"open-clip:{name}")
        return
    known = open_clip.list_models()
    if model not in known:
        close = nearest(model, known)
        tail = close if "did you mean" in close else "; see open_clip.list_models()"
        raise Refused(f"open_clip has no model '{model}'{tail}")
    if file == RANDOM:
        return
    path = Path(file).expanduser()
    if not path.is_file():
        raise Refused(f"weights '{file}' are not there: {FORM}")
    if path.suffix not in SUFFIXES:
        raise Refused(f"weights '{file}' are not one of {', '.join(SUFFIXES)}")


def open_model(name: str, seed: int = 0) -> OpenModel:
    """Return a CLIP of open_clip; nothing of a file is run.

    Of weights in a file the form of the pictures is the model's default: name the model
    under which they were trained. Plain names have GELU, OpenAI's weights need the
    "-quickgelu" of the name; with another they load and are silently worse.

    Args:
        name: MODEL/TAG, MODEL:FILE or MODEL:random.
        seed: of random weights.

    Raises:
        Refused: as `check_open_model`; weights that cannot be had, read, or do not fit;
            a tokenizer that needs a download that fails.
    """
    check_open_model(name)
    kind, file = _parts(name)
    with _quiet():
        if file is None:
            model: Any = open_clip_tower(name)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(mix(seed, "initialisation"))
                model = open_clip.create_model(kind, pretrained=None).eval()
            if file != RANDOM:
                _load(model, Path(file).expanduser(), kind)
        tokenizer = _tokenizer(kind)
    form = open_clip.get_model_preprocess_cfg(model)
    size = form["size"]
    return OpenModel(
        name,
        model,
        tokenizer,
        (size, size) if isinstance(size, int) else tuple(size),
        tuple(form["mean"]),
        tuple(form["std"]),
        _note(kind, file),
    )


def class_texts(
    model: nn.Module,
    tokenizer: Callable[[list[str]], Tensor],
    names: Sequence[str],
    templates: Sequence[Template] = ("a photo of a {}.",),
) -> Tensor:
    """Return a feature of length 1 a class, the mean over templates (Radford 3.1.4).

    t_k = u(mean_j u(T(template_j(name_k)))), u(x) = x / |x|; open_clip's own.

    Shapes: K names -> `[K, E]`, no gradient.

    Raises:
        Refused: no name or no template, or one without a place for the name.
    """
    if not names or not templates:
        raise Refused("texts of classes need a name and a template at least")
    blank = [one for one in templates if isinstance(one, str) and "{}" not in one]
    if blank:
        raise Refused(f"template '{blank[0]}' has no place for a name: write {{}}")
    places = [next(model.parameters()).device]
    functions = [one.format if isinstance(one, str) else one for one in templates]
    found = open_clip.build_zero_shot_classifier(
        model, tokenizer, list(names), functions, device=places[0]
    )
    return found.T.contiguous()


def _parts(name: str) -> tuple[str, str | None]:
    """Return model and file of a name, or model and None of MODEL/TAG."""
    head, colon, rest = name.partition(":")
    if colon and head and rest and "/" not in head:
        return head, rest
    head, slash, rest = name.partition("/")
    if colon or not (slash and head and rest):
        raise Refused(f"'{name}' is no model of open_clip: {FORM}")
    return head, None


def _load(model: nn.Module, path: Path, kind: str) -> None:
    """Load weights of a file into a model, whatever open_clip can convert."""
    try:
        open_clip.load_checkpoint(model, str(path), weights_only=True)
    except Exception as error:
        text = str(error)
        if "TorchScript" in text:
            remedy = (
                "is an archive of code: where you trust it, torch.save({k: v for k, v "
                f"in torch.jit.load('{path.name}').state_dict().items() if "
                "v.is_floating_point()}, 'weights.pt')"
            )
        elif "Error(s) in loading state_dict" in text:
            fault = text.splitlines()[1].strip() if "\n" in text else text
            remedy = f"do not fit {kind} ({fault[:90]}): name the model they are of"
        else:
            remedy = f"cannot be read ({type(error).__name__}): copy the file again"
        raise Refused(f"weights '{path}' {remedy}") from None
    if not all(one.isfinite().all() for one in model.parameters()):
        raise Refused(f"weights '{path}' hold NaN or inf: take another checkpoint")


def _tokenizer(kind: str) -> Callable[[list[str]], Tensor]:
    try:
        return open_clip.get_tokenizer(kind)
    except Exception as error:
        raise Refused(
            f"the tokenizer of '{kind}' could not be had ({type(error).__name__}): go "
            "online once, or take a model with CLIP's own, as ViT-B-32"
        ) from None


def _note(kind: str, file: str | None) -> str:
    if file == RANDOM:
        return "random weights: a check that all runs, no result"
    if file is not None and f"{kind}-quickgelu" in open_clip.list_models():
        return f"GELU as in '{kind}'; OpenAI's weights need '{kind}-quickgelu'"
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what open_clip logs of weights that it is given later, or not."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
