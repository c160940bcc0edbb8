"""tasks.py: it checks the machine first and names the remedy."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from helpers import paths


@pytest.fixture
def tasks(tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tasks", paths.root() / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.VENV = tmp_path / ".venv"
    module.PYTHON = tmp_path / ".venv" / "bin" / "python"
    return module


def stopped(tasks: ModuleType) -> str:
    with pytest.raises(tasks.Stop) as caught:
        tasks.check_machine()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple
) -> None:
    monkeypatch.setattr(tasks.sys, "version_info", (*version, 1))
    assert "Python 3.11 to 3.13 is needed" in stopped(tasks)


def test_a_python_that_makes_no_environments(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.importlib.util, "find_spec", lambda _: None)
    assert re.search(r"apt install python3\.\d+-venv", stopped(tasks))


def test_a_full_disk(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=3 * 2**30)
    monkeypatch.setattr(tasks.shutil, "disk_usage", lambda _: usage)
    assert "has 3.0 GB free, 8 GB are needed" in stopped(tasks)


def test_the_makefile_forwards_every_command(tasks: ModuleType) -> None:
    text = (paths.root() / "Makefile").read_text("utf-8")
    targets = re.search(r"(?m)^([\w ]+):\n\t@\$\(PYTHON\) tasks.py \$@$", text)
    assert targets is not None
    assert set(targets[1].split()) == {*tasks.COMMANDS, "help"}


def test_every_command_runs_one_thread_a_process(tasks: ModuleType) -> None:
    found = tasks.surroundings()
    assert {found["OMP_NUM_THREADS"], found["MKL_NUM_THREADS"]} == {"1"}


def test_a_site_without_its_chapters_says_what_to_run(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "00_x.py").write_text("")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "environment", lambda _: None)
    with pytest.raises(tasks.Stop, match="run `make book` first"):
        tasks.site()


def test_chapters_and_site_are_made_without_a_network(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYTHONPATH", "NETWORK_LOG"):
        monkeypatch.setenv(name, os.environ[name])  # put back afterwards
    alone = Path(__file__).parent / "alone"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "alone").symlink_to(alone)
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"

    def site(command: str) -> Path:
        subprocess.run([sys.executable, "-c", command], check=False)
        return tmp_path

    assert tasks.without_network(lambda: site("import socket")) == tmp_path
    with pytest.raises(tasks.Stop, match=r"asked for a network:\nsocket.connect to"):
        tasks.without_network(lambda: site(code))


def test_a_pdf_without_a_site_says_what_to_run(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "call", lambda *_: pytest.fail("nothing may start"))
    with pytest.raises(tasks.Stop, match=r"no site in .*: run `make book` first"):
        tasks.pdf()
