"""Prompts of LICO's text branch: a class name among learnable context vectors.

The prompt of class k is the start token, n context vectors X_1 .. X_n, the tokens of
its name, perhaps a full stop, and the end token; where the name stands is a choice. The
vectors have the width of the text tower: they stand for word embeddings, not for words.
Axes: K classes, n context slots, W width of the tower, L tokens the tower takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import open_clip
import torch
from torch import Tensor

from helpers.language import tiny_clip
from helpers.settings import Refused, nearest

Position = Literal["end", "middle", "front"]


@dataclass(frozen=True)
class Prompts:
    """A prompt a class: its keys, and the positions of its parts in the row.

    A key is the number of a token, or -1 - j for context slot j (from 0).
    """

    names: tuple[str, ...]  # [K]
    rows: tuple[tuple[int, ...], ...]  # [K][tokens]: the keys
    slots: tuple[tuple[int, ...], ...]  # [K][n]: the context vectors, in order
    label: tuple[tuple[int, ...], ...]  # [K][1 or more]: the tokens of the name
    end: tuple[int, ...]  # [K]: the end token
    contexts: int  # n
    length: int  # L
    every: bool = False  # all positions are read, as far as the longest row goes

    def bears(self) -> Tensor:
        """Return which of the M text tokens bear the class, bool `[K, M]`."""
        if not self.every:
            marks = torch.zeros(len(self.rows), self.contexts + 1, dtype=torch.bool)
            marks[:, -1] = True
            return marks
        marks = torch.zeros(len(self.rows), len(self.rows[0]), dtype=torch.bool)
        for k, (label, end) in enumerate(zip(self.label, self.end, strict=True)):
            marks[k, [*label, end]] = True
        return marks[:, 1:]  # the start token is not read


def build_prompts(
    names: Sequence[str],
    contexts: int,
    position: Position,
    full_stop: bool,
    length: int,
    tokenizer: open_clip.SimpleTokenizer | None = None,
) -> Prompts:
    """Return the prompts of K classes for a tower of `length` tokens.

    "end" is start, X_1 .. X_n, name, end; "front" is start, name, X_1 .. X_n, end;
    "middle" has n // 2 vectors before the name and the others behind it. A full stop
    stands before the end token. The tokenizer is CLIP's unless another is given.

    Raises `Refused` for less than one slot or class, an unknown position, a name
    without tokens or with those of another name, and a prompt of over `length` tokens.
    """
    if position not in get_args(Position):
        known = nearest(position, list(get_args(Position)))
        raise Refused(f"unknown position '{position}'{known}")
    tokenizer = tokenizer or tiny_clip.tokenizer()
    spelled = _spelled(names, tokenizer)
    room = _room(contexts, full_stop, length)
    longest = max(spelled, key=lambda name: len(spelled[name]))
    over = len(spelled[longest]) - room
    if over > 0:
        fits = contexts - over
        remedy = f"take contexts <= {fits}" if fits > 0 else "shorten the name"
        raise Refused(
            f"the prompt of class '{longest}' has {length + over} tokens, "
            f"the text tower takes {length}: {remedy}"
        )
    return _assembled(spelled, contexts, position, full_stop, length, tokenizer)


def caption_prompts(
    captions: Sequence[str],
    contexts: int,
    position: Position,
    full_stop: bool,
    length: int,
    tokenizer: open_clip.SimpleTokenizer | None = None,
) -> tuple[Prompts, tuple[int, ...]]:
    """Return a prompt for each distinct caption, and which of them each caption has.

    A caption stands where a class name would; one too long for the tower is cut, as
    CLIP's tokenizer cuts. Raises `Refused` where no caption fits, or one has no token.
    """
    tokenizer = tokenizer or tiny_clip.tokenizer()
    room = _room(contexts, full_stop, length)
    if room < 1:
        raise Refused(
            f"contexts = {contexts} leave no room for a caption among {length} tokens: "
            f"take contexts <= {contexts + room - 1}"
        )
    spelled: dict[tuple[int, ...], str] = {}
    chosen = []
    for caption in captions:
        tokens = tuple(tokenizer.encode(caption))[:room]
        if not tokens:
            raise Refused(f"the caption '{caption}' has no token: describe the picture")
        spelled.setdefault(tokens, caption)
        chosen.append(tokens)
    number = {tokens: at for at, tokens in enumerate(spelled)}
    made = _assembled(
        {caption: tokens for tokens, caption in spelled.items()},
        *(contexts, position, full_stop, length, tokenizer),
    )
    return made, tuple(number[tokens] for tokens in chosen)


def some(prompts: Prompts, numbers: Sequence[int]) -> Prompts:
    """Return the prompts of these numbers alone, in their order."""
    return replace(
        prompts,
        names=tuple(prompts.names[number] for number in numbers),
        rows=tuple(prompts.rows[number] for number in numbers),
        slots=tuple(prompts.slots[number] for number in numbers),
        label=tuple(prompts.label[number] for number in numbers),
        end=tuple(prompts.end[number] for number in numbers),
    )


def every_position(prompts: Prompts) -> Prompts:
    """Return prompts all of whose positions behind the start token are read.

    konradszewczyk/lico-reproduction reads as many of each prompt as the longest has: of
    a shorter one the padding (token 0) behind its end token as well.
    """
    longest = max(len(row) for row in prompts.rows)
    rows = tuple(row + (0,) * (longest - len(row)) for row in prompts.rows)
    return replace(prompts, rows=rows, every=True)


def _room(contexts: int, full_stop: bool, length: int) -> int:
    """Return how many tokens a name may have: 2 are the start and the end."""
    if contexts < 1:
        raise Refused(f"contexts = {contexts}: a prompt needs one context slot or more")
    return length - 2 - contexts - full_stop


def _assembled(
    spelled: Mapping[str, tuple[int, ...]],
    contexts: int,
    position: Position,
    full_stop: bool,
    length: int,
    tokenizer: open_clip.SimpleTokenizer,
) -> Prompts:
    """Return the prompts of texts whose tokens are known and fit."""
    stop = tuple(tokenizer.encode(".")) if full_stop else ()
    before = {"end": contexts, "middle": contexts // 2, "front": 0}[position]
    keys = tuple(-1 - slot for slot in range(contexts))
    head = (tokenizer.sot_token_id, *keys[:before])
    tail = (*keys[before:], *stop, tokenizer.eot_token_id)
    rows = tuple((*head, *tokens, *tail) for tokens in spelled.values())
    return Prompts(
        names=tuple(spelled),
        rows=rows,
        slots=tuple(tuple(row.index(key) for key in keys) for row in rows),
        label=tuple(
            tuple(range(len(head), len(head) + len(tokens)))
            for tokens in spelled.values()
        ),
        end=tuple(len(row) - 1 for row in rows),
        contexts=contexts,
        length=length,
    )


def _spelled(
    names: Sequence[str], tokenizer: open_clip.SimpleTokenizer
) -> dict[str, tuple[int, ...]]:
    """Return the tokens of each name, all distinct, or raise `Refused`."""
    if not names:
        raise Refused("no class names: prompts need one class or more")
    first: dict[tuple[int, ...], tuple[int, str]] = {}
    for number, name in enumerate(names):
        tokens = tuple(tokenizer.encode(name))
        if not tokens:
            raise Refused(f"the name '{name}' of class {number} has no token: name it")
        if tokens in first:
            raise Refused(
                f"the names of classes {first[tokens][0]} and {number}, "
                f"'{first[tokens][1]}' and '{name}', are the same to the tokenizer: "
                "rename one"
            )
        first[tokens] = number, name
    return {name: tokens for tokens, (_, name) in first.items()}


def draw_context(
    copies: int,
    contexts: int,
    width: int,
    generator: torch.Generator,
    std: float = 0.02,
) -> Tensor:
    """Return context vectors from N(0, std^2), `[copies, n, W]`."""
    return std * torch.randn(copies, contexts, width, generator=generator)


def rolled(context: Tensor) -> Tensor:
    """Return n equal copies of a context `[1, n, W]`, each rolled by one: `[n, n, W]`.

    out[i, j] = context[0, (j - 1) mod n] for each copy i: the authors' code rolls the
    same context by the same step every time, so that no two copies differ.
    Raises `ValueError` for more than one context.
    """
    (base,) = context
    return torch.stack([base.roll(1, 0)] * len(base))


def rolled_apart(context: Tensor) -> Tensor:
    """Return n distinct copies of a context `[1, n, W]`, rolled by 0 .. n - 1 slots.

    out[i, j] = context[0, (j - i) mod n], `[n, n, W]`: what rolling may be for.
    Raises `ValueError` for more than one context.
    """
    (base,) = context
    return torch.stack([base.roll(step, 0) for step in range(len(base))])
