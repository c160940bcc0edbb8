"""What tells the presets apart: shapes, labels that matter, copies that stay equal."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.chapters import class_names
from helpers.chapters.training import ARMS, Training
from helpers.data.catalog import load
from helpers.data.scenes import CLASS_NAMES, draw_scenes
from helpers.lab import recipes
from helpers.language import prompts, sources, text_tower
from helpers.language.tiny_clip import Architecture, build_tiny_clip, tokenizer
from helpers.losses import transport
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import (
    CHOICES,
    FREE,
    OPEN_IN_REBUTTAL,
    PRESETS,
    REPAIRS,
    modified,
    preset,
    switches,
    title,
)
from helpers.methods.text_side import Language, TextSide, published_view
from helpers.settings import DataSettings, Lico, Refused, RunSettings
from helpers.streams import stream

NAMES = ("daisy", "sea urchin", "owl", "ace of spades", "sea", "fox")  # K = 6
LABELS = torch.tensor([3, 0, 5, 3, 1, 2, 2])  # B = 7
SMALL = Architecture(text_width=16, heads=2, embed=12)
B, K, N, C, CELLS, E = 7, 6, 4, 10, 16, 12
M = N + 1  # n slots and the class
ALL = N + 3 + 1  # n slots, the longest name, the end
DATA = DataSettings(train=12, size=32)
BLIND = ("lico_fact", "authors_jan")  # to labels, in transport


def made(method: Lico, names: tuple[str, ...] = NAMES, **told: Any) -> LicoClassifier:
    """Return an untrained LICO; its words are as far apart as a trained tower's."""
    tower = build_tiny_clip(0, SMALL)
    with torch.no_grad():
        tower.token_embedding.weight.mul_(25)
    words = Language(names, tower, **told)
    module = LicoClassifier(method, load(DATA, "train"), words, seed=1)
    module.trainer = SimpleNamespace(
        global_step=0, estimated_stepping_batches=30, world_size=1
    )
    return module


def text(module: LicoClassifier) -> TextSide:
    assert module.text is not None
    return module.text


def context(module: LicoClassifier) -> Tensor:
    found = text(module).context
    assert found is not None
    return found.detach()


def train(module: LicoClassifier, steps: int) -> LicoClassifier:
    """Train it as its run would, dropout drawn step by step."""
    pictures = load(DATA, "train")
    optimizer = module.configure_optimizers()["optimizer"]
    for step in range(steps):
        module.trainer.global_step = step
        torch.manual_seed(step)
        optimizer.zero_grad()
        module.training_step((pictures.images, pictures.labels))["loss"].backward()
        optimizer.step()
    return module.eval()


# shapes


class Shapes(NamedTuple):
    """Of one step, in the order in which they are made."""

    prompts: tuple[int, ...]  # texts that the tower reads
    tokens: tuple[int, ...]  # their features
    mm_text: tuple[int, ...]
    mm_image: tuple[int, ...]
    ot_text: tuple[int, ...]
    cost: tuple[int, ...]  # and plan


TOKENS = Shapes((1, K), (1, K, M, E), (B, M * CELLS), (B, C * CELLS), (B, M, CELLS), ())
EVERY = Shapes(
    *((1, K), (1, K, ALL, E), (B, ALL * CELLS), (B, C * CELLS), (B, ALL, CELLS), ())
)
COPIES = Shapes((N, K), (N, K, M, E), (B, E), (B, C), (B, N, CELLS), ())
EXPECTED = {
    "paper": TOKENS,
    "paper_stable": TOKENS,
    "active": TOKENS,
    "authors_jan": Shapes((1, K), (1, K, M, E), (B, E), (B, C), (B, K, CELLS), ()),
    "authors_oct": COPIES,
    "lico_fact": Shapes((1, K), (1, K, M, E), (B, E), (B, C), (B, B, CELLS), ()),
    "rebuttal": COPIES,
    "repro_shared": EVERY,
    "repro_class_specific": EVERY,
    "repro_label_front": EVERY,
}


