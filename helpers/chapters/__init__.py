"""The parameters of each chapter and the runs it needs.

A later chapter adds a module beside `laboratory` and a line to `CHAPTERS`.
"""

from helpers.chapters.chapter import Chapter
from helpers.chapters.laboratory import Laboratory

CHAPTERS: dict[str, type[Chapter]] = {"00_laboratory": Laboratory}

__all__ = ["CHAPTERS", "Chapter", "Laboratory"]
