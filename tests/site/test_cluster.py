"""The page on many machines: its numbers are measured, its code is code."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
from torchvision.models._meta import _IMAGENET_CATEGORIES

from helpers.chapters import cost_tokens
from helpers.language import text_tower
from helpers.settings import Refused

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "cluster.md").read_text("utf-8")
GROWTH = ROOT / "tests" / "benchmarks" / "growth.json"

ROWS = {  # as the page calls them
    "files": ("Files", "{:,.0f}"),
    "megabytes": ("Size, MB", "{:,.0f}"),
    "listing": ("Listing them, s", "{:.2g}"),
    "asking": ("Finding nothing to train, s", "{:.2g}"),
    "reading": ("Reading all records, s", "{:.2g}"),
    "memory": ("Memory for them, MB", "{:,.0f}"),
}


def table() -> str:
    """The table of the page, from what was measured."""
    rows = json.loads(GROWTH.read_text("utf-8"))["rows"]
    head = ["Runs in the store", *(f"{row['runs']:,}" for row in rows)]
    lines = [head, ["---", *["--:"] * len(rows)]]
    lines += [
        [title, *(form.format(row[name]) for row in rows)]
        for name, (title, form) in ROWS.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def test_the_table_is_what_was_measured() -> None:
    assert table().replace("| --- | --: |", "|---|--:|").splitlines()[2:] == [
        line
        for line in PAGE.split("| Runs in the store |")[1].splitlines()[2:]
        if line.startswith("|")
    ]


def test_its_code_uses_what_is_there() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) == 3
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, one.name) for one in node.names)


def test_its_lines_fit_a_phone() -> None:
    """Code scrolls, but what it says is better read without."""
    for block in re.findall(r"```\w+\n(.*?)```", PAGE, flags=re.S):
        assert max(map(len, block.splitlines())) <= 88


def test_what_it_says_of_imagenet_is_counted() -> None:
    names = [*_IMAGENET_CATEGORIES]
    assert (names[264], names[474]) == ("Cardigan", "cardigan")
    form = cost_tokens.FORMS[0]
    with pytest.raises(Refused, match="ardigan"):
        form.prompts(names)
    names[474] = "cardigan jumper"
    counted = [
        int(cost_tokens.tokens(form, of, 64)[cost_tokens.SHARED])
        for of in (names, cost_tokens.CIFAR100)
    ]
    mask = text_tower.build_trie(form.prompts(names)).mask
    assert f"{counted[0]:,} tokens for 1,000 names against {counted[1]}" in PAGE
    assert f"mask has {mask.nbytes / 1e6:.0f} MB" in PAGE
    assert f"take {1_281_167 * 3 * 224**2 / 1e9:.0f} GB" in re.sub(r"\s+", " ", PAGE)
