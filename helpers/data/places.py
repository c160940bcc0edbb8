"""Paths that someone gave, and names of files in other files: checked before use."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from helpers.settings import Refused


def expanded(text: str) -> Path:
    """Return a path as it was given, its `~` replaced.

    Raises:
        Refused: what no file can be called, or the home of somebody unknown.
    """
    try:
        path = Path(text).expanduser()
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return path
    except (OSError, ValueError, RuntimeError) as error:
        shown = text if len(text) < 80 else text[:76] + " ..."
        said = getattr(error, "strerror", None) or str(error)
        raise Refused(f"{shown!r} is no path ({said}): give another") from None
    return path


def inside(folder: Path, name: str, source: Path) -> Path:
    """Return the place of a file that another file names, below a folder.

    Raises:
        Refused: a name that leads out of the folder, or that no file can have.
    """
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    rooted = PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    if not parts or rooted or ".." in parts or "\0" in name:
        shown = name if len(name) < 80 else name[:76] + " ..."
        raise Refused(
            f"'{source}' names the file {shown!r}, which leads out of '{folder}': "
            "names are below that folder"
        )
    return folder / name


def is_there(file: Path) -> bool:
    """Tell whether a file is there; no file has a name that the disk does not take."""
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False
