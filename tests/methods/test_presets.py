"""Every preset against loops written from its equations: values and gradients.

The loops take a picture, a neighbour, a token at a time. A prompt is written out,
padded to the tower's length and run through the tower's own transformer; nothing of
`helpers.language` but the tokenizer, and nothing of `helpers.losses`, is used.
"""

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from helpers.data.catalog import load
from helpers.language.tiny_clip import Architecture, build_tiny_clip, tokenizer
from helpers.methods.factors import FACTORS, Factor
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import (
    OPEN_IN_REBUTTAL,
    PRESETS,
    RECIPES,
    modified,
    preset,
)
from helpers.methods.text_side import LARGEST, Language, TextSide
from helpers.settings import LEAST_TAU, DataSettings, Lico
from helpers.streams import stream

SMALL = Architecture(text_width=16, text_layers=2, heads=2, embed=12)
NAMES = ("daisy", "sea urchin", "owl", "ace of spades", "sea", "fox")  # 1 to 3 tokens
LABELS = (3, 0, 5, 3, 1)  # one twice, one of B or more
CHANNELS, CELLS, STEP, SEED = 32, 16, 7, 1
DATA = DataSettings(train=2, size=32)
CAPTIONS = (
    *("three owls", "an owl", "a daisy", "three owls", "a fox on grass at night"),
    "a red and blue sea urchin on grass at night and " * 3,  # cut by the tower
)
READS = (0, 5, 0, 4, 3)  # the captions of the batch's pictures
NEAR = 1e-10  # relative to the largest entry


def made(method: Lico, captions: tuple[str, ...] | None = None) -> LicoClassifier:
    """Return an untrained LICO in float64, its contexts widely apart."""
    words = Language(NAMES, build_tiny_clip(0, SMALL), captions=captions)
    module = LicoClassifier(method, load(DATA, "train"), words, SEED).double()
    module.trainer = SimpleNamespace(global_step=STEP)
    side = text(module)
    if side._frozen[0] is not None:
        side._frozen[0].double()
    assert side.context is not None
    with torch.no_grad():
        side.context *= 0.5 / method.ctx_std
    return module.eval()  # no dropout


def text(module: LicoClassifier) -> TextSide:
    assert module.text is not None
    return module.text


def small(name: str, **changed: Any) -> Lico:
    return preset(name, **{"n_ctx": 4, "hidden": 10} | changed)


def maps_of(count: int = len(LABELS)) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(count, CHANNELS, CELLS, generator=generator).double()
    return maps.requires_grad_()


# What each code does, as it was read in the code; not as its preset says.
PAPER = {
    **{"tower": "frozen", "contexts": "shared", "shuffle": False},
    **{"position": "end", "full_stop": False, "text_tokens": "class mean"},
    **{"mm_text": "tokens", "mm_image": "maps", "mm_labels": "once", "unit": True},
    **{"least_square": 0.0, "sign": "near", "temperature": "exponential"},
    **{"tau": 2.659, "diagonal": True, "kl_floor": 0.0},
    **{"ot_text": "tokens", "epsilon": 0.1, "plan": "converged", "iterations": 1000},
    **{"plan_gradient": "through"},
    **{"ctx_std": 0.02, "dropout": 0.0, "names": "aligned", "text_decay": True},
}
POOLED = {
    **PAPER,
    **{"full_stop": True, "mm_text": "pooled", "mm_image": "pooled"},
    **{"temperature": "raw", "plan": "published", "dropout": 0.5},
}
AUTHORS = {
    **POOLED,
    **{"tower": "trained", "least_square": 1e-4, "sign": "far"},
    **{"iterations": 100, "plan_gradient": "none"},
}
FACT = {**POOLED, "unit": False, "kl_floor": 1e-4}
OWN = {"contexts": "class", "shuffle": True, "position": "middle"}
COPIES = {"contexts": "rolled", "ot_text": "copies"}
STUDY = {
    **PAPER,
    **{"shuffle": True, "text_tokens": "every position", "ctx_std": 1.0},
    **{"temperature": "bounded", "tau": 0.07, "plan": "published"},
    **{"epsilon": 1e-4, "iterations": 100},
}
TOLD: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    "paper_stable": {**PAPER, "temperature": "bounded", "tau": 0.07},
    "active": {**PAPER, "diagonal": False, "temperature": "fixed", "tau": 0.2},
    "authors_jan": {**AUTHORS, **OWN, "ot_text": "classes"},
    "authors_oct": {**AUTHORS, **COPIES, "mm_labels": "twice"},
    "lico_fact": {**FACT, **OWN, "ot_text": "label", "names": "sorted"},
    "rebuttal": {**FACT, **COPIES},
    "repro_shared": STUDY,
    "repro_class_specific": {**STUDY, "contexts": "class"},
    "repro_label_front": {**STUDY, "position": "front"},
}


