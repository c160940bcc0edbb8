"""Muon: momentum whose matrix is made nearly orthogonal, beside AdamW."""

from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration
ITERATIONS = 4


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with `orthogonal: True` (Jordan et al. 2024, "Muon").

    There, with gradient G, momentum beta (the first of `betas`) and decay lambda,
    M <- beta M + (1 - beta) G;  U = orthogonal(beta M + (1 - beta) G);
    W <- (1 - lr lambda) W - 0.2 lr sqrt(max(rows, columns)) U,
    a step about as large as Adam's (Liu et al. 2025, "Muon is scalable").
    `torch.optim.Muon` takes matrices alone; here a bank of filters
    `[out, in, h, w]` is the matrix `[out, in h w]`.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; `closure`, if given, computes loss and gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("orthogonal", False):
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._turn(weight, weight.grad, group)
                        weight.grad = None  # so AdamW passes over it
        super().step()
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, beta = self.state[weight], group["betas"][0]
        if not state:
            state["step"] = torch.zeros((), device=weight.device)
            state["mean"] = torch.zeros_like(weight)
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - beta)
        direction = orthogonal(torch.lerp(gradient, state["mean"], beta).flatten(1))
        size = 0.2 * group["lr"] * max(direction.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(direction.reshape(weight.shape), alpha=size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly U V' of a matrix U S V', its singular values near 1, same shape."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
