"""LaViSE on real photographs, a real network and real word vectors, from REAL_DATA.

A check of the pipeline, no replication: 50 pictures, five a filter, 86 words. Taught
with 25 of them, an explainer is hardly better than the most frequent categories.
"""

import os
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from helpers.data import coco, reference
from helpers.data import listing as on
from helpers.explain.filters import cached, feature_blocks
from helpers.explain.naming import Vocabulary, nearest_words, vocabulary
from helpers.lab.weights import load_weights
from helpers.language import glove
from helpers.language.word_vectors import joined
from helpers.measure import retrieval
from helpers.methods.filter_words import explain_filters
from helpers.methods.lavise import teach
from helpers.methods.lavise_rows import teaching_rows
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.streams import stream

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
TINY, GLOVE = FOLDER / "tiny-coco", FOLDER / "glove"
INSTANCES = TINY / "annotations" / "instances_train2017.json"
FILES = [GLOVE / "glove.840B.300d.labels.txt"]
FILES.append(GLOVE / "glove.840B.300d.labels_multiword_mean.txt")
WEIGHTS = FOLDER / "squeezenet1_0.safetensors"
TEACHING, NAMING = Teaching(epochs=40, batch=64), Naming(top=5)
pytestmark = pytest.mark.skipif(
    not all(file.is_file() for file in (INSTANCES, WEIGHTS, *FILES)),
    reason=f"REAL_DATA names no folder with tiny-coco, glove and {WEIGHTS.name}",
)


def squeezenet_maps(images: Tensor) -> Tensor:
    model = torchvision.models.squeezenet1_0()
    model.load_state_dict(load_weights(WEIGHTS))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    blocks = ((some.float() / 255 - mean) / std for some in images.split(10))
    found = feature_blocks(model, model.features, blocks)
    return cached(found, len(images), torch.float32)


def recalls(
    data: reference.ReferenceSet,
    features: Tensor,
    taught_with: Tensor,
    words: Vocabulary,
) -> tuple[retrieval.Estimate, retrieval.Estimate]:
    """Return recall@20 over both halves crossed, and that of frequent categories."""
    half = data.image_of % 2
    places, positives = words.index(data.words), data.positives()
    own, frequent, filters = [], [], []
    for side in (0, 1):
        rows = teaching_rows(
            features,
            data.masks[half == side],
            data.image_of[half == side],
            positives[half == side],
            TEACHING,
        )
        explainer = teach(rows, rows, taught_with, TEACHING, 1).explainer
        there = half != side
        found = explain_filters(
            explainer,
            features[1 - side :: 2],
            data.masks[there],
            data.image_of[there] // 2,
            positives[there],
            NAMING,
        )
        lists = nearest_words(words, found.vectors, 20)
        own.append(retrieval.recall(lists, found.truth, places))
        most = retrieval.most_frequent(rows.positives, places, 20)
        most = most.expand(len(lists), -1)
        frequent.append(retrieval.recall(most, found.truth, places))
        filters.append(found.filters)
    where = torch.cat(filters)
    return tuple(
        retrieval.over_filters(torch.cat(one), where) for one in (own, frequent)
    )


def test_filters_of_a_real_network_get_the_words_of_what_they_see() -> None:
    """REAL_DATA holds `tiny-coco/`, `glove/` and SqueezeNet's weights."""
    vectors = joined(*(glove.read_glove(file) for file in FILES))
    found = coco.find(TINY / "train2017", INSTANCES)
    listed = coco.list_instances(found, on.as_one, vectors)
    data = reference.read(on.without_crowds(listed))
    table = torch.as_tensor(vectors.vectors).float()
    words = vocabulary(vectors.words, table)
    features = squeezenet_maps(data.images)
    categories = table[words.index(data.words)]
    order = torch.randperm(len(categories), generator=stream(1, "words"))
    trained, frequent = recalls(data, features, categories, words)
    permuted, _ = recalls(data, features, categories[order], words)
    chance = retrieval.by_chance(len(vectors.words), 20)
    print(f"recall@20: {trained}, frequent {frequent.mean:.3f}, chance {chance:.3f}")
    assert chance == pytest.approx(20 / 86)
    assert trained.filters > 400
    assert trained.low > max(permuted.high, chance)
    assert permuted.high < frequent.mean  # the words, not how often things are
