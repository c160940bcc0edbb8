"""A step of LICO: what it trains, what it says, what it leaves as it is."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import load
from helpers.data.scenes import CLASS_NAMES
from helpers.language.tiny_clip import Architecture, build_tiny_clip
from helpers.methods.baseline import Baseline
from helpers.methods.lico import LicoClassifier, gradient_norm
from helpers.methods.presets import PRESETS, differences, preset
from helpers.methods.text_side import Language, TextSide
from helpers.settings import CrossEntropy, DataSettings, Lico, Refused

DATA = DataSettings(train=24, size=32)
SMALL = Architecture(text_width=16, heads=2, embed=12)


def made(method: Lico, seed: int = 1, **language: Any) -> LicoClassifier:
    """Return an untrained LICO on scenes of 32 pixels, with a tower of random words."""
    given = {"tower": build_tiny_clip(0, SMALL)} | language
    words = Language(CLASS_NAMES, **given)
    module = LicoClassifier(method, load(DATA, "train"), words, seed)
    module.trainer = SimpleNamespace(global_step=0)
    return module.eval()  # no dropout, fixed statistics


def text(module: LicoClassifier) -> TextSide:
    assert module.text is not None
    return module.text


def parts(module: LicoClassifier, count: int = 8) -> tuple[Tensor, Any, Tensor]:
    pictures = load(DATA, "train").first(count)
    with torch.no_grad():
        maps = module.model.features(pictures.normalised()).flatten(2)
    return maps, text(module)(), pictures.labels


def test_the_broadcast_by_hand() -> None:
    """`[B, C, d']` against `[B, d']`: torch says nothing, the plan is `[B, C, B]`."""
    module = made(preset("lico_fact"))
    maps, found, labels = parts(module)
    texts = text(module).h_psi(found.pooled[0][labels])  # [B, d']
    x, y = F.normalize(maps, dim=2), F.normalize(texts, dim=1)
    silent = (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)
    assert silent.shape == (8, 128, 8)
    tokens = text(module).transport_tokens(found, labels)
    from helpers.losses.transport import ground_cost

    alive = maps.norm(dim=2) > 0
    gap = (ground_cost(maps, tokens) - silent)[alive].abs().max()
    assert gap.item() < 1e-5


def test_rolled_contexts_are_equal_and_transport_has_no_choice() -> None:
    module = made(preset("rebuttal"))
    context = text(module).context
    assert context is not None
    assert context.shape == (12, 12, 16)
    assert all(torch.equal(context[0], copy) for copy in context)
    maps, found, labels = parts(module)
    assert (found.pooled - found.pooled[0]).abs().max() < 1e-6
    said = module.optimal_transport(maps, text(module), found, labels).says
    assert said["plan entropy"].item() == pytest.approx(1, abs=1e-4)
    assert said["plan gain"].item() == pytest.approx(0, abs=1e-4)


def test_context_features_are_those_of_every_class_with_the_label_at_the_end() -> None:
    found = text(made(preset("paper")))()
    context = found.tokens[0, :, :-1]
    assert (context - context[0]).abs().max() == 0
    assert (found.tokens[0, 1, -1] - found.tokens[0, 0, -1]).abs().max() > 1e-3
    front = text(made(preset("paper", position="front")))().tokens[0, :, :-1]
    assert (front - front[0]).abs().max() > 1e-3


def test_without_weights_it_is_the_baseline_bit_by_bit() -> None:
    pictures = load(DATA, "train")
    names = {"epochs": 1, "flip": True, "shift": 2}
    lico = LicoClassifier(
        preset("paper", alpha=0.0, beta=0.0, **names),
        pictures,
        Language(CLASS_NAMES, build_tiny_clip(0, SMALL)),
        seed=3,
    )
    plain = Baseline(CrossEntropy.of(**names), pictures, seed=3)
    for module in (lico, plain):
        module.trainer = SimpleNamespace(
            global_step=0, estimated_stepping_batches=4, world_size=1
        )
        optimizer = module.configure_optimizers()["optimizer"]
        for step in range(3):
            module.trainer.global_step = step
            batch = (pictures.images, pictures.labels)
            optimizer.zero_grad()
            module.training_step(batch)["loss"].backward()
            optimizer.step()
    one, two = lico.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in two)


def test_a_tiny_weight_tells_them_apart_only_by_its_loss() -> None:
    """The classifier starts, is shown and is augmented as the baseline's."""
    pictures = load(DATA, "train")
    lico, plain = made(preset("paper")), Baseline(CrossEntropy(), pictures, 1)
    one, two = lico.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in two)


