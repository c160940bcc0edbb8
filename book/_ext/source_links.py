"""Buttons that lead to the sources, where a repository is known.

Its address is the environment variable BOOK_REPOSITORY of the build (branch:
BOOK_BRANCH, else main). Without it there is no button. The page of a chapter is
an executed copy that no repository holds: its button leads to nbs/<name>.py, and the
rocket, on GitHub, opens nbs/<name>.ipynb on Binder or in Colab.
"""

import os
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

COPY, SOURCE = "/book/chapters/", "/nbs/"
BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"


def configure(app: Sphinx, config: Config) -> None:
    """Switch the buttons of the theme on if the repository is known."""
    if url := os.environ.get("BOOK_REPOSITORY", "").rstrip("/"):
        config.html_theme_options.update(
            repository_url=url,
            repository_branch=os.environ.get("BOOK_BRANCH", "main"),
            path_to_docs="book",
            use_repository_button=True,
            use_source_button=True,
        )
        if "://github.com/" in url:
            config.html_theme_options["launch_buttons"] = {
                "binderhub_url": BINDER,
                "colab_url": COLAB,
                "notebook_interface": "jupyterlab",
            }


def of_source(address: str) -> str:
    """Return the address of what is edited, given the one the theme made.

    >>> of_source("https://host/a/blob/main/book/chapters/00_b.ipynb?plain=1")
    'https://host/a/blob/main/nbs/00_b.py?plain=1'
    >>> of_source("https://host/a/blob/main/book/index.md")
    'https://host/a/blob/main/book/index.md'
    >>> of_source(BINDER + "/v2/gh/a/b/main?urlpath=lab/tree/book/chapters/0.ipynb")
    'https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/nbs/0.ipynb'
    """
    head, found, tail = address.partition(COPY)
    if not found:
        return address
    opened = address.startswith((BINDER, COLAB))
    return head + SOURCE + (tail if opened else tail.replace(".ipynb", ".py"))


def rewrite(app: Sphinx, page: str, template: str, context: Any, tree: Any) -> None:
    """Mend the addresses of all buttons of one page."""
    buttons = list(context.get("header_buttons", []))
    while buttons:
        button = buttons.pop()
        buttons += button.get("buttons", [])
        if "url" in button:
            button["url"] = of_source(button["url"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", configure)
    app.connect("html-page-context", rewrite, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