@pytest.mark.parametrize("name", list(PRESETS))
def test_shapes_at_each_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = made(preset(name, n_ctx=N)).eval()
    maps, side = torch.rand(B, C, CELLS), text(module)
    affinities: list[tuple[int, ...]] = []
    inner = module._log_affinity

    def seen(rows: Tensor, tau: Tensor) -> Tensor:
        affinities.append(tuple(rows.shape))
        return inner(rows, tau)

    monkeypatch.setattr(module, "_log_affinity", seen)
    texts, which = side.of_batch(LABELS, 0)
    module.manifold_matching(maps, side, texts, which, LABELS)
    tokens = side.transport_tokens(texts, which)
    cost = transport.ground_cost(maps, tokens)
    _, plan = module._transported(cost)
    mm_image, mm_text, *_ = affinities
    shapes = (texts.pooled.shape[:2], texts.tokens.shape, mm_text, mm_image)
    found = Shapes(*map(tuple, (*shapes, tokens.shape, cost.shape)))
    M_ot = EXPECTED[name].ot_text[1]
    assert found == EXPECTED[name]._replace(cost=(B, C, M_ot))
    assert plan.shape == (B, C, M_ot)
    assert (plan.sum(1) - 1 / M_ot).abs().max() < 1e-6  # nu on the columns, exactly


def test_the_study_reads_16_tokens_of_cifar_100() -> None:
    """12 slots, the longest name of 3 tokens, the end; the response 1,200 prompts."""
    form = (12, "end", False, 77, tokenizer())
    built = prompts.build_prompts(class_names.CIFAR100, *form)
    made = prompts.every_position(built)
    assert made.bears().shape == (100, 16)
    assert text_tower.tokens_per_step(built, copies=12)["plain"] == 92400


# labels


def change(module: LicoClassifier) -> float:
    """Return what other labels change of a picture's OT loss, relative, on average."""
    pictures, side = load(DATA, "train"), text(module)
    with torch.no_grad():
        maps = module.model.features(pictures.normalised()).flatten(2)
        values = []
        for labels in (pictures.labels, pictures.labels.roll(1)):
            tokens = side.transport_tokens(*side.of_batch(labels))
            values.append(module._transported(transport.ground_cost(maps, tokens))[0])
    return ((values[0] - values[1]).abs() / values[0]).mean().item()


@pytest.mark.parametrize("name", list(PRESETS))
def test_labels_change_transport_but_where_the_code_is_blind_to_them(
    name: str,
) -> None:
    module = train(made(preset(name), CLASS_NAMES), steps=2)
    found = change(module)
    assert (found < 1e-12) if name in BLIND else (found > 1e-3)


@pytest.mark.parametrize("name", list(PRESETS))
def test_transport_moves_the_pictures_but_in_the_authors_codes(name: str) -> None:
    module = made(preset(name, n_ctx=N)).eval()
    maps = torch.rand(B, C, CELLS, requires_grad=True)
    texts, which = text(module).of_batch(LABELS)
    loss = module.optimal_transport(maps, text(module), texts, which).loss
    if name.startswith("authors"):
        assert not loss.requires_grad
    else:
        (slope,) = torch.autograd.grad(loss, maps)
        assert slope.abs().max() > 1e-4


def test_without_gradient_of_transport_the_projection_never_moves() -> None:
    """Pooled features stay unprojected in manifold matching: no decay either."""
    module = made(preset("authors_jan", lr=0.1, weight_decay=5e-4), CLASS_NAMES)
    before = [weight.clone() for weight in text(module).h_psi.parameters()]
    train(module, steps=3)
    after = text(module).h_psi.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert text(module).tower.text_projection.grad.abs().max() > 0


# copies


