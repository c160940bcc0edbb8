"""Chapter 06: who hears the name, what that does to the losses, what was published."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from helpers.chapters import prompt_claims as claims
from helpers.chapters import prompt_effects as effects
from helpers.chapters import prompt_variants as variants
from helpers.chapters.prompt_variants import HEARS, OWN, SAME, PromptVariants
from helpers.chapters.text_features import Batch
from helpers.data.scenes import CLASS_NAMES
from helpers.lab.recipes import recipe
from helpers.language import prompts, text_tower
from helpers.language.tiny_clip import Architecture, build_tiny_clip
from helpers.measure.statistics import t_interval
from helpers.methods.text_side import Language, TextSide
from helpers.report import prompt_figures, statements
from helpers.report.records import NOT_MADE
from helpers.settings import Lico, RunSettings

SMALL = Architecture(text_width=16, heads=2, embed=12)
CELLS, N = 16, 3
NAMES = tuple(name for name in CLASS_NAMES[:6])


@pytest.fixture(scope="module")
def clip() -> nn.Module:
    return build_tiny_clip(0, SMALL)


@pytest.fixture(scope="module")
def chapter() -> PromptVariants:
    return PromptVariants.of(n_ctx=N, seeds=[1, 2])


@pytest.fixture(scope="module")
def like(chapter: PromptVariants, clip: nn.Module) -> TextSide:
    method = chapter.methods()["shared, end"]
    return TextSide(method, Language(CLASS_NAMES, clip), CELLS, seed=1).eval()


def moved(side: TextSide) -> TextSide:
    """Return the text side with other weights, as a training would leave it."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weights in side.named_parameters():
            if name != "t":
                weights.add_(0.1 * torch.randn(weights.shape, generator=generator))
    return side


@pytest.fixture(scope="module")
def sides(
    chapter: PromptVariants, like: TextSide, clip: nn.Module
) -> dict[str, TextSide]:
    made = variants.starts({**chapter.methods(), **chapter.published()}, like, clip)
    return {name: moved(side) for name, side in made.items()}


def test_the_arms_are_the_baseline_and_four_prompts(chapter: PromptVariants) -> None:
    found = chapter.arms()
    assert list(found) == ["ce", *variants.VARIANTS]
    assert [len(runs) for runs in found.values()] == [2] * 5
    methods = {name: runs[0].method for name, runs in found.items()}
    assert isinstance(methods["class, front"], Lico)
    assert methods["class, front"].contexts == "class"
    assert methods["class, front"].position == "front"
    assert all(m.n_ctx == N for m in methods.values() if isinstance(m, Lico))


def test_a_start_is_the_one_that_training_has(clip: nn.Module) -> None:
    """Witness: the module that a run would train."""
    chapter = PromptVariants.of(pictures=64, size=32, n_ctx=N)
    for method in chapter.methods().values():
        settings = RunSettings(data=chapter.data(), method=method, seed=3)
        module, _ = recipe(settings).module_and_tensors(settings, [clip])
        cells = module.text.h_psi[-1].out_features
        blank = TextSide(method, Language(CLASS_NAMES, clip), cells, seed=3)
        made = variants.start_of(method, blank, clip)
        wanted = module.text.state_dict()
        assert made.state_dict().keys() == wanted.keys()
        for key, value in made.state_dict().items():
            assert torch.equal(value, wanted[key]), key


def padded_features(side: TextSide, clip: Any, k: int, name_of: int) -> torch.Tensor:
    """Return features of class k's context with the name of another, `[L, E]`.

    Witness: the whole padded prompt, one class at a time, through the tower's modules.
    """
    row = side.prompts.rows[name_of]
    assert side.context is not None
    own = side.context[k if side.method.contexts == "class" else 0]
    x = torch.zeros(clip.context_length, own.shape[1])
    for at, key in enumerate(row):
        x[at] = own[-1 - key] if key < 0 else clip.token_embedding.weight[key]
    for at in range(len(row), clip.context_length):
        x[at] = clip.token_embedding.weight[0]
    x = (x + clip.positional_embedding)[None]
    x = clip.transformer(x, attn_mask=clip.attn_mask)
    found: torch.Tensor = (clip.ln_final(x) @ clip.text_projection)[0]
    return found.detach()