def told_of(name: str, **changed: Any) -> SimpleNamespace:
    return SimpleNamespace(**TOLD[name] | {"n_ctx": 4} | changed)


class Spoken(NamedTuple):
    """What the tower says of one prompt: of its tokens `[M, E]`, at its end `[E]`."""

    tokens: Tensor
    pooled: Tensor


def room(method: Any) -> int:
    """How many tokens a name may have beside start, context, full stop and end."""
    return SMALL.context - 2 - method.n_ctx - method.full_stop


def spoken(method: Any, said: str, context: Tensor, longest: int, tower: Any) -> Spoken:
    """One prompt, padded to the tower's length, through the tower's own parts."""
    n = len(context)
    stop = tokenizer().encode(".") if method.full_stop else []
    name = tokenizer().encode(said)[: room(method)]
    before = {"end": n, "middle": n // 2, "front": 0}[method.position]
    words: list[Any] = [tokenizer().sot_token_id]
    words += [context[j] for j in range(before)]
    words += name
    words += [context[j] for j in range(before, n)]
    words += [*stop, tokenizer().eot_token_id]
    end = len(words) - 1
    words += [0] * (SMALL.context - len(words))
    rows = [
        word if isinstance(word, Tensor) else tower.token_embedding.weight[word]
        for word in words
    ]
    x = (torch.stack(rows) + tower.positional_embedding)[None]
    x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask))[0]
    x = x @ tower.text_projection
    if method.text_tokens == "every position":
        return Spoken(x[1 : 1 + longest], x[end])
    slots = [*range(1, 1 + before), *range(1 + before + len(name), 1 + n + len(name))]
    bearing = [*range(1 + before, 1 + before + len(name)), end]
    label = torch.stack([x[at] for at in bearing]).mean(0)
    return Spoken(torch.stack([*(x[at] for at in slots), label]), x[end])


def all_spoken(
    side: TextSide, method: Any, said: tuple[str, ...]
) -> list[list[Spoken]]:
    """What the tower says `[copy][text]`, the contexts shuffled as step STEP does."""
    tower = side.tower if method.tower == "trained" else side._frozen[0]
    context = side.context
    assert context is not None
    order = range(method.n_ctx)
    if method.shuffle:
        generator = stream(SEED, "shuffle", STEP)
        order = torch.randperm(method.n_ctx, generator=generator).tolist()
    own = method.contexts == "class"
    most = max(len(tokenizer().encode(one)) for one in said)
    longest = method.n_ctx + min(most, room(method)) + method.full_stop + 1
    return [
        [
            spoken(
                method,
                one,
                torch.stack([context[k if own else copy, j] for j in order]),
                longest,
                tower,
            )
            for k, one in enumerate(said)
        ]
        for copy in range(1 if own else len(context))
    ]


def test_a_bounded_temperature_is_refused_where_training_would_clamp_it() -> None:
    assert math.exp(-LARGEST) == pytest.approx(LEAST_TAU)