def apart(name: str, steps: int = 30, **changed: Any) -> tuple[float, float]:
    """Return how far copies 1 .. n - 1, and copy 0, are from copy 1 after training."""
    rate = {"lr": 0.1} if name == "authors_oct" else {}
    found = context(train(made(preset(name, **rate, **changed), CLASS_NAMES), steps))
    gaps = (found - found[1]).abs().amax((1, 2))
    return gaps[1:].max().item(), gaps[0].item()


@pytest.mark.parametrize("name", ["rebuttal", "authors_oct"])
@pytest.mark.parametrize("alpha", [10.0, 0.0])
def test_rolled_copies_stay_equal_without_dropout(name: str, alpha: float) -> None:
    others, first = apart(name, dropout=0.0, alpha=alpha)
    assert others < 1e-6
    if alpha:
        assert first > 0.01  # manifold matching reads copy 0
    else:
        assert first < 1e-6


def test_what_sets_rolled_copies_apart() -> None:
    """Dropout, where transport has a gradient; or another roll for each copy."""
    assert apart("rebuttal", 5)[0] > 1e-3
    assert apart("authors_oct", 5)[0] == 0  # dropout acts on transport alone
    assert apart("authors_oct", 5, plan_gradient="through")[0] > 1e-3
    assert apart("rebuttal", 1, dropout=0.0, contexts="rolled apart")[0] > 0.01


# names


def run_of(settings: RunSettings) -> tuple[TextSide, tuple[Tensor, ...]]:
    """Return the text side of a run, and the rows that its training sees."""
    recipe = recipes.recipe(settings)
    recipe.check(settings)
    module, rows = recipe.module_and_tensors(settings, [])
    assert isinstance(module, LicoClassifier)
    return text(module), rows


@pytest.mark.parametrize("name", list(PRESETS))
def test_text_k_names_class_k_but_in_the_code_that_sorts(name: str) -> None:
    method = preset(name, language="random-tower")
    side, _ = run_of(RunSettings(data=DATA, method=method))
    assert tuple(sorted(CLASS_NAMES)) != CLASS_NAMES
    sorts = name == "lico_fact"
    assert side.prompts.names == (tuple(sorted(CLASS_NAMES)) if sorts else CLASS_NAMES)
    said = zip(side.prompts.names, side.prompts.rows, side.prompts.label, strict=True)
    for words, row, place in said:
        assert [row[at] for at in place] == tokenizer().encode(words)


def test_permuted_names_are_another_classs() -> None:
    method = preset("paper", names="permuted", language="random-tower")
    side, _ = run_of(RunSettings(data=DATA, method=method, seed=3))
    assert sorted(side.prompts.names) == sorted(CLASS_NAMES)
    pairs = zip(side.prompts.names, CLASS_NAMES, strict=True)
    assert all(said != name for said, name in pairs)
    other, _ = run_of(RunSettings(data=DATA, method=method, seed=4))
    assert other.prompts.names != side.prompts.names


@pytest.mark.parametrize("before", ["", "vectors:"])
def test_wordless_vectors_are_axes_or_drawn(before: str) -> None:
    """Of a tower they replace the class token, `vectors:` are all there is."""
    tower = [] if before else [build_tiny_clip(0)]
    found = {}
    for kind in ("one-hot", "random" if before else "random-vectors"):
        method = preset("paper", language=before + kind, text_width=30)
        recipe = recipes.recipe(settings := RunSettings(data=DATA, method=method))
        recipe.check(settings)
        module, _ = recipe.module_and_tensors(settings, tower)
        assert isinstance(module, LicoClassifier)
        vectors = text(module).vectors
        assert vectors is not None
        found[kind] = vectors
    axes, drawn = found.values()
    assert torch.equal(axes, torch.eye(24, axes.shape[1]))
    assert torch.allclose(drawn.norm(dim=1), torch.ones(24))
    assert (drawn @ drawn.T - torch.eye(24)).abs().max() > 0.05


