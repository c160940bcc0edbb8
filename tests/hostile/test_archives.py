"""Archives that torchvision unpacks for us: none but the known ones."""

import io
import pickle
import tarfile
from pathlib import Path

import pytest
from torchvision.datasets import utils

from helpers.data import downloads
from tests.hostile.broken import answer
from tests.hostile.test_weights import Trap


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(utils, "_urlretrieve", cut)
    monkeypatch.setattr(utils, "_get_redirect_url", cut)


def hostile_tar(file: Path, *names: str) -> None:
    """Members that climb out, a link that leads out and a file behind it."""
    with tarfile.open(file, "w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"out"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("link")
            link.type, link.linkname = kind, "../../beside.txt"
            archive.addfile(link)
        info = tarfile.TarInfo("link")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"out"))


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_an_archive_in_the_place_of_cifar(fence: Path, name: str) -> None:
    for file in ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz"):
        hostile_tar(fence / file, "../../up.txt", "/tmp/up.txt", "../up.txt")
    line = answer(
        fence, lambda: downloads.read_cifar(name, fence, "train", 4, 32), name
    )
    assert "could not be downloaded" in (line or "")
    assert {path.suffix for path in fence.iterdir()} <= {".gz", ""}


def test_pickles_in_the_place_of_cifar(fence: Path) -> None:
    """Batches are pickles; only those of the known hash are loaded."""
    folder = fence / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        trap = pickle.dumps(Trap(fence / "sprung"))
        (folder / f"data_batch_{number}").write_bytes(trap)
    for name in ("test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap(fence / "sprung")))
    call = lambda: downloads.read_cifar("cifar10", fence, "train", 4, 32)  # noqa: E731
    assert answer(fence, call, "cifar10") is not None
    assert not (fence / "sprung").exists()


def test_an_archive_in_the_place_of_imagenette(fence: Path) -> None:
    hostile_tar(fence / "imagenette2-160.tgz", "../../up.txt", "/tmp/up.txt")
    call = lambda: downloads.read_imagenette(fence, "train", 4, 32)  # noqa: E731
    assert answer(fence, call, "imagenette") is not None
    assert not (fence / "imagenette2-160").exists()