@pytest.mark.parametrize("name", list(variants.VARIANTS))
def test_a_token_hears_what_changes_it_in_the_whole_prompt(
    name: str, sides: dict[str, TextSide], clip: nn.Module
) -> None:
    side = sides[name]
    heard = variants.hears(side, clip)
    assert heard.shape == (24, N + 1)
    for k in (0, 5):
        own = padded_features(side, clip, k, k)
        slots = side.prompts.slots
        changed = []
        for slot in range(N):
            others = [
                padded_features(side, clip, k, j)[slots[j][slot]]
                for j in (k + 1, (k + 8) % 24, (k + 12) % 24)
            ]
            before = own[slots[k][slot]]
            changed.append(
                any((o - before).norm() > 1e-4 * before.norm() for o in others)
            )
        assert heard[k].tolist() == [*changed, True]


def test_who_hears_and_who_only_differs(
    sides: dict[str, TextSide], clip: nn.Module
) -> None:
    def kinds(name: str) -> list[str]:
        ((_, tokens),) = variants.strips({name: sides[name]}, clip, [0, 1])
        return [kind for _, kind, _ in tokens]

    assert kinds("shared, end") == [SAME] * N + [HEARS]
    assert kinds("class, end") == [OWN] * N + [HEARS]
    assert kinds("shared, front") == [HEARS] * (N + 1)
    assert kinds("class, front") == [HEARS] * (N + 1)


def test_every_position_of_the_published_code(
    sides: dict[str, TextSide], clip: nn.Module
) -> None:
    few = variants.short_and_long(sides["repro_shared (modified)"])
    sizes = [len(sides["repro_shared (modified)"].prompts.label[k]) for k in few]
    assert sizes == [1, 3]
    name = "repro_label_front (modified)"
    short, long = (row for _, row in variants.strips({name: sides[name]}, clip, few))
    assert [word for word, _, _ in short][1:] == [
        *(f"$X_{{{j}}}$" for j in range(1, N + 1)),
        *("end", "pad", "pad"),
    ]
    assert [learnt for _, _, learnt in short] == [False] + [True] * (N + 3)
    assert [learnt for _, _, learnt in long] == [False] * 3 + [True] * (N + 1)
    name = "repro_class_specific (modified)"
    (row, _) = (row for _, row in variants.strips({name: sides[name]}, clip, few))
    assert [kind for _, kind, _ in row] == [OWN] * N + [HEARS] * 4


def test_what_is_carried(sides: dict[str, TextSide], clip: nn.Module) -> None:
    table: Any = variants.carried(sides, clip).set_index("prompts")
    assert table["M"].tolist() == [N + 1] * 4 + [N + 4] * 3
    assert table["differ"].tolist() == [1, N + 1, N + 1, N + 1, 4, N + 4, N + 4]
    one = 1 / (N + 1)
    assert table["mass"].tolist()[:4] == pytest.approx([one, one, 1, 1])
    assert table["padding"].tolist() == pytest.approx([0] * 4 + [1] * 3)
    assert table["not learnt"].tolist() == pytest.approx([0] * 6 + [2])
    assert (table["in common"] > 0).tolist() == [1, 0, 0, 0, 1, 0, 0]
    by_name = table["by the name"]
    assert by_name[
        ["shared, end", "shared, front", "repro_shared (modified)"]
    ].tolist() == (pytest.approx([1, 1, 1], abs=1e-6))
    assert 0 < by_name["class, end"] < by_name["class, front"] < 1


