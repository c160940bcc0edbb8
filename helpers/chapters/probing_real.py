"""Heads on a published network over photographs: one command, one record.

`python -m helpers.chapters.probing_real --model resnet56:FILE --data folder:PATH`
trains the heads of a study and prints its record as JSON.
"""

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers import paths
from helpers.chapters.probing import CELL_CAM, Arm, crossed, difference, study
from helpers.data import catalog, folder_checks
from helpers.lab.given_weights import given_weights
from helpers.report.provenance import provenance
from helpers.settings import DataSettings, Refused
from helpers.vision import backbone
from helpers.whole import write_whole

PHOTOGRAPHS = "11_probing-photographs"  # the record that chapter 11 shows
COMMAND = (
    "python -m helpers.chapters.probing_real --model resnet56:WEIGHTS "
    "--data folder:CIFAR10 --test 2000 --losses ce bce "
    "--heads linear 'linear, no bias' --record"
)


def frozen(name: str, file: str, classes: int) -> nn.Module:
    """Return a network of `helpers.vision` with weights from a file, for features."""
    network = backbone(name, classes)
    weights = given_weights(file)
    own = {
        key: value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")  # older checkpoints lack them
    }
    wrong = [
        key
        for key, value in own.items()
        if key not in weights or weights[key].shape != value.shape
    ]
    if wrong:
        raise Refused(
            f"weights '{file}' do not fit {name} of {classes} classes: {len(wrong)} of "
            f"{len(own)} tensors are missing or of another shape, as '{wrong[0]}'"
        )
    network.load_state_dict({key: weights[key] for key in own}, strict=False)
    return network.eval()


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a study of real pictures, by the command's arguments."""
    name, _, file = arguments["model"].partition(":")
    data = DataSettings.of(
        name=arguments["data"],
        size=arguments["size"],
        train=arguments["train"],
        test=arguments["test"],
    )
    folder_checks.check(data)
    classes = len(catalog.class_names(data))
    network = frozen(name, file, classes)
    return study(
        network,
        folder_checks.load(data, "train"),
        folder_checks.load(data, "test"),
        crossed(arguments["heads"], arguments["losses"], arguments["recipes"]),
        range(1, arguments["seeds"] + 1),
        arguments["methods"],
        arguments["sides"],
        epochs=arguments["epochs"],
    )


def table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row an arm: means over seeds of accuracy, mean weight and GridPG."""
    rows = []
    for name, row in record["arms"].items():
        head, loss, recipe = name.split(" / ")
        made = {
            "head": head,
            "loss": loss,
            "recipe": recipe,
            "seeds": len(row["accuracy"]),
        }
        kept = {"top-1": "accuracy", "share": "mean weight share"}
        for side in record["grids"]:
            kept[f"{side} x {side}"] = f"gridpg {side} {CELL_CAM}"
            kept[f"{side} x {side}, centred"] = f"gridpg {side} {CELL_CAM}, centred"
        rows.append(
            made
            | {
                key: float(np.mean(row[what]))
                for key, what in kept.items()
                if what in row
            }
        )
    return pd.DataFrame(rows)


def differences(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return BCE - CE a head, recipe and size of grid, with an interval over seeds."""
    rows = []
    names = [name.split(" / ") for name in record["arms"]]
    for head, _, recipe in (one for one in names if one[1] == "ce"):
        first, second = (Arm(head, loss, recipe) for loss in ("bce", "ce"))
        if first.name not in record["arms"]:
            continue
        for side in record["grids"]:
            what = f"gridpg {side} {CELL_CAM}"
            mean, low, high = difference(dict(record), what, first, second)
            grid = f"{side} x {side}"
            rows.append((head, recipe, grid, mean, low, high))
    columns = ["head", "recipe", "grid", "BCE - CE", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="NAME:WEIGHTS")
    parser.add_argument("--data", required=True, help="folder:PATH, cifar10 ...")
    for option, number in (("size", 32), ("train", 5000), ("test", 1000), ("seeds", 5)):
        parser.add_argument(f"--{option}", type=int, default=number)
    parser.add_argument("--epochs", type=int, help="instead of the recipes' own")
    for option, names in (
        ("heads", ["linear", "linear, no bias", "MLP-2", "MLP-3"]),
        ("losses", ["ce", "bce", "bce-uniform"]),
        ("recipes", ["document", "repository"]),
        ("methods", [CELL_CAM]),
    ):
        parser.add_argument(f"--{option}", nargs="+", default=names)
    parser.add_argument("--sides", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--record", action="store_true", help="keep it in the book")
    torch.set_num_threads(1)
    given, started = parser.parse_args(), time.monotonic()
    found = main(vars(given))
    if given.record:
        found["provenance"] = provenance(time.monotonic() - started, threads=1)
        file = paths.records() / f"{PHOTOGRAPHS}.json"
        write_whole({file: json.dumps(found, indent=1, allow_nan=False) + "\n"})
    print(json.dumps(found, indent=1))