def slow_mm(
    side: TextSide, method: Any, maps: Tensor, which: list[int], said: Any
) -> Tensor:
    """Eq. 1 and 2 as the preset has them, a picture and a neighbour at a time."""
    tau = {
        "exponential": lambda t: t.exp(),
        "bounded": lambda t: 1 / t.exp(),
        "raw": lambda t: t,
        "fixed": lambda t: t,
    }[method.temperature](side.t)
    read = list(which)
    if method.mm_labels == "twice":  # y[y_i], repaired: y[y_i mod B]
        read = [which[label % len(which)] for label in which]
    pictures, words = [], []
    for i, k in enumerate(read):
        pooled = method.mm_image == "pooled"
        pictures.append(maps[i].mean(1) if pooled else maps[i].reshape(-1))
        if method.mm_text == "pooled":
            words.append(said[0][k].pooled)
        else:
            words.append(torch.cat([side.h_psi(g) for g in said[0][k].tokens]))

    def affinities(rows: list[Tensor], numbers: list[int]) -> list[list[Tensor]]:
        if method.unit:
            rows = [row / (row * row).sum().sqrt() for row in rows]
        table = []
        for i, x in enumerate(rows):
            scores = []
            for j, y in enumerate(rows):
                if i == j and not method.diagonal:
                    continue
                square = ((x - y) ** 2).sum()
                if numbers[i] == numbers[j] or square.item() < method.least_square:
                    square = maps.new_tensor(method.least_square)  # no slope
                sign = 1 if method.sign == "near" else -1
                scores.append((-sign * square.sqrt() / tau).exp())
            total = torch.stack(scores).sum()
            table.append([score / total for score in scores])
        return table

    image, language = affinities(pictures, [*range(len(read))]), affinities(words, read)
    loss, floor = maps.sum() * 0, method.kl_floor
    for p_row, q_row in zip(language, image, strict=True):
        for p, q in zip(p_row, q_row, strict=True):
            loss = loss + p * ((p + floor) / (q + floor)).log() / len(read)
    return loss


def slow_cost(
    side: TextSide, method: Any, maps: Tensor, which: list[int], said: Any
) -> Tensor:
    """|x_c - y_m|^2 of rows of length 1, `[B, C, M]`, a pair at a time."""
    costs = []
    for i, k in enumerate(which):
        texts = {
            "tokens": lambda k: list(said[0][k].tokens),
            "copies": lambda k: [copy[k].pooled for copy in said],
            "classes": lambda _: [one.pooled for one in said[0]],
            "label": lambda _: [said[0][other].pooled for other in which],
        }[method.ot_text](k)
        ys = [side.h_psi(one) for one in texts]
        rows = []
        for x in maps[i]:
            x = x / (x * x).sum().sqrt()
            rows.append(
                torch.stack([((x - y / (y * y).sum().sqrt()) ** 2).sum() for y in ys])
            )
        costs.append(torch.stack(rows))
    return torch.stack(costs)


def published(cost: Tensor, epsilon: float, most: int) -> tuple[Tensor, int]:
    """The loop of the published codes, a picture at a time, and how often it ran."""
    B, C, M = cost.shape
    mu, nu = math.log(1 / C + 1e-8), math.log(1 / M + 1e-8)
    u, v = [cost.new_zeros(C)] * B, [cost.new_zeros(M)] * B
    runs = 0
    while runs < most:
        change = 0.0
        for b in range(B):
            scores = (-cost[b] + u[b][:, None] + v[b]) / epsilon
            new = epsilon * (mu - scores.logsumexp(1)) + u[b]
            change += float((new - u[b]).detach().abs().sum()) / B
            u[b] = new
            scores = (-cost[b] + u[b][:, None] + v[b]) / epsilon
            v[b] = epsilon * (nu - scores.logsumexp(0)) + v[b]
        runs += 1
        if change < 1e-3:
            break
    both = [u[b][:, None] + v[b] for b in range(B)]
    plans = [((both[b] - cost[b]) / epsilon).exp() for b in range(B)]
    return torch.stack(plans), runs


def converged(cost: Tensor, epsilon: float, runs: int) -> Tensor:
    """Sinkhorn as in the book (Cuturi 2013), with a graph, for very long."""
    C, M = cost.shape[1:]
    kernel = (-cost / epsilon).exp()
    b = cost.new_ones(len(cost), M)
    for _ in range(runs):
        a = 1 / C / torch.einsum("bcm,bm->bc", kernel, b)
        b = 1 / M / torch.einsum("bcm,bc->bm", kernel, a)
    return a[:, :, None] * kernel * b[:, None]


