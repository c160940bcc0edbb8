"""What a word of a filter's label is: taught, a form of a taught word, or news."""

import torch
from torch import Tensor

from helpers.chapters.lavise_material import Material
from helpers.data import scene_words
from helpers.data.scenes import CLASS_NAMES

KINDS = ("taught word", "form of one", "held-out word", "of the same world", "foreign")


def kinds_of(material: Material, columns: Tensor) -> Tensor:
    """Return the kind of each word of the vocabulary, `[V]`: its place in `KINDS`.

    Forms of a word are its inflections and synonyms, as the scenes' words have them;
    "of the same world" is all else that the text says of scenes. With other words than
    the scenes' a form is what begins with a taught word's first four letters, or is the
    beginning of one.
    """
    taught = {w for w, out in zip(material.words, columns, strict=True) if not out}
    held = {w for w, out in zip(material.words, columns, strict=True) if out}
    forms, others, world = _forms(taught), _forms(held), _world()
    kinds = []
    for word in material.raw.words:
        if word in taught:
            kinds.append(0)
        elif word in held or word in others:
            kinds.append(2)
        elif word in forms or _alike(word, taught):
            kinds.append(1)
        else:
            kinds.append(3 if word in world else 4)
    return torch.tensor(kinds)


def _forms(words: set[str]) -> set[str]:
    found = {
        form
        for lexemes in scene_words.LEXEMES
        for one in lexemes
        if one.word in words
        for form in one.forms
    }
    return found - words


def _world() -> set[str]:
    said = {w for topic in scene_words.TOPICS for w in topic}
    said |= {w for topic in scene_words.FAMILY_TOPICS for w in topic}
    for label in range(len(CLASS_NAMES)):
        said |= scene_words.hypernyms(label)
    return said | {*scene_words.COLOUR_WORDS, *scene_words.PLACE_WORDS}


def _alike(word: str, taught: set[str], letters: int = 4) -> bool:
    """Tell whether a word of no lexeme looks like a form of a taught one."""
    known = any(one.word in taught for many in scene_words.LEXEMES for one in many)
    if known or len(word) < letters:
        return False
    return any(word[:letters] == one[:letters] for one in taught)
