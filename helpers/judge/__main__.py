"""The command: `python -m helpers.judge --model NAME:WEIGHTS --data FOLDER ...`."""

import json
import signal
import sys
from functools import partial
from typing import Any

import torch

from helpers.judge.arguments import Asked, asked, gathered
from helpers.judge.judging import judge
from helpers.judge.outcome import (
    counts,
    document,
    headline,
    sha256,
    table,
)
from helpers.judge.page import page
from helpers.report.terminal import one_line
from helpers.settings import Refused
from helpers.whole import write_whole


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; a refusal is one line."""
    try:
        given = asked(arguments)
        model, material, known = gathered(given)
        found = judge(model, material, given.choice, partial(print, flush=True))
        about = described(given)
        whole = document(found, material, about)
        text = json.dumps(whole, indent=1, allow_nan=False) + "\n"
        write_whole({given.out: text, given.page: page(found, material, about, known)})
    except Refused as refusal:
        print(one_line(f"helpers.judge: {refusal}"), file=sys.stderr)
        return 2
    except torch.OutOfMemoryError:
        less = "take a smaller --batch than"
        print(
            f"helpers.judge: out of memory: {less} {given.choice.how.chunk}",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(one_line(f"helpers.judge: {error}: nothing was written"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = "give the same command again"
        print(f"helpers.judge: stopped; nothing was written: {again}", file=sys.stderr)
        return 130
    told = [f"{given.model}: {headline(found, material)[0]}"]
    told += headline(found, material)[1:]
    whole_text = "\n".join([*told, "", table(found), "", *counts(found)])
    print("\n".join(map(one_line, whole_text.split("\n"))))
    print(one_line(f"written: {given.out}, {given.page} ({found.seconds:.0f} s)"))
    return 0


def described(given: Asked) -> dict[str, Any]:
    """Return what was asked for, with the hashes of the files that decide numbers."""
    found: dict[str, Any] = {"model": given.model}
    for name in ("weights", "data", "masks", "labels", "classes"):
        if getattr(given, name) is not None:
            found[name] = str(getattr(given, name))
    found["size"], found["crop"] = given.cut.size, given.cut.crop
    found["sha256 of weights"] = sha256(given.weights)
    if given.masks is not None and given.masks.is_file():
        found["sha256 of masks"] = sha256(given.masks)
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more would only cry out
    raise SystemExit(status)
