"""One source of dependencies: pyproject.toml; all other files agree with it."""

import ast
import re
import sys
import tomllib

import yaml
from packaging.requirements import Requirement

from helpers import paths

ROOT = paths.root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
IMPORT_NAMES = {"open_clip_torch": "open_clip", "pyyaml": "yaml", "pillow": "PIL"}
IMPORT_NAMES |= {"grad-cam": "pytorch_grad_cam", "jupyter-book": "jupyter_book"}
IMPORT_NAMES |= {"pot": "ot"}
IMPORT_NAMES |= {"sphinx-exercise": "sphinx_exercise", "pre-commit": "pre_commit"}


def requirements() -> dict[str, Requirement]:
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(text) for items in lists for text in items]
    return {one.name.lower(): one for one in found if one.name != PROJECT["name"]}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if "==" in line]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


def test_every_import_is_declared() -> None:
    declared = {IMPORT_NAMES.get(n, n).replace("-", "_") for n in requirements()}
    declared |= set(sys.stdlib_module_names) | {"helpers", "nbformat", "nbclient"}
    used = set()
    for folder in ("helpers", "nbs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    used |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    used.add(node.module.split(".")[0])
    assert used - declared == set()


def test_the_tested_versions_lie_in_the_ranges() -> None:
    pins = constraints()
    for name, requirement in requirements().items():
        version = pins[re.sub(r"[-_.]+", "-", name)]
        assert requirement.specifier.contains(version), f"{name} {version}"


def test_constraints_name_no_address_and_no_card() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert not re.search(r"(?im)^(nvidia|triton|cuda)|://|@ |--", text)


def test_the_conda_environment_names_no_python_package() -> None:
    whole = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    *plain, by_pip = whole["dependencies"]
    assert plain == ["python=3.11", "pip"]
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[book]"]}


def test_lightning_is_never_a_malicious_upload() -> None:
    specifier = requirements()["lightning"].specifier
    assert not specifier.contains("2.6.2")
    assert not specifier.contains("2.6.3")


def test_the_readme_gives_every_dependency_its_reason() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    missing = [name for name in requirements() if f"| {name} |" not in text.lower()]
    assert missing == []
