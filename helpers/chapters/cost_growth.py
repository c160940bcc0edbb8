"""Chapter 08: time and memory of the text branch, of a step and of transport, by size.

Two ways take turns on the same machine (`helpers.lab.pairs`); times are those of the
CPU. Memory is what autograd keeps for the backward pass, weights apart: the same
number on every machine.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from helpers.chapters.class_names import CIFAR100
from helpers.chapters.cost_tokens import FORMS, WIDTH, ways
from helpers.chapters.text_features import batch_of, transported
from helpers.lab.pairs import Pairs, alternate
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run, needs, train_or_load
from helpers.language.prompts import draw_context
from helpers.losses import transport
from helpers.settings import RunSettings
from helpers.streams import stream

MEGA = 1e6
PADDED, SHORT = "padded", "shared"
PLAIN, LICO = "baseline", "LICO"
LOOP, OURS = "loop, unrolled", "converged, implicit"
UNROLLED = (10, 20, 40, 80, 160)  # iterations whose memory is counted
Loss = Callable[[], Tensor]


def kept(loss: Loss, but: Iterable[Tensor] = ()) -> float:
    """Return the megabytes that autograd keeps for the backward pass of a loss.

    Storages are counted once; those of `but`, as the weights, not at all.
    """
    known = {one.untyped_storage().data_ptr() for one in but}
    held: dict[int, Any] = {}  # holding them keeps their addresses apart

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = loss()
    total = sum(storage.nbytes() for storage in held.values()) / MEGA
    del made
    return total


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of log value over log size, by least squares.

    1: twice the size costs twice as much; 0: it costs nothing more. NaN where a value
    is not positive.
    """
    if not all(value > 0 for value in values):
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def over_classes(
    tower: nn.Module, counts: Sequence[int], contexts: int, pairs: int
) -> pd.DataFrame:
    """Return a row a way and number of classes: seconds, and megabytes kept."""
    rows = []
    for classes in sorted(counts):
        rows += _text("classes", classes, tower, CIFAR100[:classes], contexts, pairs)
    return pd.DataFrame(rows)


def over_contexts(
    tower: nn.Module, counts: Sequence[int], classes: int, pairs: int
) -> pd.DataFrame:
    """Return a row a way and number of learnable tokens: seconds, megabytes kept."""
    rows = []
    for contexts in sorted(counts):
        names = CIFAR100[:classes]
        rows += _text("learnable tokens", contexts, tower, names, contexts, pairs)
    return pd.DataFrame(rows)


def _text(
    axis: str,
    size: int,
    tower: nn.Module,
    names: Sequence[str],
    contexts: int,
    pairs: int,
) -> list[dict[str, Any]]:
    """Time the text branch, value and gradient of the context, both ways."""
    made = FORMS[0].prompts(names, contexts)
    context = draw_context(1, contexts, WIDTH, stream(0, "growth")).requires_grad_()
    padded, short = ways(tower, made).values()

    def loss(run: Callable[..., Any]) -> Tensor:
        total: Tensor = run(context).tokens.square().sum()
        return total

    losses = {PADDED: partial(loss, padded), SHORT: partial(loss, short)}
    return _rows(axis, size, losses, _slope, [*tower.parameters(), context], pairs)


def _slope(loss: Loss) -> None:
    """Compute value and gradient, and let go of the gradient."""
    loss().backward()


def _rows(
    axis: str,
    size: int,
    losses: Mapping[str, Loss],
    run: Callable[[Loss], None],
    weights: Sequence[Tensor],
    pairs: int,
) -> list[dict[str, Any]]:
    """Return a row a way: medians of seconds, and of the second's time by the first."""
    plain, ours = losses.values()
    timed = alternate(partial(run, plain), partial(run, ours), pairs)
    return [
        {
            "axis": axis,
            "size": size,
            "way": way,
            "seconds": seconds,
            "ratio": timed.ratio,
            "megabytes": kept(loss, weights),
        }
        for (way, loss), seconds in zip(losses.items(), timed.seconds, strict=True)
    ]


def over_batches(
    arms: Mapping[str, Sequence[Run]], batches: Sequence[int], pairs: int
) -> pd.DataFrame:
    """Return a row an arm and number of pictures: seconds of a step, megabytes kept.

    A step is the losses, the backward pass and the update, from the weights of the
    start. It is one in which LICO does not say what its losses did: as most are.
    """
    count = max(batches)
    made = {
        PLAIN: _trainer(arms["ce"][0].settings, count),
        LICO: _trainer(arms["lico"][0].settings, count),
    }
    rows = []
    for batch in sorted(batches):
        losses = {
            arm: partial(_loss, module, [row[:batch] for row in given])
            for arm, (module, given) in made.items()
        }
        steps = {
            losses[arm]: partial(_step, module.configure_optimizers()["optimizer"])
            for arm, (module, _) in made.items()
        }
        weights = [w for module, _ in made.values() for w in _all_weights(module)]
        rows += _rows(
            "pictures of a step",
            batch,
            losses,
            lambda loss, steps=steps: steps[loss](loss),  # type: ignore[misc]
            weights,
            pairs,
        )
    return pd.DataFrame(rows)