def slow_ot(
    side: TextSide, method: Any, maps: Tensor, which: list[int], said: Any
) -> Tensor:
    """(1 / B) sum_i <T_i, C_i> with the preset's own plan and its own gradient."""
    cost = slow_cost(side, method, maps, which, said)
    if method.plan_gradient == "none":  # plan and cost under no_grad
        cost = cost.detach()
    if method.plan == "published":
        plan, _ = published(cost, method.epsilon, method.iterations)
    else:
        plan = converged(cost, method.epsilon, 400)
    entropy = -(plan * plan.log()).sum() / len(cost)
    if method.plan_gradient == "detached":
        plan = plan.detach()
    paid = (plan * cost).sum() / len(cost)
    if method.plan_gradient == "envelope":
        return paid - method.epsilon * entropy
    return paid


def watched(module: LicoClassifier, maps: Tensor) -> dict[str, Tensor]:
    """What the losses may move: F, X_1..X_n, h_psi, tau, a tower that is trained."""
    side = text(module)
    found = {f"h_psi.{name}": w for name, w in side.h_psi.named_parameters()}
    assert side.context is not None
    found |= {"maps": maps, "context": side.context}
    if side.t.requires_grad:
        found["t"] = side.t
    if module.lico.tower == "trained":
        for name in ("text_projection", "positional_embedding", "ln_final.weight"):
            found[f"tower.{name}"] = side.tower.get_parameter(name)
        found["tower.token"] = side.tower.token_embedding.weight
        deep = "transformer.resblocks.0.attn.in_proj_weight"
        found["tower.attention"] = side.tower.get_parameter(deep)
    return found


def compare(
    found: Tensor, wanted: Tensor, on: dict[str, Tensor], near: float = NEAR
) -> None:
    assert abs(found.item() - wanted.item()) < NEAR * max(1, abs(wanted.item()))
    if not wanted.requires_grad:
        assert not found.requires_grad
        return
    both = [
        torch.autograd.grad(loss, on.values(), retain_graph=True, allow_unused=True)
        for loss in (found, wanted)
    ]
    largest = max(slope.abs().max().item() for slope in both[1] if slope is not None)
    for name, one, other in zip(on, *both, strict=True):
        zero = torch.zeros_like(on[name])
        one, other = (zero if slope is None else slope for slope in (one, other))
        size = max(other.abs().max().item(), 1e-3 * largest)  # some are 0 but rounding
        gap = (one - other).abs().max().item()
        assert gap <= near * size, (name, gap / size)


def check(
    name: str, captions: bool = False, near: float = NEAR, **changed: Any
) -> None:
    """Compare both losses and their gradients with the loops."""
    method, told = small(name, **changed), told_of(name, **changed)
    module, maps = made(method, CAPTIONS if captions else None), maps_of()
    side, labels = text(module), torch.tensor(LABELS)
    which, said = list(LABELS), NAMES
    numbers = labels
    if captions:
        assert side.numbers is not None
        numbers = side.numbers[list(READS)]
        which, said = [CAPTIONS.index(CAPTIONS[k]) for k in READS], CAPTIONS
    spoke = all_spoken(side, told, said)
    texts, at = side.of_batch(numbers, STEP)
    on = watched(module, maps)
    mm = module.manifold_matching(maps, side, texts, at, labels).loss
    compare(mm, slow_mm(side, told, maps, which, spoke), on)
    ot = module.optimal_transport(maps, side, texts, at).loss
    compare(ot, slow_ot(side, told, maps, which, spoke), on, near)


# A published plan: autograd of the same loop. A converged one: autograd of 400
# iterations against the implicit gradient at Newton's plan.
@pytest.mark.parametrize("name", list(PRESETS))
def test_both_losses_are_the_equations_with_their_gradients(name: str) -> None:
    assert set(modified(small(name))) == {"n_ctx"}
    check(name)


READINGS = [
    ("rebuttal", choice.switch, value)
    for choice, values in OPEN_IN_REBUTTAL.items()
    for value in values
]
MORE = [
    ("authors_oct", "contexts", "rolled apart"),
    ("authors_oct", "plan_gradient", "through"),
    ("paper", "plan_gradient", "envelope"),
    ("paper", "plan_gradient", "detached"),
]


@pytest.mark.parametrize(("name", "switch", "value"), READINGS + MORE)
def test_other_readings_are_their_equations(name: str, switch: str, value: Any) -> None:
    check(name, **{switch: value})


