"""Settings, paths, streams: checked, in one place, apart."""

from pathlib import Path

import pytest
import torch

from helpers import paths
from helpers.settings import Cgc, Classifier, CrossEntropy, Lico, Refused, RunSettings
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


ROLLED = {"contexts": "rolled", "ot_text": "copies"}


@pytest.mark.parametrize(
    ("values", "line", "remedy"),
    [
        (
            {"contexts": "rolled", "n_ctx": 1, "ot_text": "copies"},
            "a rolled context needs n_ctx >= 2",
            {"n_ctx": 2},
        ),
        (
            {"contexts": "rolled apart", "n_ctx": 1, "ot_text": "copies"},
            "a rolled context needs n_ctx >= 2",
            {"n_ctx": 2},
        ),
        (
            {"contexts": "rolled"},
            "contexts='rolled' makes copies that only ot_text='copies' reads",
            {"ot_text": "copies"},
        ),
        (
            {"shuffle": True, "n_ctx": 1},
            "one learnable token cannot change places: take n_ctx >= 2",
            {"n_ctx": 2},
        ),
        (
            {"names": "permuted", "language": "one-hot"},
            "language='one-hot' knows no names, so none are permuted: take "
            "names='aligned'",
            {"names": "aligned"},
        ),
        (
            {"names": "sorted", "language": "vectors:random"},
            "language='vectors:random' knows no names, so none are sorted: take "
            "names='aligned'",
            {"names": "aligned"},
        ),
        (
            {"position": "middle", "n_ctx": 1},
            "a name between learnable tokens needs n_ctx >= 2",
            {"n_ctx": 2},
        ),
        (
            {
                "text_tokens": "every position",
                **{"mm_text": "pooled", "ot_text": "label"},
            },
            "text_tokens='every position' is read by nothing with mm_text='pooled' and "
            "ot_text='label': take text_tokens='class mean'",
            {"ot_text": "tokens"},
        ),
        (
            {"iterations": 100},
            "iterations bound a published plan alone: take plan='published'",
            {"plan": "published"},
        ),
        (
            {"repairs": "none"},
            "repairs='none' is for ot_text='copies' or mm_labels='twice', which stop: "
            "leave it out",
            {"mm_labels": "twice"},
        ),
        (
            {"padding": "zeros"},
            "padding='zeros' needs shift >= 1: leave it out",
            {"shift": 4},
        ),
        (
            {"ot_text": "copies"},
            "ot_text='copies' needs contexts='rolled' or 'rolled apart'",
            {"contexts": "rolled apart"},
        ),
        (
            {"temperature": "bounded"},
            "a bounded temperature starts within [0.01, 1], not at 2.659: give tau",
            {"tau": 0.07},
        ),
        (
            {"names": "captions", "contexts": "class"},
            "captions are many: take contexts='shared'",
            {"contexts": "shared"},
        ),
        (
            {"names": "shuffled captions", **ROLLED},
            "captions are many: take contexts='shared'",
            {"contexts": "shared", "ot_text": "tokens"},
        ),
        (
            {"names": "captions", "ot_text": "classes"},
            "a picture has one caption: take ot_text='tokens' or 'label'",
            {"ot_text": "label"},
        ),
        (
            {"names": "captions", "mm_labels": "twice"},
            "a caption has no label: take mm_labels='once'",
            {"mm_labels": "once"},
        ),
        (
            {"least_square": 1e-4, "unit": False},
            "least_square is for rows of length 1: take unit=True",
            {"unit": True},
        ),
        (
            {"plan": "published", "plan_gradient": "envelope"},
            "an envelope needs the converged plan: take plan='converged'",
            {"plan": "converged"},
        ),
        (
            {"scaler": True, "precision": "bf16"},
            "a loss scaler is for precision '16': leave it out",
            {"precision": "16"},
        ),
    ],
)
def test_switches_that_do_not_go_together(
    values: dict, line: str, remedy: dict
) -> None:
    """Refused in one line, whose remedy works."""
    with pytest.raises(Refused) as caught:
        Lico.of(**values)
    assert str(caught.value) == line
    assert Lico.of(**values | remedy)
    assert line in refused({"method": {"name": "lico"} | values})


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        *(("contexts", "sharde"), ("position", "back"), ("ot_text", "token")),
        *(("temperature", "cold"), ("plan", "none"), ("names", "random")),
    ],
)
def test_a_value_that_a_switch_does_not_have_is_refused(
    switch: str, value: str
) -> None:
    with pytest.raises(Refused, match=f"'{switch}' = '{value}'") as caught:
        Lico.of(**{switch: value})
    assert repr(getattr(Lico(), switch)) in str(caught.value)  # what there is
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [CrossEntropy, Cgc])
def test_a_scaler_is_for_float16_whatever_the_loss(kind: type[Classifier]) -> None:
    for precision in ("32", "bf16"):
        with pytest.raises(Refused, match=r"^a loss scaler is for precision '16'"):
            kind.of(scaler=True, precision=precision)
    assert kind.of(scaler=True, precision="16")
    assert kind.of(precision="16")


@pytest.mark.parametrize(
    "values",
    [
        {"names": "caption"},
        {"tower": "thawed"},
        {"contexts": "rolled by i"},
        {"ctx_std": 0.0},
        {"text_tokens": "all"},
        {"mm_labels": "thrice"},
        {"least_square": -1e-4},
        {"sign": "plus"},
        {"ot_text": "class"},
        {"iterations": 0},
        {"repairs": "some"},
        {"schedule": "cosine"},
        {"padding": "edge"},
        {"least_area": 0.0},
        {"least_area": 1.5},
        {"backbone_dropout": 1.0},
        {"clip_norm": -1.0},
        {"precision": "64"},
        {"ema": 1.0},
        {"keep": "best"},
    ],
    ids=lambda values: " ".join(f"{k}={v}" for k, v in values.items()),
)
def test_a_switch_out_of_range_is_named_in_one_line(values: dict) -> None:
    ((name, value),) = values.items()
    line = refused({"method": {"name": "lico"} | values})
    assert f"{name}' = {value!r}: input should" in line


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