def test_the_total_weighs_each_loss_by_its_own_weight() -> None:
    """L_CE + alpha L_MM + beta L_OT, with weights that are not the defaults."""
    pictures = load(DATA, "train")
    module = made(preset("paper", alpha=3.0, beta=0.25))
    said = module.training_step((pictures.images, pictures.labels))
    expected = said["ce"] + 3 * said["mm"] + 0.25 * said["ot"]
    assert said["mm"] > 1e-4
    assert said["ot"] > 1e-4
    assert said["loss"].item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_step_trains_prompts_projection_and_classifier(name: str) -> None:
    """And the tower where the code trains it; not h_psi where transport is inert."""
    module = made(preset(name)).train()
    pictures = load(DATA, "train")
    said = module.training_step((pictures.images, pictures.labels))
    said["loss"].backward()
    side = text(module)
    authors = name.startswith("authors")
    assert side.context is not None
    assert side.context.grad is not None
    assert side.context.grad.abs().max() > 0
    assert all((p.grad is None) == authors for p in side.h_psi.parameters())
    (tower,) = side._frozen
    assert (tower is None) == authors
    if tower is not None:
        assert all(p.grad is None for p in tower.parameters())
    assert any("tower" in key for key in module.state_dict()) == authors
    for key in ("ce", "mm", "ot", "ce gradient", "mm gradient", "ot gradient"):
        assert said[key].isfinite()
    assert (said["ot gradient"] == 0) == authors
    assert said["mm gradient"] > 0
    assert (side.t.grad is None) == (module.lico.temperature == "fixed")


def test_a_trained_tower_is_a_copy_and_in_the_optimizer() -> None:
    tower = build_tiny_clip(0, SMALL)
    module = made(preset("authors_jan", lr=0.1), tower=tower).train()
    module.trainer = SimpleNamespace(
        global_step=0, estimated_stepping_batches=4, world_size=1
    )
    pictures = load(DATA, "train")
    optimizer = module.configure_optimizers()["optimizer"]
    module.training_step((pictures.images, pictures.labels))["loss"].backward()
    optimizer.step()
    before, after = tower.text_projection, text(module).tower.text_projection
    assert not torch.equal(before, after)
    trained = {id(w) for group in optimizer.param_groups for w in group["params"]}
    assert {id(w) for w in text(module).parameters()} <= trained
    assert len(trained) == sum(len(g["params"]) for g in optimizer.param_groups)