@pytest.mark.parametrize(
    "factor", [one for one in FACTORS if not one.training], ids=lambda one: one.name
)
def test_each_difference_alone_is_its_equations(factor: Factor) -> None:
    rounding = factor.changed.get("epsilon", 1) < 1e-3  # scores of 10,000, 100 times
    check("paper", near=1e-7 if rounding else NEAR, **factor.changed)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("paper", {}),
        ("paper", {"text_tokens": "every position", "full_stop": True}),
        ("paper_stable", {"mm_text": "pooled", "ot_text": "label"}),
        ("repro_label_front", {}),
    ],
)
def test_captions_are_read_as_class_names_are(
    name: str, changed: dict[str, Any]
) -> None:
    check(name, captions=True, names="captions", **changed)


def test_the_published_loop_runs_as_long_as_it_may() -> None:
    """Under 1e-4 it does not converge in 100 steps, under .1 it stops by itself."""
    runs = {}
    for name in ("repro_shared", "lico_fact", "authors_jan", "rebuttal"):
        side, told, maps = text(made(small(name))), told_of(name), maps_of()
        spoke = all_spoken(side, told, NAMES)
        cost = slow_cost(side, told, maps, list(LABELS), spoke)
        _, runs[name] = published(cost, told.epsilon, told.iterations)
    assert runs["repro_shared"] == 100
    assert 5 < runs["lico_fact"] < 100
    assert 5 < runs["authors_jan"] < 100
    assert runs["rebuttal"] <= 2  # equal copies: the plan is uniform at once


@pytest.mark.parametrize("name", list(PRESETS))
def test_what_each_code_starts_from(name: str) -> None:
    """12 learnable tokens, a projection 512 wide, N(0, ctx_std^2), tau, dropout."""
    told = TOLD[name]
    words = Language(NAMES, build_tiny_clip(0, Architecture()))
    side = TextSide(preset(name), words, CELLS, SEED)
    assert side.context is not None
    copies = {"shared": 1, "class": len(NAMES), "rolled": 12}[told["contexts"]]
    assert side.context.shape == (copies, 12, 64)
    assert side.context.std().item() == pytest.approx(told["ctx_std"], rel=0.1)
    kinds = [type(layer) for layer in side.h_psi]
    assert kinds == [nn.Linear, nn.Dropout, nn.ReLU, nn.Linear]
    first, dropout, _, last = side.h_psi
    assert (first.in_features, first.out_features) == (64, 512)
    assert (last.in_features, last.out_features) == (512, CELLS)
    assert dropout.p == told["dropout"]
    assert side.tau().item() == pytest.approx(told["tau"], rel=1e-4)
    method = preset(name)
    assert (method.alpha, method.beta) == (10, 1)
    assert (method.epsilon, method.iterations) == (told["epsilon"], told["iterations"])
    assert (method.names, method.text_decay) == (told["names"], told["text_decay"])


def test_what_each_code_trains_with() -> None:
    """SGD .9 beside it; the paper's own recipe is the study's of rate and decay."""
    plain = {"lr": 0.03, "weight_decay": 1e-4, "schedule": "steps", "momentum": 0.9}
    numbers = {
        "paper": plain,
        "authors_jan": {**plain, "lr": 0.1, "weight_decay": 5e-4, "schedule": "epochs"},
        "lico_fact": {**plain, "backbone_dropout": 0.5, "precision": "16"},
        "rebuttal": {**plain, "backbone_dropout": 0.5, "precision": "32"},
        "repro_shared": {**plain, "least_area": 0.08, "clip_norm": 0.5},
    }
    numbers["authors_jan"] |= {"shift": 4, "padding": "zeros", "keep": "best test"}
    numbers["lico_fact"] |= {"shift": 4, "padding": "reflect", "scaler": True}
    numbers["rebuttal"] |= {"shift": 4, "padding": "reflect", "scaler": False}
    numbers["repro_shared"] |= {"shift": 0, "keep": "last", "ema": 0.0}
    for name, row in numbers.items():
        method = preset(name, **RECIPES.get(name, {}))
        assert {key: getattr(method, key) for key in row} == row
        assert method.flip == (name != "paper")
        assert not modified(method)
    assert RECIPES["authors_oct"] == RECIPES["authors_jan"]
    for name in ("repro_class_specific", "repro_label_front"):
        assert RECIPES[name] == RECIPES["repro_shared"]
