"""Settings, paths, streams: checked, in one place, apart."""

from pathlib import Path

import pytest
import torch

from helpers import paths
from helpers.settings import CrossEntropy, Refused, RunSettings
from helpers.streams import mix, stream


def refused(values: dict) -> str:
    with pytest.raises(Refused) as caught:
        RunSettings.of(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_name_with_the_nearest_one() -> None:
    assert refused({"sed": 1}) == "unknown parameter 'sed'; did you mean 'seed'?"


def test_several_faults_in_one_line() -> None:
    line = refused({"seed": -1, "threads": "two"})
    assert "'seed' = -1" in line
    assert "'threads' = 'two'" in line


@pytest.mark.parametrize("value", [True, 1.5, "1", None, float("nan")])
def test_nothing_is_converted_in_silence(value: object) -> None:
    assert "parameter 'seed'" in refused({"seed": value})


def test_an_unknown_method() -> None:
    assert "'ce', 'lico', 'cgc', 'tiny-clip'" in refused({"method": {"name": "lico2"}})


def test_settings_are_frozen_and_hashable() -> None:
    settings = RunSettings()
    with pytest.raises(Exception, match="frozen"):
        settings.seed = 3  # type: ignore[misc]
    assert len({settings, RunSettings(), RunSettings(method=CrossEntropy(lr=1))}) == 2


def test_one_variable_moves_runs_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(paths.VARIABLE, raising=False)
    assert paths.runs() == paths.root() / "runs"
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path))
    assert (paths.runs(), paths.data()) == (tmp_path / "runs", tmp_path / "data")


def test_installed_without_the_book_runs_lie_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(paths.VARIABLE, raising=False)
    monkeypatch.setattr(paths, "root", lambda: tmp_path / "site-packages")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert paths.home() == tmp_path / "cache" / "does-language-explain"


def test_space_is_asked_of_the_disk_of_a_folder_that_is_not_there(
    tmp_path: Path,
) -> None:
    paths.require_space(tmp_path / "a" / "b", 1)
    with pytest.raises(OSError, match="MB free, 1000000000000 MB are needed"):
        paths.require_space(tmp_path / "a" / "b", 10**12)


def test_a_stream_is_fixed_by_seed_and_purpose() -> None:
    draws = [
        torch.rand(3, generator=stream(*key)).tolist()
        for key in [(1, "order"), (1, "order"), (1, "prompts"), (2, "order")]
    ]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) == 3


def test_streams_do_not_touch_the_global_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    torch.rand(2, generator=stream(1, "a"))
    assert torch.equal(torch.get_rng_state(), before)


def test_purposes_are_not_run_together() -> None:
    assert mix(1, "a", 2) != mix(1, "a2") != mix(1, "a", "2x")
    assert 0 <= mix(0) < 2**63
