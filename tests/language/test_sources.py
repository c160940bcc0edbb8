"""Sources of text features: alignment, controls, files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.language import sources
from helpers.settings import Refused
from helpers.streams import stream

NAMES = ("cat", "dog", "frog", "horse")


def write(path: Path, features: np.ndarray, names: list[str]) -> str:
    np.savez(path, features=features, names=np.array(names))
    return str(path)


def test_a_file_gives_its_features_in_label_order(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.float16).reshape(4, 3)
    path = write(tmp_path / "f.npz", rows, [*NAMES])
    found = sources.read_features(path, NAMES, 3)
    assert found.dtype == torch.float32
    assert found.tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("names", "width", "says"),
    [
        (["cat", "dog", "frog", "horse"], 4, r"shape \[4, 3\] for 4 names, \[4, 4\]"),
        (["cat", "dog", "frog", "mule"], 3, "name 'mule'"),
        (["cat", "dog", "horse", "frog"], 3, "label 2 is 'frog', its text says 'horse"),
        (["cat", "dog", "frog"], 3, r"shape \[4, 3\] for 3 names"),
    ],
)
def test_other_names_or_width_are_refused(
    tmp_path: Path, names: list[str], width: int, says: str
) -> None:
    path = write(tmp_path / "f.npz", np.ones((4, 3)), names)
    with pytest.raises(Refused, match=says) as refusal:
        sources.read_features(path, NAMES, width)
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.npz").write_text("no archive")
    np.savez(tmp_path / "g.npz", features=np.ones((4, 3)))
    pickled = np.array([{"a": 1}] * 4, dtype=object)
    np.savez(tmp_path / "h.npz", features=np.ones((4, 3)), names=pickled)
    for name in "fgh":
        with pytest.raises(Refused, match="cannot be read"):
            sources.read_features(str(tmp_path / f"{name}.npz"), NAMES, 3)
    path = write(tmp_path / "n.npz", np.full((4, 3), np.nan), [*NAMES])
    with pytest.raises(Refused, match="not finite"):
        sources.read_features(path, NAMES, 3)


def test_every_source_is_checked_before_it_is_used(tmp_path: Path) -> None:
    for language in ("tiny-clip", *sources.CONTROLS):
        sources.check_source(language)
    sources.check_source("open-clip:ViT-B-32-quickgelu/openai")
    with pytest.raises(Refused, match="did you mean 'one-hot'"):
        sources.check_source("onehot")
    with pytest.raises(Refused, match="are not there"):
        sources.check_source(f"file:{tmp_path}/none.npz")
    with pytest.raises(Refused, match="list_pretrained"):
        sources.check_source("open-clip:ViT-B-33/openai")


def test_orders_of_names() -> None:
    names = ("plane", "car", "bird")
    assert sources.ordered(names, "aligned", stream(0)) == names
    assert sources.ordered(names, "sorted", stream(0)) == ("bird", "car", "plane")
    for seed in range(20):
        other = sources.ordered(NAMES, "permuted", stream(seed))
        assert sorted(other) == sorted(NAMES)
        assert all(a != b for a, b in zip(other, NAMES, strict=True))


def test_labels_in_the_order_of_strings() -> None:
    """Of 12 labels "10" and "11" stand third and fourth."""
    names = tuple("abcdefghijkl")
    texts = sources.ordered(names, "lexicographic", stream(0))
    order = sorted(str(label) for label in range(12))
    assert order[:5] == ["0", "1", "10", "11", "2"]
    for place, label in enumerate(order):
        assert texts[int(label)] == names[place]
    assert "".join(texts) == "abefghijklcd"
    few = tuple("abcdefghij")  # ten classes or less: nothing moves
    assert sources.ordered(few, "lexicographic", stream(0)) == few


def test_shuffled_texts_are_all_elsewhere() -> None:
    texts = [str(number) for number in range(9)]
    for seed in range(20):
        found = sources.shuffled(texts, stream(seed))
        assert sorted(found) == texts
        assert all(a != b for a, b in zip(found, texts, strict=True))
    assert sources.shuffled(texts, stream(0)) == sources.shuffled(texts, stream(0))
    assert sources.shuffled(texts, stream(0)) != sources.shuffled(texts, stream(1))


def test_vectors_that_know_no_word() -> None:
    drawn = sources.class_vectors("random-vectors", 5, 8, stream(1))
    assert torch.allclose(drawn.norm(dim=1), torch.ones(5))
    one = sources.class_vectors("one-hot", 5, 8, stream(1))
    assert (torch.pdist(one) - 2**0.5).abs().max() < 1e-6
    with pytest.raises(Refused, match="one-hot targets of 9 classes"):
        sources.class_vectors("one-hot", 9, 8, stream(1))


def test_weights_that_cannot_be_downloaded_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import open_clip

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(Refused, match="could not be downloaded"):
        sources.open_clip_tower("ViT-B-32-quickgelu/openai")
