"""The text of the scenes' world: its words mean what was planted, and no more."""

from collections import Counter
from itertools import chain, pairwise

import pytest
import torch
from torch.nn import functional as F

from helpers.data import scene_text, scene_words
from helpers.data.other_words import WORLDS, plural, verb_forms
from helpers.data.painting import FAMILIES
from helpers.data.scenes import CLASS_NAMES, draw_scenes, family_distance
from helpers.language.word_vectors import WordVectors
from helpers.measure.language import mantel, text_distances
from helpers.settings import Refused

CLASSES = range(len(CLASS_NAMES))


@pytest.fixture(scope="module")
def learned() -> WordVectors:
    return scene_text.scene_vectors()


def rows(vectors: WordVectors, words: list[str]) -> torch.Tensor:
    return vectors.unit[[vectors.index[word] for word in words]].double()


def test_the_table_has_the_words_of_every_name_and_none_twice() -> None:
    for label in CLASSES:
        found = tuple(one.word for one in scene_words.LEXEMES[label])
        assert found == scene_words.class_words(label)
    scene = list(chain.from_iterable(scene_words.TOPICS))
    scene += [form for one in chain(*scene_words.LEXEMES) for form in one.forms]
    scene += chain(*scene_words.KINDS, *scene_words.FAMILY_TOPICS, *FAMILIES)
    scene += scene_words.COLOUR_WORDS
    # Water is a place and of the name "water lily".
    scene += [word for word in scene_words.PLACE_WORDS if word != "water"]
    others = list(chain.from_iterable(chain.from_iterable(WORLDS)))
    counts = Counter(scene + others)
    assert [word for word, n in counts.items() if n > 1] == []


def test_words_bend_by_rule() -> None:
    assert [plural(w) for w in ("box", "fly", "day", "cat")] == [
        "boxes",
        "flies",
        "days",
        "cats",
    ]
    assert verb_forms("bake") == ("bake", "bakes", "baked", "baking")
    assert verb_forms("study") == ("study", "studies", "studied", "studying")
    assert verb_forms("play") == ("play", "plays", "played", "playing")


def test_the_vocabulary_has_all_words_and_two_thousand(learned: WordVectors) -> None:
    assert len(learned) >= 2000
    counts = Counter(chain.from_iterable(scene_text.write_text()))
    assert min(counts.values()) >= 10
    assert set(counts) == set(learned.words)
    for label in CLASSES:
        for words in (
            scene_words.class_words(label),
            scene_words.inflections(label),
            scene_words.synonyms(label),
            scene_words.hypernyms(label),
        ):
            assert words
            assert all(word in learned for word in words)


def test_the_same_seed_writes_the_same_text_and_captions_are_no_part_of_it() -> None:
    few = scene_text.write_text(3, 200, 100)
    assert few == scene_text.write_text(3, 200, 100)
    assert few != scene_text.write_text(4, 200, 100)
    assert len(few) == 300
    sentences = {" ".join(words) for words in scene_text.write_text(0, 4000, 10)}
    assert sentences.isdisjoint(draw_scenes(400, "language", size=32).captions)
    with pytest.raises(Refused, match="one of each"):
        scene_text.write_text(0, 0, 5)


def test_worlds_stand_in_sentences_of_their_own() -> None:
    worlds = [frozenset(chain.from_iterable(world)) for world in WORLDS]
    scene = {form for one in chain(*scene_words.LEXEMES) for form in one.forms}
    for sentence in scene_text.write_text(1, 500, 500):
        words = set(sentence)
        there = [bool(words & world) for world in worlds]
        assert sum(there) + bool(words & scene) <= 1


def test_a_sentence_speaks_of_one_family_and_names_in_all_forms() -> None:
    families = [
        {*FAMILIES[k], *scene_words.KINDS[k], *scene_words.FAMILY_TOPICS[k]}
        for k in range(len(FAMILIES))
    ]
    before_of = set()
    for sentence in scene_text.write_text(2, 3000, 1):
        assert sum(bool(words & set(sentence)) for words in families) <= 1
        before_of |= {a for a, b in pairwise(sentence) if b == "of"}
    ace, bird = scene_words.LEXEMES[7][0], scene_words.LEXEMES[22][0]
    assert before_of >= {*ace.forms, *bird.forms}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_word_is_nearer_to_its_forms_and_synonyms_than_to_other_classes(
    seed: int,
) -> None:
    vectors = scene_text.scene_vectors(seed)
    for label in CLASSES:
        others = [
            word for k in CLASSES if k != label for word in scene_words.class_words(k)
        ]
        for one in scene_words.LEXEMES[label]:
            (own,) = rows(vectors, [one.word])
            far = (rows(vectors, others) @ own).max()
            near = rows(vectors, list(one.forms[1:])) @ own
            assert near.min() > far, (one.word, one.forms)


def test_distances_of_classes_follow_their_families(learned: WordVectors) -> None:
    means = torch.stack(
        [rows(learned, list(scene_words.class_words(k))).mean(0) for k in CLASSES]
    )
    rho, p = mantel(text_distances(means), family_distance())
    assert rho > 0.4
    assert p < 0.01
    mixed = means[
        torch.randperm(len(means), generator=torch.Generator().manual_seed(0))
    ]
    assert mantel(text_distances(mixed), family_distance())[0] < 0.2


def test_a_class_is_nearer_to_its_own_hypernyms(learned: WordVectors) -> None:
    for label in CLASSES:
        own = rows(learned, list(scene_words.class_words(label))).mean(0)
        near = F.normalize(
            rows(learned, sorted(scene_words.hypernyms(label))).mean(0), dim=0
        )
        for other in CLASSES:
            if scene_words.KINDS[other // 6] != scene_words.KINDS[label // 6]:
                words = sorted(scene_words.hypernyms(other))
                assert (
                    near @ own > F.normalize(rows(learned, words).mean(0), dim=0) @ own
                )


def test_words_of_other_worlds_are_far(learned: WordVectors) -> None:
    others = list(chain.from_iterable(chain.from_iterable(WORLDS)))
    names = [word for k in CLASSES for word in scene_words.class_words(k)]
    cosines = rows(learned, others) @ rows(learned, names).T
    assert cosines.abs().max() < 0.1
    assert cosines.abs().mean() < 0.02
