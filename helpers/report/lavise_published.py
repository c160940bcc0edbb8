"""Recalls as printed for LaViSE: the original's and the reproduction's."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class PrintedRecall:
    """A row of tables 2 and 3 of Buis et al. (2023); fractions.

    Attributes:
        network: the extractor; of ResNets layer4, of AlexNet all of `features`.
        by: "original", as quoted there, or "reproduction".
        trained: what the extractor was trained on.
        reference: what the explainer was taught with.
        recalls: recall@5, recall@10, recall@20.
    """

    network: str
    by: str
    trained: str
    reference: str
    recalls: tuple[float, float, float]


PRINTED = (
    PrintedRecall("ResNet-18", "original", "COCO", "COCO", (0.675, 0.728, 0.776)),
    PrintedRecall(
        "ResNet-18", "reproduction", "ImageNet", "COCO", (0.448, 0.477, 0.497)
    ),
    PrintedRecall("ResNet-18", "original", "ImageNet", "VG", (0.273, 0.353, 0.429)),
    PrintedRecall("ResNet-18", "reproduction", "ImageNet", "VG", (0.163, 0.198, 0.243)),
    PrintedRecall("ResNet-50", "original", "ImageNet", "VG", (0.226, 0.302, 0.373)),
    PrintedRecall("ResNet-50", "reproduction", "ImageNet", "VG", (0.132, 0.164, 0.197)),
    PrintedRecall("AlexNet", "reproduction", "ImageNet", "COCO", (0.551, 0.571, 0.600)),
)


def printed_table(
    network: str,
    trained: str,
    reference: str,
    recalls: tuple[float, float, float],
) -> pd.DataFrame:
    """Return the printed rows, and under them one of this page.

    Args:
        network: of this page.
        trained: the data that it was trained on.
        reference: the data that explain it, as the parameter has them.
        recalls: recall@5, 10, 20 as fractions.
    """
    rows = [
        *PRINTED,
        PrintedRecall(network, "this page", _kind(trained), _kind(reference), recalls),
    ]
    return pd.DataFrame(
        {
            "network": one.network,
            "by": one.by,
            "trained on": one.trained,
            "reference": one.reference,
            **{f"R@{s}": x for s, x in zip((5, 10, 20), one.recalls, strict=True)},
        }
        for one in rows
    )


def _kind(name: str) -> str:
    """Return the name of data without their path."""
    return name.partition(":")[0]
