"""The built site as one archive, and both downloads on its front page."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from helpers.settings import Refused

FOLDER = "download"  # of the site; never in the archive
MARK = "<!-- downloads -->"
FILLED = re.compile(rf'{MARK}(?:<p class="downloads">.*?</p>)?', re.DOTALL)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that an archive can hold


def archive(site: Path, target: Path) -> int:
    """Pack a site into one archive and return the number of its files.

    It unpacks into a folder of its own. Equal sites make equal archives: names are
    sorted, times and rights are fixed.
    """
    files = sorted(path for path in site.rglob("*") if path.is_file())
    packed = 0
    beside = target.with_suffix(".writing")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as whole:
        for path in files:
            name = path.relative_to(site)
            if name.parts[0] == FOLDER or name.name.startswith("."):
                continue
            entry = zipfile.ZipInfo(f"{target.stem}/{name.as_posix()}", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # so that the rights below are read
            entry.external_attr = 0o644 << 16
            whole.writestr(entry, path.read_bytes())
            packed += 1
    beside.replace(target)
    return packed


def require_place(front: Path) -> None:
    """Raise `Refused` where a front page has no mark, at which files can be linked."""
    if MARK not in front.read_text("utf-8"):
        raise Refused(f"'{front}' has no line {MARK}, where its downloads are linked")


def link(front: Path, downloads: Mapping[str, Path]) -> None:
    """Write links to files of the site at the mark of a front page, in place of others.

    `downloads` holds each file by what the link says; none at all empties the mark.
    Raises `Refused` where the page has no mark.
    """
    require_place(front)
    text = front.read_text("utf-8")
    links = [
        f'<a href="{file.relative_to(front.parent).as_posix()}" download>{words}</a> '
        f"({file.stat().st_size / 1e6:.0f} MB)"
        for words, file in downloads.items()
    ]
    shown = f'<p class="downloads">To take along: {" and ".join(links)}.</p>'
    filled = MARK + shown * bool(links)
    front.write_text(FILLED.sub(lambda _: filled, text), "utf-8")
