"""Judge anyone's classifier: explain it and measure the maps, by one command or call.

`python -m helpers.judge --help` is the command; from Python:

    from helpers.judge import Choice, judge, of_tensors

    found = judge(model, of_tensors(images, labels, masks), Choice(("gradcam", "rise")))
"""

import signal
import sys

if sys.argv[0] == "-m":  # `python -m`, still importing: Ctrl-C just ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from helpers.judge.choice import Choice
from helpers.judge.judging import Judgement, judge
from helpers.judge.material import Material, of_tensors
from helpers.judge.outcome import document, table

__all__ = [
    "Choice",
    "Judgement",
    "Material",
    "document",
    "judge",
    "of_tensors",
    "table",
]
