"""Chapter 08: tokens by hand and by enumeration; the padded way against open_clip."""

import math
from itertools import product

import pandas as pd
import pytest
import torch

from helpers.chapters import cost_tokens
from helpers.chapters.class_names import CIFAR10, CIFAR100, IMAGENET_S50
from helpers.chapters.cost_tokens import CUT, DISTINCT, FORMS, PADDED, PUBLISHED, SHARED
from helpers.chapters.plain_forms import padded_features
from helpers.language import prompts, text_tower, tiny_clip

SHARED_END, OWN, FRONT, ROLLED = FORMS
THREE = ("cat", "sweet pepper", "sweet potato")  # the last two part after "sweet"


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_expectations_are_those_of_all_batches(batch: int) -> None:
    made = SHARED_END.prompts(THREE, contexts=2)
    nodes, distinct = [], []
    for labels in product(range(3), repeat=batch):
        there = sorted(set(labels))
        distinct.append(len(there))
        trie = text_tower.build_trie(prompts.some(made, there))
        nodes.append(len(trie.keys))
    assert cost_tokens.expected_nodes(made, batch) == pytest.approx(
        sum(nodes) / len(nodes)
    )
    assert cost_tokens.distinct_labels(3, batch) == pytest.approx(
        sum(distinct) / len(distinct)
    )


@pytest.mark.parametrize(
    ("names", "cut", "trie"),
    [(CIFAR10, 1920, 516), (IMAGENET_S50, 12 * 842, 2448), (CIFAR100, 19428, 3984)],
)
def test_rolled_copies_by_hand(names: tuple[str, ...], cut: int, trie: int) -> None:
    """Per copy a start, 12 slots, the name, a full stop and an end: K (15 + k).

    Names in all of 10, 92 and 119 tokens; of the 50, two begin with "water".
    """
    found = cost_tokens.tokens(ROLLED, names, batch=64)
    assert found[PUBLISHED] == found[PADDED] == 12 * len(names) * 77
    assert found[CUT] == cut
    assert found[SHARED] == trie
    assert found[DISTINCT] <= trie


def test_a_prompt_a_picture_and_rows_of_own_contexts() -> None:
    found = cost_tokens.tokens(OWN, CIFAR100, batch=64)
    assert found[PUBLISHED] == 64 * 77
    assert found[CUT] == 100 * (1 + 12 + 3 + 1)
    assert math.isnan(found[SHARED])
    expected = 100 * (1 - 0.99**64) * 17
    assert found[DISTINCT] == pytest.approx(expected)


def test_the_table_has_every_form_of_every_data_set() -> None:
    table = cost_tokens.token_table(64)
    assert len(table) == len(cost_tokens.DATA) * len(FORMS)
    first = table.iloc[0]
    assert first["times fewer"] == pytest.approx(first[PUBLISHED] / first[DISTINCT])


def test_what_stands_before_the_context_stands_still() -> None:
    made = SHARED_END.prompts(THREE, contexts=2)
    # start; X1 X2; cat, end; sweet, pepper, end, potato, end
    assert cost_tokens.learnt_nodes(made) == (9, 10)
    front = FRONT.prompts(("cat", "dog"), contexts=2)
    assert cost_tokens.learnt_nodes(front) == (6, 9)  # 2 X and an end of each


def test_the_padded_way_is_open_clips_own() -> None:
    """Contexts that are words' embeddings: then the tower itself reads the sentence."""
    tower = cost_tokens.text_tower_of(2, seed=0)
    words, names = "a good photo of", ("cat", "sweet pepper")
    spelled = tiny_clip.tokenizer(77).encode(words)
    made = SHARED_END.prompts(names, contexts=len(spelled))
    context = tower.token_embedding(torch.tensor(spelled))
    found = padded_features(tower, made, context.expand(2, -1, -1))
    sentences = tiny_clip.tokenise([f"{words} {name}" for name in names], 77)
    with torch.no_grad():
        torch.testing.assert_close(found.pooled[0], tower(sentences))


def test_the_short_way_is_the_padded_one() -> None:
    errors = cost_tokens.exactness(2, THREE)
    assert list(errors["prompts"]) == [form.name for form in FORMS[:3]]
    assert errors.drop(columns="prompts").to_numpy().max() < 1e-12
    assert set(cost_tokens.exact(errors)["holds"]) == {"yes"}


def test_an_error_that_is_no_rounding_is_said() -> None:
    errors = pd.DataFrame({"prompts": ["a"], "tokens": [1e-15], "pooled": [1e-6]})
    assert cost_tokens.exact(errors)["holds"].tolist() == ["NO"]


def test_a_layout_has_the_tokens_that_are_counted() -> None:
    made = SHARED_END.prompts(THREE, contexts=2)
    drawn = cost_tokens.layouts(made)
    counted = text_tower.tokens_per_step(made)
    cells = {name: len(places) for name, (places, _) in drawn.items()}
    assert list(cells.values()) == list(counted.values())
    trie, edges = drawn[SHARED]
    assert len(edges) == len(trie) - 1  # a tree
    assert {kind for _, _, kind in trie} == {"start", "context", "name", "end"}
    assert sum(kind == "pad" for _, _, kind in drawn[PADDED][0]) == 3 * 77 - cells[CUT]


def test_cost_does_not_disturb_the_streams() -> None:
    before = torch.get_rng_state()
    cost_tokens.text_tower_of(1, seed=3)
    assert torch.equal(before, torch.get_rng_state())
