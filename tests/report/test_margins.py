import hashlib
import json
import subprocess
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from helpers.chapters.training import GROUPS
from helpers.report import margins

ROOT = Path(__file__).parents[2]
FILE = "helpers/report/margins.yml"
RECORDS = "book/records"


@pytest.mark.parametrize(
    ("metric", "value", "higher"),
    [
        ("accuracy", 0.005, True),
        ("insertion", 0.01, True),
        ("deletion", 0.01, False),
        ("ses", 0.02, True),
        ("sch", 0.02, True),
        ("mosu", 0.03, False),
        ("gridpg", 0.02, True),
        ("epg", 0.02, True),
        ("miou", 0.02, True),
        ("pointing", 0.02, True),
        ("contrast", 0.02, True),
        ("border", 0.05, False),
        ("entropy", 0.005, False),
        ("gini", 0.02, True),
    ],
)
def test_committed_margins(metric, value, higher):
    assert margins.margin(metric) == value
    assert margins.metric(metric).higher_is_better is higher
    assert margins.metric(metric).unit


def test_half_the_baseline_spread_if_that_is_larger():
    assert margins.margin("sch", 0.03) == 0.02
    assert margins.margin("sch", 0.05) == 0.025


@pytest.mark.parametrize(
    ("name", "nearest"), [("SCH", "sch"), ("accurate", "accuracy"), ("", "")]
)
def test_unknown_metric_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"no margin for.*nearest: '{nearest}") as e:
        margins.margin(name)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("sd", [-0.1, float("nan"), float("inf")])
def test_baseline_sd_is_a_number(sd):
    with pytest.raises(ValueError, match="baseline_sd"):
        margins.margin("sch", sd)


def test_claims_name_known_metrics_and_arms():
    claims = {claim.name: claim for claim in margins.load().claims}
    named = ["1", "2", "2 (gain)", "3", "3 (interaction)", "language"]
    named += ["1 (active)", "2 (active)", "cgc", "cgc (three views)", "captions"]
    assert list(claims) == [*named, "language (active)"]
    known = {arm for group in GROUPS.values() for arm in group}
    for claim in claims.values():
        assert claim.kind in ("superiority", "non-inferiority")
        assert all(margins.metric(name) for name in claim.metrics)
        for pair in claim.compare:
            assert {*pair.better, *pair.than} <= known
    assert (claims["1"].metrics, claims["1"].maps) == (("sch",), "grad-cam")
    assert claims["2"].kind == "non-inferiority"
    pairs = [(pair.better[0], pair.than[0]) for pair in claims["3"].compare]
    assert pairs == [("lico", "mm"), ("lico", "ot"), ("mm", "ce"), ("ot", "ce")]
    both = claims["3 (interaction)"].compare[0]
    assert (both.better, both.than) == (("lico", "ce"), ("mm", "ot"))


def test_entries_by_section_and_name():
    found = entries((ROOT / FILE).read_text(encoding="utf-8"))
    assert found["red_dot.flips_at_full"] == 0.5
    assert "claims.3 (interaction)" in found
    assert "metrics.sch" in found


def test_rules_and_frozen():
    rules = margins.load().inference
    assert (rules.confidence, rules.power, rules.minimal_seeds) == (0.95, 0.8, 5)
    assert margins.load() is margins.load()
    with pytest.raises(FrozenInstanceError):
        rules.minimal_seeds = 3


def test_inert():
    on, off = 0.1, 1e-4
    assert not margins.is_inert([on, on, on])
    assert not margins.is_inert([off, off, on, on])  # half is not over half
    assert margins.is_inert([off, off, off, on])
    assert margins.is_inert([on, on, on], [0.0, 0.009, 0.5])
    assert margins.is_inert([off, on, on], [0.5, 0.0, 0.5])  # either one, any epoch
    assert not margins.is_inert([0.001], [0.01])  # at the bar is not under it
    assert margins.is_inert([float("nan")])
    with pytest.raises(ValueError, match="no epoch"):
        margins.is_inert([])


def test_trained_out():
    assert margins.is_trained_out([0.2, 0.5, 0.8, 0.9, 0.9, 0.9, 0.9, 0.91])
    assert not margins.is_trained_out([0.2, 0.5, 0.8, 0.8, 0.8, 0.8, 0.9, 0.91])
    assert not margins.is_trained_out([0.9, 0.9, 0.9, 0.8])  # falling is moving
    assert not margins.is_trained_out([0.9])
    assert not margins.is_trained_out([])


def test_shortcut_gate():
    assert margins.learnt_shortcut(0.5, 0.05)
    assert not margins.learnt_shortcut(0.49, 0.0)
    assert not margins.learnt_shortcut(0.9, 0.06)


