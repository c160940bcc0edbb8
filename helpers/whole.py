"""Files that are whole or not there: written beside their places, then moved."""

from collections.abc import Mapping
from pathlib import Path


def write_whole(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files, each whole or not at all, and none unless all could be.

    They are moved to their places in the order given. Text is written as UTF-8.

    Raises `OSError` where they cannot be written; nothing is left beside them then.
    """
    beside = {file: file.with_name(f".{file.name}.writing") for file in contents}
    try:
        for file, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            beside[file].write_bytes(data)
        for file in contents:
            beside[file].replace(file)
    finally:
        for file in beside.values():
            file.unlink(missing_ok=True)
