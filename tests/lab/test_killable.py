"""What surrounds the trainer: signals end a training as what they are."""

import signal
from pathlib import Path

import pytest

from helpers.lab import fit, runs
from helpers.lab.runs import train_or_load
from helpers.settings import Refused, RunSettings


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Refused)],
)
def test_a_signal_stops_a_training_which_goes_on_when_asked_again(
    number: signal.Signals,
    raised: type[BaseException],
    home: Path,
    small: RunSettings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 1 "):
            signal.raise_signal(number)

    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(raised) as caught:
        train_or_load(small, stop)
    assert "\n" not in str(caught.value)
    assert {one: signal.getsignal(one) for one in kept} == kept
    assert not runs.place(small).exists()
    if number == signal.SIGTERM:  # it ends at the next step
        assert list(home.rglob(fit.CHECKPOINT))
    lines: list[str] = []
    train_or_load(small, lines.append)
    assert runs.is_whole(runs.place(small))
    assert capfd.readouterr().err.count("Traceback") == 0
