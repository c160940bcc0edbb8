"""CGC (Pillai et al. 2022): three cross-entropies, and maps that move with the picture.

L = L_CE(extra) + L_CE(original) + L_CE(augmented) + lam L_contrast. Grad-CAM at a
pooled linear head is relu(sum_k W_ck f_k) / (h w), an expression of the forward pass:
the loss is trained by one ordinary backward pass, with the gradients of the published
double one.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import Pictures, normalise
from helpers.data.geometry import Crops, crop_images, random_crops
from helpers.explain.cam import pooled_head_cam
from helpers.losses import cgc
from helpers.methods.baseline import Baseline
from helpers.methods.slopes import PROBED, gradient_norm
from helpers.settings import Cgc
from helpers.streams import stream


class Views(NamedTuple):
    """Three pictures of each picture, `[B, 3, H, W]`, normalised.

    Attributes:
        extra: a random resized crop of the picture, mirrored or not.
        original: the picture, augmented as the baseline's.
        augmented: a random resized crop of the original, mirrored or not.
        crops: what the loss does to the original's map to make it the augmented's.
    """

    extra: Tensor
    original: Tensor
    augmented: Tensor
    crops: Crops


class CgcClassifier(Baseline):
    """A classifier trained on three views, and to explain two of them alike.

    With lam = 0 it is the control: cross-entropy on the same three views.
    """

    def __init__(
        self,
        method: Cgc,
        pictures: Pictures,
        seed: int,
        judged_on: Pictures | None = None,
    ) -> None:
        super().__init__(method, pictures, seed, judged_on)
        self.cgc = method

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss of images `[B, 3, H, W]` uint8 with labels `[B]`, and logs.

        Accuracy is that on the originals; gradient norms are those of the weighted
        losses on the feature maps of all views.
        """
        images, labels = batch
        views = self.views(images)
        # Three passes, as published: batch norms see one view at a time.
        features = [self.model.features(view) for view in views[:3]]  # 3 [B, C, h, w]
        logits = [self.model.head(each.mean((2, 3))) for each in features]  # 3 [B, K]
        ce = torch.stack([F.cross_entropy(each, labels) for each in logits]).sum()
        with torch.set_grad_enabled(self.cgc.lam > 0):
            contrast, said = self.contrast(
                features[1], features[2], logits[1], views.crops
            )
        weighted = {"ce": ce}
        if self.cgc.lam > 0:
            weighted["contrast"] = (self.cgc.lam * contrast).to(ce)
        if self.global_step % PROBED == 0:
            for name, part in weighted.items():
                said[f"{name} gradient"] = gradient_norm(part, *features)
        right = (logits[1].argmax(1) == labels).float()
        return {
            "loss": torch.stack(list(weighted.values())).sum(),
            "accuracy": right.mean().detach(),
            "ce": ce.detach(),
            "contrast": contrast.detach(),
            **said,
        }

    def views(self, images: Tensor) -> Views:
        """Return the views of images `[B, 3, H, W]` uint8, fixed by seed and step."""
        method, step = self.cgc, self.global_step
        size, scale = (images.shape[2], images.shape[3]), (method.least_crop, 1.0)
        extra, crops = (
            random_crops(len(images), size, stream(self.seed, view, step), scale)
            for view in ("extra view", "augmented view")
        )
        original = self.prepared(images)
        shown = crops
        if method.flips == "published":
            coins = torch.rand(
                len(images), generator=stream(self.seed, "second coin", step)
            )
            shown = replace(crops, mirrored=crops.mirrored & (coins < 0.5))
        whole = normalise(images, self.mean, self.std)
        return Views(_cut(whole, extra), original, _cut(original, shown), crops)

    def contrast(
        self, original: Tensor, augmented: Tensor, logits: Tensor, crops: Crops
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return L_contrast of feature maps `[B, C, h, w]`, and what it says of itself.

        Both maps explain the class that the logits `[B, K]` of the original are for.
        """
        weight, target = self.model.head.weight, logits.argmax(1)
        before, after = (
            pooled_head_cam(features, weight, target)  # [B, h, w]
            for features in (original, augmented)
        )
        same, others = cgc.cosines(
            after, before, crops.windows, crops.mirrored, crops.size
        )
        loss = cgc.info_nce(same, others, self.cgc.temperature).mean()
        with torch.no_grad():
            zero = ~torch.stack([before, after]).flatten(2).any(2)  # [2, B]
            apart = ~torch.eye(len(same), dtype=torch.bool, device=same.device)
            says = {"agreement": same.mean(), "zero maps": zero.float().mean()}
            if len(same) > 1:
                says["agreement of others"] = others[apart].mean()
        return loss, says


def _cut(images: Tensor, crops: Crops) -> Tensor:
    """Return crops of pictures in the memory format of the network."""
    return crop_images(images, crops).contiguous(memory_format=torch.channels_last)
