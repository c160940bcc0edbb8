"""What surrounds the trainer, so that it can be stopped or killed at any moment."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.lab.sums import checkpoint_is_whole
from helpers.lab.weights import Report
from helpers.settings import Refused


@contextmanager
def killable(folder: Path) -> Iterator[None]:
    """Let the trainer leave its temporary files in `folder` alone, and Ctrl-C stop it.

    Raises `KeyboardInterrupt` for Ctrl-C and `Refused` for SIGTERM, at both of which
    the trainer would leave the process, at the second with a status of success.
    """
    kept, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    except SystemExit as left:
        if isinstance(left.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from left
        raise Refused(
            "training was ended by a signal: it goes on from its last epoch when asked "
            "again"
        ) from left
    finally:
        tempfile.tempdir = kept


def drop_damaged(checkpoint: Path, report: Report | None) -> None:
    """Set a checkpoint aside whose content changed, which torch would not see."""
    if not checkpoint.is_file() or checkpoint_is_whole(checkpoint):
        return
    aside = checkpoint.with_suffix(".damaged")
    checkpoint.replace(aside)
    if report:
        report(
            f"checkpoint '{checkpoint}' is damaged: set aside as '{aside.name}', "
            "training starts anew"
        )