# The margins precede the records ------------------------------------------------


def git(root: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, encoding="utf-8"
    )
    return found.stdout if found.returncode == 0 else ""


def last_commit(root: Path, name: str) -> str:
    """The commit that gave a file its present content."""
    return git(root, "log", "-1", "--format=%H", "--", name).strip()


def first_commit(root: Path, path: str) -> str:
    added = git(root, "log", "--diff-filter=A", "--format=%H", "--", path)
    return added.split()[-1] if added else ""


def precedes(root: Path, early: str, late: str) -> bool:
    """`late` empty: a record that is not committed yet comes after every commit."""
    if not late:
        return bool(early)
    base = git(root, "merge-base", early, late).strip() if early else ""
    return bool(base) and base == early != late


def versions(root: Path) -> dict[str, tuple[str, str]]:
    """sha256 of each committed version -> (commit, text), the earliest commit kept."""
    found = {}
    for commit in git(root, "log", "--format=%H", "--", FILE).split():
        text = git(root, "show", f"{commit}:{FILE}")
        found[hashlib.sha256(text.encode()).hexdigest()] = (commit, text)
    return found


def stated_digest(record: Path) -> str | None:
    content = json.loads(record.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        return None
    provenance = content.get("provenance") or {}
    return content.get("margins_sha256") or provenance.get("margins_sha256")


def entries(text: str) -> dict[str, object]:
    """Every entry of a margins file by section and name."""
    found = {}
    for section, content in yaml.safe_load(text).items():
        if isinstance(content, list):
            content = {entry["name"]: entry for entry in content}
        found |= {f"{section}.{key}": entry for key, entry in content.items()}
    return found


def problem(root: Path, record: Path) -> str | None:
    """Say why the margins do not precede a record, or None."""
    name = record.relative_to(root).as_posix()
    born = last_commit(root, name)  # a record made anew is another record
    if not precedes(root, first_commit(root, FILE), born):
        return f"{name} is not committed after {FILE}"
    digest = stated_digest(record)
    if digest is None:
        return None
    if digest not in versions(root):
        return f"{name} was judged by margins that were never committed"
    commit, text = versions(root)[digest]
    if not precedes(root, commit, born):
        return f"{name} was judged by margins committed after it"
    then, now = entries(text), entries((root / FILE).read_text(encoding="utf-8"))
    changed = [key for key in then if then[key] != now.get(key)]
    if changed:
        return f"{', '.join(changed)} changed after {name}"
    return None


def test_margins_precede_every_record():
    if not (ROOT / ".git").exists() or not git(ROOT, "rev-parse", "HEAD"):
        pytest.skip("no git history here")
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("shallow clone: the order of commits is not known")
    records = sorted((ROOT / RECORDS).rglob("*.json"))
    assert [found for record in records if (found := problem(ROOT, record))] == []


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Return a function that writes files into a fresh repository and commits them."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    git(tmp_path, "init", "-q")
    if not (tmp_path / ".git").exists():
        pytest.skip("no git here")

    def write(commit=True, **files):
        for name, text in files.items():
            path = tmp_path / {"margins": FILE, "record": f"{RECORDS}/r.json"}[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if commit:
            git(tmp_path, "add", "-A")
            git(tmp_path, "commit", "-qm", "x")
        return problem(tmp_path, tmp_path / RECORDS / "r.json")

    write(record="{}", commit=False)
    (tmp_path / RECORDS / "r.json").unlink()
    return write


OLD = "metrics: {sch: {margin: 0.02}}\n"
NEW = "metrics: {sch: {margin: 0.01}}\n"
MORE = "metrics: {sch: {margin: 0.02}, epg: {margin: 0.02}}\n"


def record_of(text):
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"provenance": {"margins_sha256": digest}})


def commit_first(house, **files):
    """The record is not there yet, so that there is nothing to judge."""
    with pytest.raises(FileNotFoundError):
        house(**files, margins=OLD)


def test_order_kept(house):
    commit_first(house)
    assert house(record=record_of(OLD), commit=False) is None
    assert house() is None
    assert house(margins=MORE) is None  # an entry added later


def test_record_first_or_together(house):
    assert "not committed after" in house(record="{}", commit=False)
    assert "not committed after" in house(record="{}")
    assert "not committed after" in house(margins=OLD)


def test_record_and_margins_in_one_commit(house):
    assert "not committed after" in house(record="{}", margins=OLD)


def test_margins_changed_around_a_record(house):
    commit_first(house)
    changed = house(record=record_of(NEW), margins=NEW, commit=False)
    assert "never committed" in changed
    assert "committed after it" in house()
    assert "metrics.sch changed after" in house(record=record_of(OLD))
