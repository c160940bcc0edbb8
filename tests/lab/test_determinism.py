"""The same settings are the same bits, whoever trains them: all but provenance."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from helpers import paths
from helpers.lab.runs import Run, place, train_or_load
from helpers.methods.presets import preset
from helpers.report.determinism import promise
from helpers.settings import CrossEntropy, RunSettings

FILES = ("config.json", "history.csv", "model.safetensors", "record.json")

# A chapter of its own: the command line trains its run, its notebook another one.
COMMAND = """
import sys
from pathlib import Path
from helpers import paths, run
from helpers.chapters import CHAPTERS, Chapter
from helpers.settings import RunSettings

class Small(Chapter):
    settings: str
    elsewhere: str

    def arms(self):
        text = Path(self.settings).read_text("utf-8")
        return {"all": [RunSettings.model_validate_json(text)]}

if __name__ == "__main__":
    CHAPTERS["99_small"] = Small
    root = Path(sys.argv[1])
    paths.root = lambda: root
    words = [word for pair in sys.argv[2:] for word in ("-p", pair)]
    raise SystemExit(run.main(["99_small", *words]))
"""
NOTEBOOK = """
# %% tags=["parameters"]
settings: str = ""
elsewhere: str = ""

# %%
import os
from pathlib import Path
from helpers import paths
from helpers.lab.runs import train_or_load
from helpers.settings import RunSettings

os.environ[paths.VARIABLE] = elsewhere
run = train_or_load(RunSettings.model_validate_json(Path(settings).read_text("utf-8")))
print(run.folder.name)
"""


def kept(folder: Path, names: tuple[str, ...] = FILES) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture
def root(home: Path) -> Path:
    """A book with one chapter, of this package."""
    made = home / "root"
    (made / "nbs").mkdir(parents=True)
    (made / "helpers").symlink_to(paths.root() / "helpers")
    (made / "book").symlink_to(paths.root() / "book")
    (made / "nbs" / "profiles").symlink_to(paths.root() / "nbs" / "profiles")
    notebook = jupytext.reads(NOTEBOOK, "py:percent")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    jupytext.write(notebook, made / "nbs" / "99_small.ipynb")
    jupytext.write(notebook, made / "nbs" / "99_small.py", fmt="py:percent")
    return made


def test_a_command_and_a_notebook_train_the_same_bits(
    home: Path, root: Path, small: RunSettings
) -> None:
    """Workers do, too: see test_grid.py, and test_executors.py for those of Dask."""
    words = {"language": "random-tower", "dropout": 0.5, "shuffle": True}
    method = preset("paper", epochs=2, batch=32, **words)
    settings = small.model_copy(update={"method": method})
    (home / "settings.json").write_text(settings.model_dump_json())
    (home / "command.py").write_text(COMMAND)
    here = train_or_load(settings)
    names = (*FILES, "text.safetensors")
    expected = kept(here.folder, names)
    shutil.rmtree(here.folder)

    given = (f"settings={home}/settings.json", f"elsewhere={home}/notebook")
    done = subprocess.run(
        [sys.executable, home / "command.py", root, *given],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.root(),
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of 2" in done.stdout
    assert kept(here.folder, names) == expected
    by_notebook = home / "notebook" / here.folder.relative_to(home)
    assert kept(by_notebook, names) == expected
    said = [Run(settings, one).provenance for one in (here.folder, by_notebook)]
    assert said[0]["training"]["determinism"]["bits"]
    assert said[0].keys() == said[1].keys()


@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_sixteen_bits_on_a_processor_are_the_same_bits(
    home: Path, small: RunSettings, precision: str
) -> None:
    method = CrossEntropy(epochs=1, batch=32, precision=precision)
    settings = small.model_copy(update={"method": method})
    first = kept(train_or_load(settings).folder)
    shutil.rmtree(place(settings))
    again = train_or_load(settings)
    assert kept(again.folder) == first
    says = again.provenance["training"]["determinism"]
    assert says == promise("cpu", precision)


@pytest.mark.parametrize(
    ("device", "bits"), [("cpu", True), ("cuda:1", False), ("mps", False)]
)
def test_what_is_not_the_same_bits_is_named(device: str, bits: bool) -> None:
    says = promise(device)
    assert says["bits"] is bits
    assert ("not measured" in says["says"]) is not bits
    json.dumps(says, allow_nan=False)