def test_the_names_part_by_hand(clip: nn.Module, like: TextSide) -> None:
    """Witness: all pairs of six classes, one after the other."""
    method = like.method.model_copy(update={"contexts": "class"})
    side = moved(TextSide(method, Language(NAMES, clip), CELLS, seed=2).eval())

    def row(k: int, name_of: int) -> torch.Tensor:
        made = side.prompts
        found = padded_features(side, clip, k, name_of)
        bearing = [*made.label[name_of], made.end[name_of]]
        tokens = [found[at] for at in made.slots[name_of]]
        tokens.append(found[bearing].mean(0))
        flat = side.h_psi(torch.stack(tokens)).flatten().double().detach()
        return flat / flat.norm()

    pairs = [(k, j) for k in range(6) for j in range(6) if k != j]
    by_name = np.mean([(row(k, j) - row(k, k)).square().sum() for k, j in pairs])
    apart = np.mean([(row(j, j) - row(k, k)).square().sum() for k, j in pairs])
    assert variants.name_part(side, clip) == pytest.approx(by_name / apart, rel=1e-4)


def test_renamed_contexts_at_the_end_do_not_move(
    sides: dict[str, TextSide], clip: nn.Module
) -> None:
    *context, last = variants.renamed(sides["class, end"], clip, 1)
    assert context == [0.0] * N
    assert last > 0.01
    assert min(variants.renamed(sides["class, front"], clip, 1)) > 1e-4


def test_token_distances_by_hand(sides: dict[str, TextSide], clip: nn.Module) -> None:
    four = {name: sides[name] for name in variants.VARIANTS}
    table: Any = variants.token_distances(four)
    assert list(table.columns)[-1] == "class"
    assert (table.loc["shared, end"].iloc[:-1] == 0).all()
    assert (table.drop("shared, end") > 0).all(axis=None)
    with torch.no_grad():
        rows = sides["class, end"]().tokens[0, :, 1].double()
    pairs = [(i, j) for i in range(24) for j in range(24) if i != j]
    apart = np.mean([float((rows[i] - rows[j]).square().sum()) for i, j in pairs])
    wanted = math.sqrt(apart / float(rows.square().sum(1).mean()))
    assert table.loc["class, end"].iloc[1] == pytest.approx(wanted)


def test_affinities_and_their_limits(sides: dict[str, TextSide]) -> None:
    labels = torch.tensor([0, 0, 1, 2])
    cold: Any = effects.affinities(sides, labels, tau=1e-3).set_index("prompts")
    assert cold.loc["class, end", "off-diagonal"] == pytest.approx(0.25)
    assert cold.loc["class, end", "same class"] == pytest.approx(0.25)
    warm: Any = effects.affinities(sides, labels, tau=1e3).set_index("prompts")
    assert warm["off-diagonal"].tolist() == pytest.approx([0.75] * 7, abs=1e-3)
    own: Any = effects.affinities(sides, labels).set_index("prompts")
    assert own.loc["shared, end", "tau"] == pytest.approx(2.659)
    assert own.loc["repro_shared (modified)", "tau"] == pytest.approx(0.07)
    assert own["p"].between(0, 1).all()


