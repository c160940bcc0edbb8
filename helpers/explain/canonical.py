"""A convolutional network as a graph of layers that each have a relevance rule.

Relevance rules are written at modules; networks also add, average and rectify by plain
functions, and one block class is not another's. So the forward pass is read by
`torch.fx`, whatever the classes are, and written anew: batch norms merged into the
convolutions before them, sums and means as modules. The network itself is not touched.
"""

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

LAYERS: tuple[type[nn.Module], ...]
LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.Flatten)
LAYERS += (nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
SILENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)  # in evaluation mode
RECTIFY = {"relu", "relu_"}
ADD = {"add", "iadd", "add_"}
AVERAGE = {"avg_pool2d": nn.AvgPool2d, "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d}
# They pick, join or reorder values: there the gradient hands relevance on exactly.
EXACT = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose"}
EXACT |= {"contiguous", "getitem", "getattr", "size", "cat", "concat", "chunk", "split"}
EXACT |= {"max_pool2d", "adaptive_max_pool2d"}


class Mean(nn.Module):
    """The mean over some dimensions, as a module."""

    def __init__(self, dim: int | tuple[int, ...], keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Tensor) -> Tensor:
        """Return `x.mean(dim, keepdim)`."""
        return x.mean(self.dim, self.keepdim)


class Sum(nn.Module):
    """The sum over the last dimension, along which the summands are stacked."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., n]` to `[...]`."""
        return x.sum(-1)


class _Alone(nn.Module):
    """A network of one argument: defaults of others are constants to the reader."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def canonical(model: nn.Module) -> fx.GraphModule:
    """Return a network of the same logits whose every step is a layer with a rule.

    Its layers stand in the order in which they run, each in a copy of its own: Conv2d
    and Linear with batch norms merged into them, BatchNorm where none stands before,
    ReLU, pooling, `Mean`, `Sum` of stacked summands. The network is in evaluation mode.

    Raises:
        ValueError: a forward pass that `torch.fx` cannot read; a layer or function that
            has no rule, which the message names; a first layer on the picture that is
            no convolution, or one of several.
    """
    traced = _traced(model)
    graph, layers = fx.Graph(), dict[str, nn.Module]()
    new: dict[fx.Node, fx.Node] = {}
    old_layers = dict(traced.named_modules())

    def put(layer: nn.Module, given: fx.Node) -> fx.Node:
        name = f"layer{len(layers)}"
        layers[name] = layer
        return graph.call_module(name, (given,))

    def known(argument: Any) -> Any:
        return fx.map_arg(argument, lambda node: new[node])

    for node in traced.graph.nodes:
        called = _called(node)
        first: Any = node.args[0] if node.args else None
        if node.op == "placeholder":
            new[node] = graph.placeholder(node.name)
        elif node.op == "output":
            graph.output(known(node.args[0]))
        elif node.op == "call_module":
            layer, before = old_layers[called], known(first)
            merged = None
            if _alone_and_direct(first, old_layers):
                merged = _merged(layers[str(before.target)], layer)
            if isinstance(layer, SILENT):
                new[node] = before
            elif isinstance(layer, nn.ReLU):
                new[node] = put(nn.ReLU(), before)
            elif merged is not None:
                layers[str(before.target)] = merged
                new[node] = before
            else:
                new[node] = put(_copied(layer), before)
        elif node.op == "get_attr":
            raise ValueError(_no_rule(called, "a parameter"))
        elif called in RECTIFY:
            new[node] = put(nn.ReLU(), known(first))
        elif called in ADD and _two_tensors(node):
            stacked = graph.call_function(torch.stack, (known(list(node.args)), -1))
            new[node] = put(Sum(), stacked)
        elif called == "mean" and (mean := _mean(node)) is not None:
            new[node] = put(mean, known(first))
        elif called in AVERAGE:
            layer = AVERAGE[called](*node.args[1:], **node.kwargs)
            new[node] = put(layer, known(first))
        elif called in EXACT or (called == "pad" and _pads_zeros(node)):
            new[node] = graph.node_copy(node, lambda one: new[one])
        elif called.startswith("dropout") and not _drops(node):
            new[node] = known(first)
        else:
            raise ValueError(_no_rule(_where(node), called))
    _check_start(graph, layers)
    written = fx.GraphModule(layers, graph)
    return written.eval().requires_grad_(False)


def _traced(model: nn.Module) -> fx.GraphModule:
    """Return the network as `torch.fx` reads it; layers without a rule are refused."""
    try:
        traced = fx.symbolic_trace(_Alone(model))
    except Exception as error:
        tracer = fx.Tracer()
        for name, layer in model.named_modules():
            if tracer.is_leaf_module(layer, name):
                _check_rule(name, layer)
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        text = f"the forward pass of {type(model).__name__} cannot be read by torch.fx"
        raise ValueError(f"{text}, relevance has no way through it: {why}") from None
    for node in traced.graph.nodes:
        if node.op == "call_module":
            _check_rule(_called(node), traced.get_submodule(_called(node)))
    return traced


def _check_rule(path: str, layer: nn.Module) -> None:
    """Raise a ValueError unless a layer that PyTorch brings has a rule."""
    known = type(layer) in (*LAYERS, *SILENT, nn.ReLU)
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        known = known and layer.running_mean is not None
    if isinstance(layer, nn.Conv2d):
        known = known and layer.padding_mode == "zeros"
    if not known and not isinstance(layer, nn.Sequential):
        raise ValueError(_no_rule(path, type(layer).__name__))


def _called(node: fx.Node) -> str:
    """Return what a node calls: a function's or method's name, a module's path."""
    if isinstance(node.target, str):
        return node.target
    if node.target is operator.getitem:
        return "getitem"
    return getattr(node.target, "__name__", str(node.target))


def _alone_and_direct(first: fx.Node, layers: dict[str, nn.Module]) -> bool:
    """Say whether a node is a layer whose output goes to one layer alone."""
    if first.op != "call_module" or len(first.users) != 1:
        return False
    return not isinstance(layers[_called(first)], SILENT)


def _merged(before: nn.Module, layer: nn.Module) -> nn.Module | None:
    """Return a convolution or linear layer with the batch norm after it, or None."""
    if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
        return fuse_conv_bn_eval(before, layer)
    if isinstance(before, nn.Linear) and isinstance(layer, nn.BatchNorm1d):
        return fuse_linear_bn_eval(before, layer)
    return None


def _copied(layer: nn.Module) -> nn.Module:
    """Return a copy of a layer without the hooks that somebody hung on it."""
    found = copy.deepcopy(layer)
    for hooks in (found._forward_hooks, found._forward_pre_hooks):
        hooks.clear()
    return found


def _two_tensors(node: fx.Node) -> bool:
    """Say whether a sum has two summands from the network and no factor."""
    both = len(node.args) == 2 and all(isinstance(one, fx.Node) for one in node.args)
    return both and not node.kwargs


def _mean(node: fx.Node) -> Mean | None:
    """Return a mean as a module, or None if its form is not known."""
    given = _given(node, "dim", "keepdim")
    if "dim" not in given or set(given) - {"dim", "keepdim"}:
        return None
    dim = given["dim"]
    return Mean(
        dim if isinstance(dim, int) else tuple(dim), given.get("keepdim", False)
    )


def _pads_zeros(node: fx.Node) -> bool:
    """Say whether a padding puts zeros."""
    given = _given(node, "pad", "mode", "value")
    return given.get("mode", "constant") == "constant" and not given.get("value")


def _drops(node: fx.Node) -> bool:
    """Say whether a dropout function would drop something in evaluation mode."""
    return bool(_given(node, "p", "training", "inplace").get("training", True))


def _given(node: fx.Node, *names: str) -> dict[str, Any]:
    """Return the arguments of a call behind the first, by name."""
    return dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)


def _where(node: fx.Node) -> str:
    """Return the path of the module in whose forward pass a function is called."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""


def _no_rule(path: str, what: str) -> str:
    """Return the message that a place in the network has no rule."""
    place = path.removeprefix("model").removeprefix(".") or "the network's own forward"
    known = "convolutions, batch norms, ReLU, pooling, sums, linear layers"
    return f"relevance has no rule for {what} at {place}; it has for {known}"


def _check_start(graph: fx.Graph, layers: dict[str, nn.Module]) -> None:
    """Raise a ValueError unless one convolution alone sees the picture."""
    users = [
        user for node in graph.nodes if node.op == "placeholder" for user in node.users
    ]
    kinds = [type(layers.get(str(user.target))).__name__ for user in users]
    if kinds != ["Conv2d"]:
        wrong = ", ".join(kinds) or "nothing"
        raise ValueError(f"the picture must go into one convolution, goes into {wrong}")