def test_fixed_features_follow_the_names(tmp_path: Path) -> None:
    """Row k of a file is that of the class whose name text k says."""
    features = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    np.savez(tmp_path / "f.npz", features=features, names=np.array(CLASS_NAMES))
    said = {}
    for order in ("aligned", "permuted"):
        method = preset(
            "paper", names=order, language=f"file:{tmp_path}/f.npz", text_width=6
        )
        side, _ = run_of(RunSettings(data=DATA, method=method))
        assert side.vectors is not None
        said[order] = side.vectors
    own = torch.nn.functional.normalize(torch.from_numpy(features), dim=1)
    aligned = torch.nn.functional.normalize(said["aligned"], dim=1)
    assert torch.allclose(aligned, own, atol=1e-6)
    alike = torch.nn.functional.normalize(said["permuted"], dim=1) @ own.T
    assert alike.max(1).values.min() > 1 - 1e-5  # each row is some class's
    assert (alike.argmax(1) != torch.arange(24)).all()  # and never its own


def test_folders_in_the_order_of_strings_scramble_88_of_100_classes() -> None:
    names = class_names.CIFAR100
    texts = sources.ordered(names, "lexicographic", stream(0))
    assert texts == class_names.sorted_folders(names).texts
    right = [k for k in range(100) if texts[k] == names[k]]
    assert right == [0, 1, *range(90, 100)]
    assert [texts[k] for k in (10, 11, 2)] == ["baby", "bear", "bridge"]


@pytest.mark.parametrize("names", ["captions", "shuffled captions"])
def test_a_picture_has_its_own_caption_or_that_of_another(names: Any) -> None:
    data = DataSettings(train=40, size=32)
    method = preset("paper", names=names, language="random-tower")
    side, (images, _, numbers) = run_of(RunSettings(data=data, method=method))
    said = side.prompts.names
    assert len(said) == len(set(said)) < 40
    read = [said[number] for number in numbers.tolist()]
    scenes = draw_scenes(40, "train", 32, 0.0, 0)
    assert torch.equal(images, scenes.images)
    own = scenes.captions
    assert sorted(read) == sorted(own)
    same = sum(a == b for a, b in zip(read, own, strict=True))
    assert same == 40 if names == "captions" else same < 20


# what stops the code of October 2024


def test_unrepaired_the_view_of_text_rows_is_torchs_error() -> None:
    """[12 K, d'] as [6, 10, d']: so long as n K is not 60."""
    method = preset("authors_oct", repairs="none")
    side = text(made(method, CLASS_NAMES))
    with pytest.raises(RuntimeError, match=r"shape '\[6, 10, 16\]' is invalid"):
        side.transport_tokens(side(), LABELS)
    settings = RunSettings(method=method)
    with pytest.raises(Refused, match=r"views \[288, d'\] text rows as \[6, 10\]"):
        recipes.recipe(settings).check(settings)
    rows = torch.rand(60, CELLS)
    assert torch.equal(published_view(rows), rows.view(6, 10, CELLS))


def test_unrepaired_labels_need_a_last_batch_as_large_as_they_are() -> None:
    """850 pictures in batches of 32 leave 18, and scenes have 24 classes."""
    method = preset("paper", mm_labels="twice", repairs="none")
    settings = RunSettings(data=DataSettings(train=850), method=method)
    with pytest.raises(Refused, match="text y of the 18 of its last batch"):
        recipes.recipe(settings).check(settings)
    enough = RunSettings(data=DataSettings(train=864), method=method)
    recipes.recipe(enough).check(enough)


def test_unrepaired_six_contexts_of_ten_classes_are_what_is_repaired() -> None:
    names = CLASS_NAMES[:10]
    both = []
    for repairs in ("made", "none"):
        side = text(made(preset("authors_oct", n_ctx=6, repairs=repairs), names)).eval()
        both.append(side.transport_tokens(side(), LABELS))
    assert both[0].shape == (B, 6, CELLS)
    assert torch.equal(*both)