def batch(count: int = 12, channels: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(count, channels, CELLS, generator=generator)
    maps[:, 0] = 0  # a silent channel
    return Batch(maps, torch.arange(count) % 24)


def test_transport_meets_the_name_by_its_share(
    sides: dict[str, TextSide], clip: nn.Module
) -> None:
    four = {name: sides[name] for name in variants.VARIANTS}
    seen = dict.fromkeys(four, batch())
    table: Any = effects.transports(four, seen, clip).set_index("prompts")
    assert table["mass that hears"].tolist() == pytest.approx(
        [1 / (N + 1), 1 / (N + 1), 1, 1], rel=1e-6
    )
    assert table.loc["shared, front", "channels that prefer"] == pytest.approx(1)
    change = table["another label"]
    assert 0 < change["shared, end"] < change["class, end"]
    shares: Any = effects.receivers(four, seen)
    assert shares.sum(axis=1).tolist() == pytest.approx([1] * 4)
    assert shares.loc["shared, end", "class"] == pytest.approx(
        table.loc["shared, end", "channels that prefer"]
    )


def test_the_silent_prefer_no_token() -> None:
    plan = torch.tensor([[[0.4, 0.1], [0.1, 0.2], [0.15, 0.05]]], dtype=torch.float64)
    maps = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    found = effects._preferred(Batch(maps, torch.tensor([0])), plan)
    assert found.tolist() == [[0.5, 0.5]]


def test_costs_by_hand(like: TextSide, clip: nn.Module) -> None:
    table: Any = effects.costs(like, clip).set_index("data, tower")
    assert table.iloc[0].tolist() == [24, 16, N * 16, 24 * N * 16]
    assert table.loc["CIFAR-100, ViT-B/32", "own, K n W"] == 100 * N * 512
    made = prompts.build_prompts(CLASS_NAMES, N, "end", False, 24)
    shared = text_tower.tokens_per_step(made)
    own = text_tower.tokens_per_step(made, own=True)
    assert shared["trie"] < shared["cut"] <= own["cut"]


def test_share_of_steps_against_draws() -> None:
    assert effects.share_of_steps(2, 1) == 0.5
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 24, size=(4000, 32))
    seen = float((drawn == 7).any(1).mean())
    assert effects.share_of_steps(24, 32) == pytest.approx(seen, abs=0.03)


def test_lengths_that_fit(
    chapter: PromptVariants, like: TextSide, clip: nn.Module
) -> None:
    room = effects.most_contexts(like)
    assert room == like.prompts.length - 2 - 3
    methods = {"shared, end": chapter.methods()["shared, end"]}
    table: Any = effects.by_length(methods, like, clip, [1, 4, room, room + 1])
    assert table["n"].tolist() == [1, 4, room]
    assert table["mass"].tolist() == pytest.approx([1 / 2, 1 / 5, 1 / (room + 1)])
    assert table["mean D"].is_monotonic_decreasing


def test_a_fourth_run() -> None:
    """Witness: the t interval of three, and simulated fourth runs."""
    drawn = np.random.default_rng(0).normal(size=(20000, 4))
    sd = drawn[:, :3].std(axis=1, ddof=1)
    half = np.array([claims.fourth_run(one, 3) for one in sd])
    held = np.abs(drawn[:, 3] - drawn[:, :3].mean(axis=1)) <= half
    assert held.mean() == pytest.approx(0.95, abs=0.006)
    low, high = t_interval(drawn[0, :3], 0.95, 1)
    assert half[0] == pytest.approx((high - low) / 2 * math.sqrt(3) * math.sqrt(4 / 3))
    with pytest.raises(ValueError, match="1 runs have no SD"):
        claims.fourth_run(1.0, 1)


def test_the_published_table_as_printed() -> None:
    table: Any = claims.printed().set_index(["metric", "prompts"])
    assert len(table) == 8
    row = table.loc[("SCH", "class, end")]
    assert (row["LICO"], row["SD"], row["this"]) == (0.396, 0.014, 0.418)
    assert (row["runs"], row["its runs"]) == (3, 1)
    wide = stats.t.ppf(0.975, 2) * 0.014 * math.sqrt(4 / 3)
    assert row["by chance"] == pytest.approx(wide)
    inside = (table["difference"].abs() <= table["by chance"]).map(
        {True: "yes", False: "NO"}
    )
    assert table["within"].equals(inside.rename("within"))
    assert table.loc[("top-1", "shared, front"), "difference"] < 0


def test_statements_are_the_published_signs() -> None:
    """Each published difference has the sign that its statement claims."""
    table: Any = claims.printed().set_index(["metric", "prompts"])["difference"]
    labels = {"accuracy": "top-1", "ses": "SES", "sch": "SCH", "mosu": "MOSU"}
    assert len(claims.STATEMENTS) == len(table) == 8
    for one in claims.STATEMENTS:
        variant = one.better if one.than == claims.SHARED else one.than
        gain = table[(labels[one.metric], variant)]
        gain = -gain if one.metric == "mosu" else gain
        assert (gain > 0) == (one.better == variant), one


