"""Committed records: those that are there, and those that are not yet."""

import pandas as pd
import pytest

from helpers.report import records
from helpers.settings import Refused


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        (
            "07_nothing-some-study",
            "",
            "python -m helpers.run 07_nothing --profile some-study --record",
        ),
        ("07_nothing-cifar10", "make it so", "make it so"),
    ],
)
def test_a_record_that_is_not_there_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], name: str, command: str, said: str
) -> None:
    assert records.recorded(name, command) is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"The record {name} is not there yet. Make it with: {said}"
    with pytest.raises(Refused, match="is not in"):
        records.load(name)


def test_rows_of_a_record_or_one_that_says_there_is_none() -> None:
    def rows(record: records.Record) -> pd.DataFrame:
        return pd.DataFrame({"profile": [record["profile"]]})

    shown = records.of(None, rows)
    assert shown.to_dict("records") == [{"record": records.NOT_MADE}]
    there = records.recorded("03_training-study")
    assert there is not None
    assert records.of(there, rows)["profile"].tolist() == ["study"]


def test_other_parameters_are_said() -> None:
    own = {"parameters": {"epochs": 2, "seeds": [1]}}
    study = {"parameters": {"epochs": 64, "seeds": [1, 2]}}
    said = records.other_parameters(own, study)
    assert said == "The page's runs are of other parameters: epochs 2 here, 64 there."
    own["parameters"]["epochs"] = 64
    assert "seeds alone" in records.other_parameters(own, study)
    assert records.other_parameters(own, None) == "No study is recorded."