def test_labels_indexed_twice() -> None:
    """Picture i gets the text of y[y_i]; a label of B or more starts again at 0."""
    for repairs in ("made", "none"):
        side = text(made(preset("authors_oct", repairs=repairs, n_ctx=N)))
        rows = side.all_rows(side())
        labels = torch.tensor([2, 0, 1, 2])
        found = side.picked(rows, labels)
        assert torch.equal(found, rows[[1, 2, 0, 1]])
        large = torch.tensor([2, 5, 1])
        if repairs == "none":
            with pytest.raises(IndexError):
                side.picked(rows, large)
        else:  # y[2], y[5 mod 3], y[1]
            assert torch.equal(side.picked(rows, large), rows[[1, 1, 5]])
    once = text(made(preset("rebuttal", n_ctx=N)))
    rows = once.all_rows(once())
    assert torch.equal(once.picked(rows, LABELS), rows[LABELS])


def test_nine_of_ten_texts_are_wrong_when_indexed_twice() -> None:
    side = text(made(preset("authors_oct", n_ctx=N)))
    labels = torch.randint(10, (50, 128), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(10)
    wrong = [(side.picked(rows, batch) != batch).float().mean() for batch in labels]
    assert 0.85 < torch.stack(wrong).mean() < 0.95


# what a method is called


def test_a_preset_bears_its_name_and_a_changed_one_does_not() -> None:
    for name in PRESETS:
        assert title(preset(name)) == name
        assert title(preset(name, epochs=3, lr=0.5, hidden=7)) == name
    changed = preset("paper", beta=0.0, unit=False)
    assert modified(changed) == {"beta": 0.0, "unit": False}
    assert title(changed) == "paper, modified: beta 0.0, unit False"
    kept = preset("paper", n_ctx=6, keep="best test", flip=True)
    assert title(kept) == "paper, modified: n_ctx 6, trained with: keep best test"
    settings = RunSettings(method=changed)
    assert recipes.label(settings) == "lico-paper-modified"
    assert recipes.label(RunSettings(method=preset("active"))) == "lico-active"


@pytest.mark.parametrize("arm", list(ARMS))
def test_an_arm_that_changes_a_switch_is_marked(arm: str) -> None:
    name, changed = ARMS[arm]
    method = Training().method(arm)
    assert isinstance(method, Lico)
    marked = title(method) != name
    assert marked == bool(changed)
    assert set(modified(method)) == {*changed}


def test_no_preset_is_another_with_one_name_more() -> None:
    rows = [switches(preset(name)) for name in PRESETS]
    assert all(one not in rows[:at] for at, one in enumerate(rows))
    for name, row in PRESETS.items():
        for switch, value in row.items():
            assert switches(preset(name))[switch] == value
    assert not FREE & {switch for row in PRESETS.values() for switch in row}


def test_every_switch_is_said_to_be_a_choice_or_somebodys() -> None:
    """Beside them the weights of the equation, and what stops a code."""
    said = {switch for row in PRESETS.values() for switch in row}
    said |= {choice.switch for choice in (*CHOICES, *OPEN_IN_REBUTTAL)}
    left = set(switches(preset("paper"))) - said - FREE
    assert left == {"alpha", "beta", "repairs"}
    assert set(REPAIRS) <= set(PRESETS)


def test_each_reading_of_the_response_is_another_method() -> None:
    for choice, values in OPEN_IN_REBUTTAL.items():
        taken = getattr(preset("rebuttal"), choice.switch)
        assert taken not in values
        for value in values:
            other = preset("rebuttal", **{choice.switch: value})
            assert getattr(other, choice.switch) == value


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_asks_for_a_prompt_is_refused_where_there_is_none(
    name: str,
) -> None:
    def check() -> None:
        settings = RunSettings(method=preset(name, language="vectors:random"))
        recipes.recipe(settings).check(settings)

    if name in ("paper", "paper_stable", "active"):
        check()
        return
    said = "one vector a class|has no tower to train|knows no names"
    with pytest.raises(Refused, match=said):
        check()
