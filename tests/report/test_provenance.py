"""Where a number comes from."""

import subprocess
import sys

import torch

from helpers.report.provenance import peak_memory


def test_peak_memory_is_this_process_alone() -> None:
    """A small process that a large one starts does not report the large one's."""
    held = torch.ones(2**27)  # 512 MB
    code = "from helpers.report import provenance as p; print(p.peak_memory())"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    peak = peak_memory()
    assert peak is not None
    assert int(done.stdout) < peak - held.nbytes // 2**21
