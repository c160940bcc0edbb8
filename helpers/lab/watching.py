"""Progress in a notebook: the last lines in one place, and no widget."""

import sys
import threading
from collections import deque
from typing import Any

from helpers.lab.weights import Report

LINES = 6


def in_notebook() -> Report | None:
    """Return what tells lines in the notebook that this runs in, None outside of one.

    The last `LINES` stand in one output of plain text, which is replaced from line to
    line; the page of a chapter, whose runs are there before it is executed, has none.
    """
    # A notebook's kernel has it loaded; the package does without.
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    lines: deque[str] = deque(maxlen=LINES)
    outputs: list[Any] = []
    one_at_a_time = threading.Lock()  # workers tell theirs from another thread

    def report(text: str) -> None:
        with one_at_a_time:
            lines.append(text)
            shown = {"text/plain": "\n".join(lines)}
            if outputs:
                outputs[0].update(shown, raw=True)
            else:
                show = ipython.display.display
                outputs.append(show(shown, raw=True, display_id=True))

    return report
