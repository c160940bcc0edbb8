"""The benchmarks on toy sizes: equal results, rows, files. No time is asserted."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from helpers import paths
from helpers.lab.pairs import Pairs, alternate
from helpers.language.tiny_clip import build_tiny_clip
from helpers.losses.transport import published_plan

NAMES = ("cat", "dog", "pickup truck", "sweet pepper", "oak tree")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of tests/benchmarks, which find each other by their own folder."""
    folder = paths.root() / "tests" / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    names = [file.stem for file in folder.glob("*.py") if file.stem != "__main__"]
    threads = torch.get_num_threads()
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    torch.set_num_threads(threads)
    for name in names:
        sys.modules.pop(name)


def main_of() -> ModuleType:
    """The command, as a module."""
    file = paths.root() / "tests" / "benchmarks" / "__main__.py"
    spec = importlib.util.spec_from_file_location("bench_main", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pairs_take_turns() -> None:
    ran: list[str] = []
    pairs = alternate(lambda: ran.append("p"), lambda: ran.append("o"), 3, warm=1)
    assert "".join(ran) == "po" + "po" + "op" + "po"
    assert len(pairs.plain) == len(pairs.ours) == 3
    with pytest.raises(ValueError, match="one pair or more"):
        alternate(lambda: None, lambda: None, 0)


def test_a_ratio_is_that_within_a_pair() -> None:
    pairs = Pairs(plain=(1.0, 10.0, 2.0), ours=(2.0, 30.0, 8.0))
    assert pairs.ratios == (2, 3, 4)
    assert pairs.ratio == 3
    assert pairs.seconds == (2, 8)


def test_rows_say_whether_they_hold(bench: SimpleNamespace) -> None:
    pairs = Pairs((8.0, 10.0, 12.0), (4.0, 2.0, 3.0))
    fast = bench.rows.timed("1", "a", "b", "c", pairs, "at least", bar=4)
    assert (fast.ratio, fast.holds, fast.spread) == (4, True, (3, 4.5))
    slow = bench.rows.timed("1", "a", "b", "c", pairs, "at most", bar=0.2)
    assert (slow.ratio, slow.holds) == (0.25, False)
    free = bench.rows.timed("1", "a", "b", "c", pairs, "at most")
    assert free.holds is None
    listed = fast.as_json()
    needed = {"name", "plain_s", "ours_s", "ratio", "bar", "holds", "machine"}
    assert needed <= set(listed)
    json.dumps(listed, allow_nan=False)
    shown = bench.rows.table([fast, slow, free])
    assert "yes" in shown
    assert "NO" in shown


def test_the_text_branch_gives_the_same(bench: SimpleNamespace) -> None:
    module = bench.bench_text
    module.PAIRS = 1
    rows = list(module.rows(build_tiny_clip(1), NAMES))
    numbers = ["1a", "1b", "3a", "3b", "3c", "3d", "1c", "2"]
    assert [row.number for row in rows] == numbers
    errors = [row.error for row in rows if row.error is not None]
    assert len(errors) == 7
    assert max(errors) < 1e-5


def test_a_branch_that_differs_is_seen(
    bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = bench.bench_text
    module.PAIRS = 1
    real = module.padded_features

    def wrong(tower, prompts, context):
        return real(tower, prompts, 1.01 * context)

    monkeypatch.setattr(module, "padded_features", wrong)
    row = next(module.rows(build_tiny_clip(1), NAMES))
    assert row.error > 1e-3


def test_the_transport_gives_the_same(bench: SimpleNamespace) -> None:
    module = bench.bench_transport
    module.PAIRS, module.EPSILONS = 1, (0.1, 0.05)
    rows = list(module.rows((3, 20, 5)))
    numbers = [*("4a", "4b", "4c", "4d"), *["4e"] * 2, "4f"]
    assert [row.number for row in rows] == numbers
    assert all(row.holds for row in rows if row.number in ("4d", "4e", "4f"))
    cost = module.made_cost(2, 20, 5)
    exact = module.transport_cost(cost, 0.1)[0].sum()
    for other in (module.pot_cost(cost, 0.1), module.unrolled_cost(cost, 0.1)):
        assert abs(float(other - exact)) < 1e-3


def test_the_loop_of_the_bench_is_the_published_one(bench: SimpleNamespace) -> None:
    cost = bench.bench_transport.made_cost(3, 20, 5)
    plan = published_plan(cost, 0.1, most=100, stop=1e-3)
    looped = bench.bench_transport.looped_cost(cost, 0.1)
    assert float(looped) == pytest.approx(float((plan * cost).sum()), rel=1e-10)


def test_steps_are_those_of_training(bench: SimpleNamespace) -> None:
    rows = list(bench.bench_steps.rows(build_tiny_clip(1), side=128, batch=2, pairs=1))
    assert [row.number for row in rows] == ["5", "6", "7"]
    pictures = bench.steps.drawn(4, 32, NAMES)
    plain = bench.steps.contrast(pictures, "scene-resnet", plain=True)
    steps = [
        bench.steps.Step(module, pictures, "cpu")
        for module in (plain, bench.steps.baseline(pictures, "scene-resnet"))
    ]
    for step in steps:
        before = [weight.clone() for weight in step.module.model.parameters()]
        step()
        after = step.module.model.parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_card_is_timed_as_the_processor_is(bench: SimpleNamespace) -> None:
    module = bench.bench_gpu
    module.SHAPES = {"tiny": (100, 128, 5)}
    row = module.row(build_tiny_clip(1), "resnet18", "tiny", 2, True, "cpu", 1)
    assert row.on == "resnet18, tiny, batch 2, bf16"
    assert "an epoch of 100 pictures" in row.note


def test_explanations_are_timed_against_the_passes_they_make(
    bench: SimpleNamespace,
) -> None:
    rows = list(bench.bench_explain.rows(pictures=6, masks=40, pairs=1))
    assert [row.number for row in rows] == ["8", "9", "10"]
    assert rows[1].against == "160 bare forward passes"
    assert int(rows[0].against.split()[0]) >= 6 * (28 * 2 + 1)


def test_filters_are_explained_alike_by_both_sides(bench: SimpleNamespace) -> None:
    rows = list(bench.bench_filters.rows(pictures=40, words=300, pairs=1))
    assert [row.number for row in rows] == ["15a", "15b"]
    assert [row.error for row in rows] == [0, 0]
    assert rows[0].on == "128 filters, 40 pictures, 300 words"
    case = bench.bench_filters.made(20, 300)
    kept = bench.bench_filters.maps(case)
    one, two = (bench.bench_filters.fast(case, maps) for maps in (kept, kept.flip(0)))
    assert one[2].any()  # there is something in the regions
    assert bench.bench_filters.differing(one, two) > 0.1


def test_memory_is_that_of_a_new_process(bench: SimpleNamespace) -> None:
    """What fits into the memory that importing has freed counts as 0."""
    small, large = (
        bench.bench_memory.peak("scene-resnet", "ce", 64, batch) for batch in (8, 256)
    )
    assert 0 <= small < large / 2


def test_a_store_of_runs_is_counted(bench: SimpleNamespace, home: Path) -> None:
    """What is asked for is found in the places of the store, and not trained."""
    growth = bench.growth
    row = growth.measured(3)
    assert (row.runs, row.files) == (3, 3 * 7)
    assert row.megabytes == pytest.approx(3 * 0.9, rel=0.1)
    folders = [growth.place(growth.settings(seed)) for seed in range(3)]
    assert len({(one / "model.safetensors").stat().st_ino for one in folders}) == 1


def test_the_table_is_written_whole(
    bench: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = main_of()
    row = bench.rows.Row("4", "a", "b", "c", 2.0, "at least", bar=3)
    monkeypatch.setattr(main, "measured", lambda name: [row])
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    monkeypatch.setattr(main, "BENCHES", {"bench_transport": ("4",)})
    main.main(["--record"])
    (kept,) = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert (kept["number"], kept["holds"]) == ("4", False)
    record = json.loads((tmp_path / "08_cost-bench.json").read_text("utf-8"))
    assert record["rows"] == [kept]
    assert record["provenance"]["commit"]
    assert "written: bench.json" in capsys.readouterr().out


def test_an_unknown_row_is_named(
    bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main_of().main(["12"])
    assert "there is no row 12: take one of 1, 2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main_of().main(["4", "--record"])
    assert "leave out their numbers" in capsys.readouterr().err
