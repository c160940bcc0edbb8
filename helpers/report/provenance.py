"""Where a number comes from: commit, versions, device, thread count, memory, date."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from helpers import __version__, paths
from helpers.report import margins
from helpers.report.determinism import promise

PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "lightning",
    "numpy",
    "scipy",
    "pandas",
    "papermill",
)


def commit() -> tuple[str, bool]:
    """Return the commit of the checkout and whether tracked files differ from it.

    In an exported tree, the variable `GIT_COMMIT`; else "unknown".
    """
    if not (paths.root() / ".git").exists():
        return os.environ.get("GIT_COMMIT", "unknown"), False
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("GIT_COMMIT", "unknown"), False
    return head, bool(changed)


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide numbers."""
    found = {"python": platform.python_version(), "book": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_name(device: str = "cpu") -> str:
    """Return the device in words: the graphics card, or the processor."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory() -> int | None:
    """Return the peak memory of this process in MB, where the system tells it.

    From Linux by /proc: `getrusage` also counts what the process that started this one
    held at that moment.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 2**10
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (2**20 if sys.platform == "darwin" else 2**10))


def provenance(
    seconds: float,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "32",
) -> dict[str, Any]:
    """Return all of it as a JSON-ready mapping; `seconds` is what the work took."""
    head, dirty = commit()
    return {
        "commit": head,
        "dirty": dirty,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "device": device_name(device),
        "threads": threads or torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "determinism": promise(device, precision),
        "peak_memory_mb": peak_memory(),
        "margins_sha256": margins.digest(),
        "versions": versions(),
    }


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=paths.root(), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
