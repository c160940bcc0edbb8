"""The parameters of a chapter as a reader needs them: type, default, range, meaning."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

WORDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
COUNTS = {"min_length": "at least {}", "max_length": "at most {}"}


@dataclass(frozen=True)
class Parameter:
    """One parameter, in words.

    Attributes:
        name: as it is given to the runner.
        type: `int`, `list[float]`, ...
        default: as Python writes it.
        range: which values are accepted; empty where the type or the meaning says it.
        meaning: what it does.
    """

    name: str
    type: str
    default: str
    range: str
    meaning: str


def parameters(settings: type[BaseModel]) -> list[Parameter]:
    """Return all parameters of checked settings, in order."""
    return [
        Parameter(
            name=name,
            type=type_of(field.annotation),
            default=repr(field.default),
            range=range_of(field),
            meaning=field.description or "",
        )
        for name, field in settings.model_fields.items()
    ]


def type_of(annotation: Any) -> str:
    """Return the type as a notebook writes it, without what is checked beyond it.

    >>> type_of(list[int]), type_of(Literal["a", "b"])
    ('list[int]', 'str')
    """
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0]).__name__
    if hasattr(annotation, "__metadata__"):  # Annotated
        return type_of(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(type_of(one) for one in get_args(annotation))
    inner = ", ".join(type_of(one) for one in get_args(annotation))
    outer = getattr(get_origin(annotation) or annotation, "__name__", str(annotation))
    return f"{outer}[{inner}]" if inner else outer


def range_of(field: FieldInfo) -> str:
    """Return which values a field accepts, in words."""
    parts = []
    listed = get_origin(field.annotation) is list
    if listed and (counts := list(_bounds(field.metadata, COUNTS))):
        said = _joined(counts)
        parts.append(f"{said} value{'' if said.endswith(' 1') else 's'}")
    if not listed:
        parts += [_joined(list(_bounds(field.metadata, WORDS)))]
    for choices in _literals(field.annotation):
        parts.append(", ".join(f"{one}" for one in choices))
    if listed and (each := _element(field.annotation)):
        parts.append(f"each {each}")
    return "; ".join(part for part in parts if part)


def _element(annotation: Any) -> str:
    (inner,) = get_args(annotation) or (None,)
    return _joined(list(_bounds(getattr(inner, "__metadata__", ()), WORDS)))


def _literals(annotation: Any) -> Iterator[Sequence[Any]]:
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    else:
        for one in get_args(annotation):
            yield from _literals(one)


def _bounds(metadata: Sequence[Any], words: dict[str, str]) -> Iterator[str]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from _bounds(one.metadata, words)
        for name, text in words.items():
            if (value := getattr(one, name, None)) is not None:
                yield text.format(value)


def _joined(bounds: Sequence[str]) -> str:
    """Return two bounds as "2 to 5" where both count, else joined by a comma."""
    low = [
        one.removeprefix("at least ") for one in bounds if one.startswith("at least")
    ]
    high = [one.removeprefix("at most ") for one in bounds if one.startswith("at most")]
    if len(bounds) == 2 and low and high:
        return low[0] if low == high else f"{low[0]} to {high[0]}"
    return ", ".join(bounds)
