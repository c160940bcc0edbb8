"""Let docstrings be plain text: what reads as markup by accident is taken as it is.

A bar, as in |a - b|, would be a substitution, a star before a word, as in *args, the
start of an emphasis, recall@10 an address for mail, and a backslash would vanish.
Literals, mathematics, doctests and directives stay as they are.
"""

import re
from typing import Any

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``|`[^`]*`)", re.DOTALL)
BAR, STAR, BACKSLASH = r"\|", r"(?<!\w)\*(?=\w+\b(?![^*]*\*))", r"\\(?=[A-Za-z])"
AT = r"(?<=\w)@(?=\w)"
MARKUP = re.compile(rf"(?<!\\)({BAR}|{STAR}|{BACKSLASH}|{AT})")


def escape(text: str) -> str:
    r"""Return a paragraph of a docstring in which bars and lone stars are text.

    >>> print(escape("mean of |a - b|, for any *args, as `x|y` and *here* say, a@1"))
    mean of \|a - b\|, for any \*args, as `x|y` and *here* say, a\@1
    """
    if text.lstrip().startswith((">>>", "+-", "| ", "..")):
        return text
    parts = LITERAL.split(text)
    parts[::2] = [MARKUP.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def process(app: Sphinx, what: str, name: str, obj: Any, _: Any, lines: list[str]):
    """Escape a docstring in place, but for the blocks after a double colon."""
    block: int | None = None  # the indent of the paragraph that opened a literal block
    paragraphs = re.split(r"(\n[ \t]*\n)", "\n".join(lines))
    for i, text in enumerate(paragraphs[::2]):
        indent = len(text) - len(text.lstrip(" "))
        if block is not None and indent > block:
            continue
        paragraphs[2 * i] = escape(text)
        opens = text.rstrip().endswith("::") or text.lstrip().startswith("..")
        block = indent if opens else None
    lines[:] = "".join(paragraphs).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
