"""A grid: checked first, each run once, in processes of one thread."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from helpers.lab import grid as module
from helpers.lab.grid import grid
from helpers.settings import Refused, RunSettings


def test_two_workers_give_what_one_process_gives(
    home: Path, small: RunSettings
) -> None:
    settings = [small.model_copy(update={"seed": seed}) for seed in (1, 2)]
    lines: list[str] = []
    trained = grid([*settings, settings[0]], lines.append)
    assert [run.settings.seed for run in trained] == [1, 2, 1]
    assert any(line.startswith("run 2 of 2 done") for line in lines)
    first = trained[0]
    kept = (first.folder / "record.json").read_bytes()
    for file in first.folder.iterdir():
        file.unlink()
    again = grid([settings[0]])  # here, not in a worker
    assert (again[0].folder / "record.json").read_bytes() == kept


def test_nothing_is_trained_if_one_setting_is_refused(
    home: Path, small: RunSettings
) -> None:
    wrong = small.model_copy(update={"device": "cuda:9"})
    with pytest.raises(Refused, match="cuda:9"):
        grid([small, wrong])
    assert not (home / "runs").exists()


def test_a_broken_picture_is_named_before_anything_is_trained(
    home: Path, small: RunSettings
) -> None:
    from PIL import Image

    for split, count in (("train", 40), ("test", 16)):
        for name in ("cat", "dog"):
            folder = home / "pictures" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (32, 32)).save(folder / f"{i}.png")
    (home / "pictures" / "test" / "dog" / "7.png").write_text("broken")
    data = small.data.model_copy(
        update={"name": f"folder:{home / 'pictures'}", "test": 32}
    )
    photographs = small.model_copy(update={"data": data})
    with pytest.raises(Refused, match=r"7.png' cannot be read"):
        grid([small, photographs])
    assert not (home / "runs").exists()


def test_any_executor_will_do(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(module, "_work", lambda one, loud: asked.append(one.seed))
    monkeypatch.setattr(module, "_wait_for", lambda trained: None)
    monkeypatch.setattr(module, "train_or_load", lambda one: one.seed)
    settings = [small.model_copy(update={"seed": seed}) for seed in (3, 4, 3)]
    with ThreadPoolExecutor(1) as executor:
        assert grid(settings, executor=executor) == [3, 4, 3]
    assert asked == [3, 4]


def test_a_run_that_fails_ends_the_grid(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(one: RunSettings, loud: bool) -> None:
        raise Refused("no")

    monkeypatch.setattr(module, "_work", fail)
    settings = [small, small.model_copy(update={"seed": 5})]
    with ThreadPoolExecutor(1) as executor, pytest.raises(Refused, match="no"):
        grid(settings, executor=executor)


def test_a_worker_that_is_killed_is_said_in_one_line(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(one: RunSettings, loud: bool) -> None:
        raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(module, "_work", killed)
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(Refused, match=r"was killed \(out of memory") as caught,
    ):
        grid([small], executor=executor)
    assert "\n" not in str(caught.value)


def test_a_run_that_is_not_seen_here_is_not_trained_twice(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where workers write into another folder, or a network shows theirs late."""
    monkeypatch.setattr(module, "_work", lambda one, loud: None)
    monkeypatch.setattr(module, "DELAY", 0)
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(Refused, match="trained by a worker and is not seen here"),
    ):
        grid([small], executor=executor)
    assert list(home.rglob("*.safetensors")) == []