def row(value: float, inert: str = "no") -> dict[str, Any]:
    means = dict.fromkeys(("ses", "sch", "mosu"), value)
    return {
        "correct": "1" * round(100 * value) + "0" * (100 - round(100 * value)),
        "trained_out": True,
        "means": {"Grad-CAM": means},
        "intervention": {"inert": inert},
    }


def made(**shift: float) -> dict[str, Any]:
    """Return a summary of five seeds; arms differ from "shared, end" by `shift`."""
    of = {name.replace(", ", "_"): name for name in ("ce", *variants.VARIANTS)}
    return {
        "arms": {
            name: {
                str(s): row(0.5 + shift.get(key, 0.0) + 0.001 * s) for s in range(1, 6)
            }
            for key, name in of.items()
        }
    }


@pytest.mark.usefixtures("all_admitted")
def test_verdicts_follow_the_runs() -> None:
    summary = made(class_end=0.1, shared_front=-0.1)
    table: Any = statements.table(summary, claims.STATEMENTS)
    said: Any = table.set_index(["statement", "metric"])["verdict"]
    assert said["class, end > shared, end", "SCH"] == "supported"
    assert said["class, end > shared, end", "MOSU"] == "contradicted"
    assert said["shared, front > shared, end", "SES"] == "contradicted"
    assert said["shared, end > shared, front", "top-1"] == "supported"
    assert len(statements.table(summary, claims.against_baseline())) == 16
    nothing = statements.table(summary, claims.IN_THE_CODE)
    assert nothing.iloc[0, 0] == "none: an arm or a score is missing"
    for seed in summary["arms"]["shared, end"].values():
        seed["intervention"]["inert"] = "mm"
    found = claims.verdict_on([None, summary], claims.STATEMENTS[2])
    assert not isinstance(found, str)
    assert found.label == "undecided: inert"


def test_differences_are_seed_by_seed() -> None:
    frame: Any = claims.differences(
        {"this page": made(class_front=0.25), "study": None}
    )
    ours: Any = frame[frame["source"] == "this page"]
    assert len(ours) == 4 * 3 * 5
    front: Any = ours[(ours["prompts"] == "class, front") & (ours["metric"] == "sch")]
    assert front["difference"].tolist() == pytest.approx([0.25] * 5)
    assert len(frame[frame["source"] == "published"]) == 8


def test_a_study_that_is_not_there() -> None:
    assert claims.verdict_on([None], claims.STATEMENTS[0]) == NOT_MADE
    assert claims.published_forms(made()) is None
    both = made()
    both["arms"]["repro_shared"] = both["arms"]["ce"]
    found = claims.published_forms(both)
    assert found is not None
    assert list(found["arms"]) == ["ce", "repro_shared"]


def test_the_figures_are_drawn(
    chapter: PromptVariants, sides: dict[str, TextSide], clip: nn.Module
) -> None:
    four = {name: sides[name] for name in variants.VARIANTS}
    strips = variants.strips(sides, clip, [0, 23])
    kinds = (SAME, OWN, HEARS)
    drawn = [prompt_figures.knows(strips, kinds)]
    table: Any = variants.token_distances(four)
    drawn.append(prompt_figures.token_maps({"a": table, "b": table}, "distance"))
    words = [text.get_text() for text in drawn[-1].axes[0].texts]
    assert words.count("0") == N
    matrices = {name: effects.text_distances(side) for name, side in four.items()}
    drawn.append(prompt_figures.class_maps({"start": matrices}, 4))
    lengths = effects.by_length(chapter.methods(), four["shared, end"], clip, [1, 2])
    drawn.append(prompt_figures.lengths(lengths))
    frame: Any = claims.differences({"this page": made()})
    drawn.append(prompt_figures.changes(frame))
    assert [len(figure.axes) >= 1 for figure in drawn] == [True] * 5