def _trainer(settings: RunSettings, count: int) -> tuple[Any, tuple[Tensor, ...]]:
    """Return the module of a run as training starts it, on the CPU, and its pictures.

    As many as asked for, or all that the run has, over and over.
    """
    on_cpu = settings.model_copy(update={"device": "cpu"})
    towers = [train_or_load(one).model().cpu() for one in needs(settings)]
    module, rows = recipe(on_cpu).module_and_tensors(on_cpu, towers)
    # One behind the probed step 0.
    step = SimpleNamespace(global_step=1, estimated_stepping_batches=100)
    module.trainer = step
    chosen = torch.arange(count) % len(rows[0])
    return module, tuple(row[chosen] for row in rows)


def _loss(module: Any, rows: Sequence[Tensor]) -> Tensor:
    loss: Tensor = module.training_step(rows)["loss"]
    return loss


def _step(optimizer: torch.optim.Optimizer, loss: Loss) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


def _all_weights(module: nn.Module) -> list[Tensor]:
    """Return all weights of a module, of its frozen tower too."""
    own = [*module.parameters(), *module.buffers()]
    text = getattr(module, "text", None)
    for tower in getattr(text, "_frozen", ()):
        own += [*tower.parameters(), *tower.buffers()] if tower is not None else []
    return own


def exponents(*frames: pd.DataFrame) -> pd.DataFrame:
    """Return a row an axis and way: growth of time and memory, and the largest size."""
    rows = []
    for frame in frames:
        for (axis, way), part in frame.groupby(["axis", "way"], sort=False):
            sizes = part["size"].tolist()
            last = part.iloc[-1]
            rows.append(
                {
                    "over": axis,
                    "way": way,
                    "sizes": ", ".join(str(size) for size in sizes),
                    "exponent of time": exponent(sizes, part["seconds"].tolist()),
                    "exponent of memory": exponent(sizes, part["megabytes"].tolist()),
                    "seconds, largest": last["seconds"],
                    "MB, largest": last["megabytes"],
                }
            )
    return pd.DataFrame(rows)


def costs_of(run: Run, batch: int) -> Tensor:
    """Return the costs of a trained LICO's transport, `[B, C, M]`, without gradient."""
    found = transported(run.text_side(), batch_of(run, batch))  # type: ignore[arg-type]
    return found.cost.detach().cpu()


def transports(
    cost: Tensor, epsilons: Sequence[float], most: int = 1000
) -> pd.DataFrame:
    """Return a row an epsilon and way: seconds of value and gradient, one pair each.

    `LOOP` is the published loop with its own stop, autograd through every step;
    "iterations" are those it made (none: `OURS` makes none of its kind); "error" is
    the `marginal_error` of the plan that each way returns.
    """
    rows = []
    for epsilon in sorted(epsilons, reverse=True):
        losses = _transport_losses(cost, epsilon, most)
        timed = _pair(losses)
        with _Counted() as loop:
            plan = transport.published_plan(cost, epsilon, most=most)
        plans = {LOOP: plan, OURS: transport.optimal_plan(cost, epsilon)}
        for (way, found), seconds in zip(plans.items(), timed.seconds, strict=True):
            rows.append(
                {
                    "epsilon": epsilon,
                    "way": way,
                    "seconds": seconds,
                    "iterations": loop.calls // 2 if way == LOOP else None,
                    "error": marginal_error(found),
                }
            )
    return pd.DataFrame(rows).astype({"iterations": "Int64"})


def marginal_error(plan: Tensor) -> float:
    """Return sum_i |row i - 1/C| + sum_j |column j - 1/M|, the mean over pictures.

    Plan `[B, C, M]`; in [0, 4].
    """
    _, channels, tokens = plan.shape
    rows = (plan.sum(2) - 1 / channels).abs().sum(1)
    columns = (plan.sum(1) - 1 / tokens).abs().sum(1)
    return float((rows + columns).mean())


def unrolled(cost: Tensor, epsilon: float) -> pd.DataFrame:
    """Return a row a way and number of iterations: megabytes kept by a transport loss.

    The loop is stopped nowhere but at that number.
    """
    (ours,) = (
        kept(loss)
        for way, loss in _transport_losses(cost, epsilon, 1).items()
        if way == OURS
    )
    rows = []
    for most in UNROLLED:
        loop = kept(_transport_losses(cost, epsilon, most, stop=0.0)[LOOP])
        rows.append({"iterations": most, "way": LOOP, "megabytes": loop})
        rows.append({"iterations": most, "way": OURS, "megabytes": ours})
    return pd.DataFrame(rows)


def _pair(losses: Mapping[str, Loss]) -> Pairs:
    plain, ours = losses.values()
    return alternate(partial(_slope, plain), partial(_slope, ours), pairs=1)


def _transport_losses(
    cost: Tensor, epsilon: float, most: int, stop: float = 1e-3
) -> dict[str, Loss]:
    """Return the transport loss of a batch by the published loop, and ours."""
    start = cost.clone().requires_grad_()

    def loop() -> Tensor:
        plan = transport.published_plan(start, epsilon, most=most, stop=stop)
        return (plan * start).sum((1, 2)).mean()

    def ours() -> Tensor:
        return transport.transport_cost(start, epsilon)[0].mean()

    return {LOOP: loop, OURS: ours}


class _Counted(TorchFunctionMode):
    """Count the calls of logsumexp: an iteration of the published loop has two."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, counting one of them."""
        self.calls += func is Tensor.logsumexp
        return func(*args, **kwargs or {})
