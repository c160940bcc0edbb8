"""A text on the world of the scenes, to learn word vectors from.

It is written from its own seed and templates, not from the captions of any picture: a
word vector knows what words stand together, and nothing of what is seen. Words for the
same stand in the same sentences; classes of a family share what is said of all of them;
the words of other worlds stand in sentences of their own.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from helpers.data import scene_words as lexicon
from helpers.data.other_words import WORLDS
from helpers.data.painting import FAMILIES
from helpers.data.scenes import CLASS_NAMES, FAMILY_OF
from helpers.language.word_vectors import WordVectors, learn_vectors
from helpers.settings import Refused

WIDTH = 100  # of the vectors; with 50, some synonyms lie as near as other classes
# A slot in capitals is filled: THING with a form of the class's name, WORD with a form
# of one of its words, SAID with what is said of it, KIND, SHAPE and SHARED with its
# family's nouns, adjectives and common words.
ABOUT_CLASSES = (
    "the SHAPE THING with the SAID and the SHARED",
    "a SHAPE WORD needs SAID and SAID",
    "they spoke of SAID when the THING came",
    "every THING is a SHAPE KIND",
    "the COLOUR WORD stood SHAPE on the PLACE",
    "no SAID without a WORD and its SHARED",
    "SAID for the WORD and SAID for the THING",
    "the KIND there is a COLOUR THING with SHARED",
    "how SHAPE the SHARED of that WORD was",
)
ABOUT_OTHERS = (
    "the ADJECTIVE NOUN will VERB the NOUN",
    "a NOUN and a NOUN were ADJECTIVE",
    "who will VERB this NOUN with the NOUN",
    "some NOUN had to VERB and VERB",
    "that ADJECTIVE NOUN was in the ADJECTIVE NOUN",
    "NOUN by NOUN they VERB",
)


def write_text(
    seed: int = 0, scene_sentences: int = 24000, other_sentences: int = 24000
) -> list[list[str]]:
    """Return sentences as lists of words, those on scenes and others shuffled.

    Each class and each other world gets an equal share, drawn by template: which one,
    and what fills its slots, is uniform. At the defaults each word occurs ten times or
    more.

    Raises:
        Refused: fewer than one sentence of either kind.
    """
    if scene_sentences < 1 or other_sentences < 1:
        raise Refused(
            f"{scene_sentences} and {other_sentences} sentences: one of each is needed"
        )
    chance = np.random.default_rng([seed, 7])
    classes = np.arange(scene_sentences) % len(CLASS_NAMES)
    worlds = np.arange(other_sentences) % len(WORLDS)
    sentences = [_about_class(int(label), chance) for label in classes]
    sentences += [_about_other(WORLDS[world], chance) for world in worlds]
    return [sentences[i] for i in chance.permutation(len(sentences))]


@cache
def scene_vectors(seed: int = 0, width: int = WIDTH) -> WordVectors:
    """Return the vectors `[V, width]` of the words of `write_text`, once a process."""
    return learn_vectors(write_text(seed), width, seed=seed)


def _about_class(label: int, chance: np.random.Generator) -> list[str]:
    family, words = FAMILY_OF[label], lexicon.LEXEMES[label]
    which = int(chance.integers(len(words)))
    # What is said of one word of a name alone is every n-th of what is said of all.
    said = lexicon.TOPICS[label]
    own = said[which :: len(words)]
    written: list[str] = []
    for slot in _pick(ABOUT_CLASSES, chance).split():
        match slot:
            case "THING":
                written += _name(label, chance)
            case "WORD":
                written.append(_pick(words[which].forms, chance))
            case "SAID":
                written.append(_pick(own if chance.random() < 0.5 else said, chance))
            case "SHAPE":
                written.append(_pick(FAMILIES[family], chance))
            case "KIND":
                written.append(_pick(lexicon.KINDS[family], chance))
            case "SHARED":
                written.append(_pick(lexicon.FAMILY_TOPICS[family], chance))
            case "COLOUR":
                written.append(_pick(lexicon.COLOUR_WORDS, chance))
            case "PLACE":
                written.append(_pick(lexicon.PLACE_WORDS, chance))
            case _:
                written.append(slot)
    return written


def _name(label: int, chance: np.random.Generator) -> list[str]:
    """Return the name of a class, each of its words in any form."""
    waiting = iter(lexicon.LEXEMES[label])
    return [
        word if word in lexicon.FUNCTION_WORDS else _pick(next(waiting).forms, chance)
        for word in CLASS_NAMES[label].split()
    ]


def _about_other(
    world: tuple[tuple[str, ...], ...], chance: np.random.Generator
) -> list[str]:
    slots = dict(zip(("NOUN", "VERB", "ADJECTIVE"), world, strict=True))
    sentence = _pick(ABOUT_OTHERS, chance).split()
    return [_pick(slots[s], chance) if s in slots else s for s in sentence]


def _pick(words: Sequence[str], chance: np.random.Generator) -> str:
    return words[int(chance.integers(len(words)))]