@pytest.mark.parametrize("decay", [True, False])
def test_decay_of_prompts_and_temperature_is_a_switch(decay: bool) -> None:
    groups = made(preset("paper", text_decay=decay)).weights()
    spared = [g for g in groups if g.get("weight_decay") == 0]
    side = text(made(preset("paper")))
    assert len(spared) == (not decay)
    for group in spared:
        assert [w.shape for w in group["params"]] == [side.t.shape, (1, 12, 16)]
    assert sum(len(group["params"]) for group in groups[1:]) == 6  # t, X, h_psi


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("paper", {}),
        ("repro_shared", {"iterations": 5}),
        ("lico_fact", {"names": "captions", "contexts": "shared"}),
    ],
)
def test_a_step_on_captions_reads_those_of_the_batch_alone(
    name: str, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tuple(
        f"{'two' if k % 2 else 'three'} {CLASS_NAMES[k % 7]}" for k in range(24)
    )
    module = made(
        preset(name, **{"names": "captions"} | changed), captions=said
    ).train()
    side, pictures = text(module), load(DATA, "train")
    assert len(side.prompts.names) == len(set(said)) == 14
    assert module.first_texts.shape[0] == 14
    assert side.numbers is not None
    assert [side.prompts.names[k] for k in side.numbers.tolist()] == list(said)
    read: list[Any] = []
    kept = module.optimal_transport

    def seen(maps: Tensor, side: TextSide, texts: Any, which: Tensor) -> Any:
        read.append((texts, which))
        return kept(maps, side, texts, which)

    monkeypatch.setattr(module, "optimal_transport", seen)
    chosen = [20, 3, 6, 3]  # 20 and 6 are told alike, and picture 3 is there twice
    batch = (pictures.images[chosen], pictures.labels[chosen], side.numbers[chosen])
    step = module.training_step(batch)
    step["loss"].backward()
    assert all(value.isfinite() for value in step.values())
    if name == "paper":  # no dropout, no shuffle: the texts are those of the start
        start = step["mm, texts of the start"].item()
        assert start == pytest.approx(step["mm"].item(), rel=1e-4)
    ((texts, which),) = read
    assert texts.pooled.shape[:2] == (1, 2)
    shown = [side.prompts.names[texts.numbers[k]] for k in which.tolist()]
    assert shown == [said[k] for k in chosen]
    assert side.context is not None
    assert side.context.grad.abs().max() > 0


def test_gradient_norms_are_those_on_the_feature_maps() -> None:
    features = torch.tensor([[3.0, 4.0]], requires_grad=True)
    assert gradient_norm((features**2).sum() / 2, features).item() == 5
    assert gradient_norm(torch.ones(1, requires_grad=True).sum(), features) == 0
    assert gradient_norm(torch.zeros(()), features) == 0
    small = torch.full((3,), 1e-3, dtype=torch.float16, requires_grad=True)
    norm = gradient_norm((small * 1e-4).sum(), small).item()
    assert norm == pytest.approx(3**0.5 * 1e-4, rel=1e-2)  # its square is under 1e-7


@pytest.mark.parametrize("gradient", ["through", "envelope", "detached", "none"])
def test_the_gradient_of_the_plan_is_a_switch(gradient: str) -> None:
    module = made(preset("paper", plan_gradient=gradient))
    maps, found, labels = parts(module)
    maps.requires_grad_()
    loss = module.optimal_transport(maps, text(module), found, labels).loss
    assert (gradient_norm(loss, maps).item() > 0) == (gradient != "none")


def test_temperatures_stay_where_their_preset_keeps_them() -> None:
    paper, stable = text(made(preset("paper"))), text(made(preset("paper_stable")))
    assert paper.tau().item() == pytest.approx(2.659)
    assert stable.tau().item() == pytest.approx(0.07)
    with torch.no_grad():
        for side in (paper, stable):
            side.t.fill_(-7.0)
    assert paper.tau().item() == pytest.approx(math.exp(-7))  # positive, unbounded
    assert stable.tau().item() == pytest.approx(1)  # t in [0, log 100]
    raw = text(made(preset("lico_fact")))
    with torch.no_grad():
        raw.t.fill_(-1.0)
    assert raw.tau().item() == -1  # nothing stops it


def test_vectors_take_the_place_of_the_class_alone() -> None:
    vectors = torch.eye(24, 12 + 12)[:, :12]
    vectors[12:, 0] = -1.0
    plain = text(made(preset("paper")))()
    changed = text(made(preset("paper"), vectors=vectors))()
    assert torch.equal(plain.tokens[:, :, :-1], changed.tokens[:, :, :-1])
    length = plain.tokens[:, :, -1].norm(dim=-1).mean()
    assert torch.allclose(changed.tokens[0, :, -1], length * vectors)


def test_fixed_features_need_no_tower() -> None:
    vectors = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    module = made(preset("paper"), tower=None, vectors=vectors)
    assert text(module).context is None
    maps, found, labels = parts(module)
    said = module.optimal_transport(maps, text(module), found, labels).says
    assert said["plan gain"].item() == pytest.approx(0, abs=1e-9)  # one token
    step = module.train().training_step((load(DATA, "train").images, labels.repeat(3)))
    assert step["loss"].isfinite()


def test_differences_are_what_a_preset_changes() -> None:
    paper = preset("paper")
    for name, row in PRESETS.items():
        found = differences(name)
        for switch, (there, here) in found.items():
            assert (getattr(paper, switch), row[switch]) == (there, here)
            assert there != here
        same = set(row) - set(found)  # said again, after a row that it starts from
        assert all(row[switch] == getattr(paper, switch) for switch in same)


def test_an_unknown_preset_or_value_is_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'paper'"):
        preset("papper")
    with pytest.raises(Refused, match="parameter 'alpha' = -1"):
        preset("paper", alpha=-1.0)
    with pytest.raises(Refused, match="parameter 'epsilon' = 0"):
        preset("paper", epsilon=0.0)
