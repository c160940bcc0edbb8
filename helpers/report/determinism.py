"""What is the same bits each time, and what is not: said in the record of each run."""

from typing import Any

# Two trainings of one configuration, byte by byte: tests/lab/test_determinism.py.
SAME = (
    "the same settings, packages and threads give the same bits on this machine: two "
    "trainings and their scores differed by 0"
)
ASKED = (
    "training asks for kernels that give the same bits, scoring does not; by how much "
    "two runs differ is not measured on this kind of device"
)
NOTHING = (
    "nothing is promised: this device has no kernels that give the same bits each "
    "time; by how much two runs differ is not measured"
)
LOWER = " Products are computed in {precision} bits, sums of losses in 32."


def promise(device: str = "cpu", precision: str = "32") -> dict[str, Any]:
    """Return what is reproducible on a device in a precision, JSON-ready.

    `bits`: whether two runs of one configuration are promised to be equal bit by bit;
    `moved`: the largest difference measured, None where it is not; `says`: in words.
    """
    kind = device.partition(":")[0]
    says = {"cpu": SAME, "mps": NOTHING}.get(kind, ASKED)
    if precision != "32":
        says += LOWER.format(precision=precision.removeprefix("bf"))
    bits = kind == "cpu"
    return {"bits": bits, "moved": 0.0 if bits else None, "says": says}
