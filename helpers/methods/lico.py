"""LICO (Lei et al. 2023): L = L_CE + alpha L_MM + beta L_OT."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import Pictures
from helpers.losses import manifold, transport
from helpers.methods.baseline import Baseline
from helpers.methods.slopes import PROBED, gradient_norm
from helpers.methods.text_side import Language, Texts, TextSide
from helpers.settings import Lico


class Term(NamedTuple):
    """A language loss of one batch, and what it says of itself."""

    loss: Tensor
    says: dict[str, Tensor]


class LicoClassifier(Baseline):
    """A classifier trained beside a text side; the text side is then discarded.

    With alpha = beta = 0 no text is read, and the weights are the baseline's.
    """

    def __init__(
        self,
        method: Lico,
        pictures: Pictures,
        language: Language | None,
        seed: int,
        judged_on: Pictures | None = None,
    ) -> None:
        super().__init__(method, pictures, seed, judged_on)
        self.lico = method
        self.text: TextSide | None = None
        if language is not None and (method.alpha or method.beta):
            side = pictures.images.shape[-1]
            with torch.no_grad():
                blank = torch.zeros(1, 3, side, side)
                cells = self.model.eval().features(blank).flatten(2).shape[2]
            self.model.train()
            self.text = TextSide(method, language, cells, seed)
            with torch.no_grad():
                first = self.text.eval().all_rows(self.text())
            self.text.train()
            self.register_buffer("first_texts", first, persistent=False)

    def weights(self) -> list[dict[str, Any]]:
        """Return the classifier's weights, then those of the text side."""
        groups = super().weights()
        if self.text is None:
            return groups
        own = [self.text.t] + ([] if self.text.context is None else [self.text.context])
        others = [w for w in self.text.parameters() if all(w is not one for one in own)]
        decayed = {} if self.lico.text_decay else {"weight_decay": 0.0}
        return [*groups, {"params": others}, {"params": own, **decayed}]

    def training_step(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the loss of images `[B, 3, H, W]` uint8 with labels `[B]`, and logs.

        The texts are those of the labels, or of captions whose numbers `[B]` follow.
        Gradient norms are those of the weighted losses on the feature maps F.
        """
        images, labels, *captions = batch
        features = self.model.features(self.prepared(images))  # [B, C, h, w]
        logits = self.model.head(features.mean((2, 3)))  # [B, K]
        loss = F.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float()
        said = {"accuracy": right.mean().detach()}
        if self.text is None:
            return {"loss": loss, **said}

        (numbers,) = captions or (labels,)
        texts, which = self.text.of_batch(numbers, self.global_step)
        maps = features.flatten(2)  # F, [B, C, d']
        weighted = {"ce": loss}
        if self.lico.alpha:
            term = self.manifold_matching(maps, self.text, texts, which, labels)
            weighted["mm"], said = self.lico.alpha * term.loss, said | term.says
        if self.lico.beta:
            term = self.optimal_transport(maps, self.text, texts, which)
            weighted["ot"], said = self.lico.beta * term.loss, said | term.says
        if self.probing():
            for name, part in weighted.items():
                said[f"{name} gradient"] = gradient_norm(part, features)
        total = torch.stack([part.to(loss) for part in weighted.values()]).sum()
        return {"loss": total, "ce": loss.detach(), **said}

    def probing(self) -> bool:
        """Tell whether this step also says what its losses did."""
        return self.global_step % PROBED == 0

    def manifold_matching(
        self,
        maps: Tensor,
        text: TextSide,
        texts: Texts,
        which: Tensor,
        labels: Tensor,
    ) -> Term:
        """Return L_MM = (1/B) sum_i KL(A^G_i || A^F_i) of maps F `[B, C, d']`.

        Picture i has text `which_i` of the texts; labels are for the logs alone.
        """
        method, tau = self.lico, text.tau()
        rows = maps.mean(2) if method.mm_image == "pooled" else maps.flatten(1)
        image = self._log_affinity(rows, tau)
        words = text.manifold_rows(texts, which)  # G, [B, D]
        language = self._log_affinity(words, tau)
        divergence = manifold.manifold_loss
        if method.kl_floor:
            divergence = partial(manifold.floored_manifold_loss, floor=method.kl_floor)
        loss = divergence(language, image).mean()
        says = {"mm": loss.detach(), "tau": tau.detach()}
        if not self.probing():
            return Term(loss, says)
        with torch.no_grad():
            first = text.picked(self.first_texts[texts.numbers], which)
            start = self._log_affinity(first, tau)
            says["mm, texts of the start"] = divergence(start, image).mean()
            for name, affinity in (("image", image), ("text", language)):
                says |= {
                    f"{name} off-diagonal": manifold.off_diagonal_mass(affinity),
                    f"{name} entropy": manifold.entropy(affinity),
                    f"{name} same label": manifold.same_label_mass(affinity, labels),
                }
        return Term(loss, says)

    def _log_affinity(self, rows: Tensor, tau: Tensor) -> Tensor:
        method = self.lico
        if method.unit:
            distances = manifold.unit_distances(rows, method.least_square)
        else:
            distances = manifold.pairwise_distances(rows)
        if not method.diagonal:
            distances = manifold.without_self(distances)
        tau = tau.double() if method.sign == "near" else -tau.double()
        return manifold.log_affinity(distances, tau)

    def optimal_transport(
        self, maps: Tensor, text: TextSide, texts: Texts, which: Tensor
    ) -> Term:
        """Return L_OT = (1/B) sum_i <T_i, C_i> of maps F `[B, C, d']` to texts."""
        tokens = text.transport_tokens(texts, which)  # [B, M, d']
        cost = transport.ground_cost(maps, tokens)  # [B, C, M]
        values, plan = self._transported(cost)
        says = {"ot": values.mean().detach()}
        if not self.probing():
            return Term(values.mean(), says)
        says |= {
            "plan entropy": transport.plan_entropy(plan).mean(),
            "plan gain": transport.gain(plan, cost.detach()).mean(),
        }
        if self.lico.ot_text == "tokens":
            spoken = text.bears.to(plan.device)[texts.numbers][which]  # [B, M]
            says["class token mass"] = (plan.sum(1) * spoken).sum(1).mean()
        return Term(values.mean(), says)

    def _transported(self, cost: Tensor) -> tuple[Tensor, Tensor]:
        method = self.lico
        if method.plan_gradient == "none":
            cost = cost.detach()
        if method.plan == "converged":
            solve = {
                "through": transport.transport_cost,
                "none": transport.transport_cost,
                "envelope": transport.regularised_cost,
                "detached": transport.detached_cost,
            }[method.plan_gradient]
            return solve(cost, method.epsilon)
        through = method.plan_gradient == "through"
        plan = transport.published_plan(
            cost if through else cost.detach(),
            method.epsilon,
            most=method.iterations,
        )
        return (plan * cost).sum((1, 2)), plan.detach()
