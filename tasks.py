"""The commands of this book, with nothing but Python's standard library.

    python tasks.py book     environment, runs, chapters, site
    python tasks.py test     every check, and every chapter in small
    python tasks.py torture  faults and hostile input, ten times as often as in test
    python tasks.py site     the site alone, from chapters that are there
    python tasks.py pdf      the built site as one PDF and one archive, linked from it
    python tasks.py lab      JupyterLab with notebooks paired to their scripts
    python tasks.py sync     bring nbs/*.ipynb to their .py
    python tasks.py bench    the benchmarks; numbers after it choose rows, as 4 11
    python tasks.py classroom  students' and teachers' notebooks, from the chapters
    python tasks.py fresh    drop runs, executed chapters and the site

The environment is made in .venv, or in the folder that the variable VENV names, with
the tested versions of constraints.txt (CONSTRAINTS= empty: with the ranges alone).
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("VENV", ROOT / ".venv")).absolute()
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
SPACE = 8  # GB for environment, runs and site
GRACE = 5  # seconds that a command has to end after Ctrl-C


class Stop(Exception):  # noqa: N818
    """What stops a command, in one line."""


def check_machine() -> None:
    """Check Python, its venv module and the disk; name the remedy."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise Stop(
            f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: run "
            "`make PYTHON=python3.12 ...` or `python3.12 tasks.py ...`"
        )
    if not PYTHON.exists():
        if importlib.util.find_spec("ensurepip") is None:
            major, minor = sys.version_info[:2]
            raise Stop(
                "this Python cannot make environments: install its venv module "
                f"(Debian, Ubuntu: apt install python{major}.{minor}-venv)"
            )
        at = next(folder for folder in (VENV, *VENV.parents) if folder.exists())
        free = shutil.disk_usage(at).free / 2**30
        if free < SPACE:
            raise Stop(
                f"{at} has {free:.1f} GB free, {SPACE} GB are needed: free some, or "
                "set VENV to a folder on another disk"
            )


def environment(extra: str) -> None:
    """Make or update the environment with an extra of pyproject.toml."""
    constraints = os.environ.get("CONSTRAINTS", "constraints.txt")
    stamp = VENV / f".stamp-{extra}"
    # "test" holds all that "book" needs
    stamps = {"book": ("book", "test"), "test": ("test",)}[extra]
    mark = hashlib.sha256(constraints.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        mark.update((ROOT / name).read_bytes())
    want = f"{mark.hexdigest()} {ROOT}"
    for name in stamps:
        file = VENV / f".stamp-{name}"
        if PYTHON.exists() and file.exists() and file.read_text("utf-8") == want:
            return
    say(f"environment: {VENV} (downloads some GB the first time)")
    if not PYTHON.exists():
        call(sys.executable, "-m", "venv", VENV)
    words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if constraints:
        words += ["-c", ROOT / constraints]
    call(PYTHON, *words, "-e", f"{ROOT}[{extra}]")
    stamp.write_text(want, "utf-8")


def book() -> None:
    """Environment, grid of runs, chapters, site; prints the path to open."""
    environment("book")
    python("-m", "helpers.run", "all", "--profile", "book", "--publish")
    site()


def site() -> None:
    """Build the site from the executed chapters, warnings as errors."""
    environment("book")
    chapters = sorted((ROOT / "nbs").glob("[0-9][0-9]_*.py"))
    missing = [
        file.stem
        for file in chapters
        if not (ROOT / "book" / "chapters" / f"{file.stem}.ipynb").is_file()
    ]
    if missing:
        raise Stop(f"chapter {missing[0]} was not executed yet: run `make book` first")
    say(f"the book: {build_site() / 'index.html'}")


def pdf() -> None:
    """Print the built site as one PDF, pack it as one archive, link both from it."""
    built = ROOT / "_build" / "html"
    if not (built / "index.html").is_file():
        raise Stop(f"no site in {built}: run `make book` first")
    environment("book")
    python("-m", "helpers.offline", built)


def build_site(root: Path = ROOT) -> Path:
    """Run Jupyter Book in a folder; its log is shown only where it fails."""
    say("site: building")
    built = root / "_build"
    for left in ("html", ".doctrees", "jupyter_execute"):  # or warnings stay unseen
        shutil.rmtree(built / left, ignore_errors=True)
    words = ["jupyter-book", "build", "book", "-W", "-n", "--keep-going"]
    done = subprocess.run(
        [SCRIPTS / words[0], *words[1:]],
        cwd=root,
        env=surroundings(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.splitlines()
        found = [one for one in lines if "WARNING" in one or "ERROR" in one]
        print("\n".join(found) or done.stdout[-8000:])
        raise Stop("the site was not built: see the warnings above")
    return built / "html"


def small_site() -> Path:
    """Execute every chapter under profile smoke, build a site of them apart."""
    root = ROOT / "_build" / "smoke"
    python(
        *("-m", "helpers.run", "all", "--profile", "smoke"),
        *("--publish", root / "book" / "chapters"),
    )
    for name in ("_config.yml", "book"):
        source, target = ROOT / name, root / name
        if source.is_file():
            shutil.copy(source, target)
            continue
        for old in target.iterdir():
            if old.name != "chapters":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(
            source,
            target,
            ignore=shutil.ignore_patterns("chapters", "__pycache__"),
            dirs_exist_ok=True,
        )
    return build_site(root)


def test() -> None:
    """Style, types, spelling, the chapters in small, their site, and all tests."""
    environment("test")
    python("-m", "ruff", "check", ".")
    python("-m", "ruff", "format", "--check", "--quiet", ".")
    python("-m", "mypy")
    python("-m", "codespell_lib", "--toml", "pyproject.toml")
    os.environ["SITE"] = str(without_network(small_site))
    python("-m", "pytest", "-n", "2", *sys.argv[2:])


def without_network(make: Callable[[], Path]) -> Path:
    """Return what is made by processes that may speak to this machine alone."""
    log = ROOT / "_build" / "network.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("", "utf-8")
    os.environ["PYTHONPATH"] = str(ROOT / "tests" / "alone")
    os.environ["NETWORK_LOG"] = str(log)
    made = make()
    if asked := log.read_text("utf-8"):
        raise Stop(f"a chapter or the site asked for a network:\n{asked}")
    return made


def torture() -> None:
    """Run the tests of faults and hostile input with ten times as many trials."""
    environment("test")
    os.environ["TORTURE"] = "1"
    python("-m", "pytest", "-m", "torture", *sys.argv[2:])


def lab() -> None:
    """Open JupyterLab in nbs/, notebooks paired to their scripts."""
    environment("book")
    call(PYTHON, "-m", "pip", "install", "--quiet", "jupyterlab>=4,<5")
    sync()
    call(SCRIPTS / "jupyter-lab", "nbs")


def sync() -> None:
    """Bring nbs/*.ipynb to their .py: the scripts are the source."""
    environment("book")
    for script in sorted((ROOT / "nbs").glob("[0-9][0-9]_*.py")):
        call(SCRIPTS / "jupytext", "--quiet", "--to", "ipynb", "--update", script)


def bench() -> None:
    """Run the benchmarks: ratios of interleaved pairs, printed, and as bench.json."""
    environment("test")
    python(ROOT / "tests" / "benchmarks", *sys.argv[2:])


def classroom() -> None:
    """Write notebooks for students and teachers to _build/classroom."""
    environment("book")
    python("-m", "helpers.classroom", *sys.argv[2:])


def fresh() -> None:
    """Drop runs, executed chapters and the site; the environment stays."""
    for folder in ("runs", "book/chapters", "_build"):
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    say("dropped: runs, book/chapters, _build")


def python(*words: object) -> None:
    """Run the environment's Python."""
    call(PYTHON, *words)


def call(*words: object) -> None:
    """Run a command at the root; stop if it fails."""
    command = [str(word) for word in words]
    with subprocess.Popen(command, cwd=ROOT, env=surroundings()) as child:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            end(child)
            raise
    if status:
        shown = " ".join(command[1:5])
        raise Stop(f"`{shown} ...` failed with status {status}")


def end(child: subprocess.Popen) -> None:
    """Let a command end by the Ctrl-C that reached it too; else ask, then force it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ask = child.terminate if os.name == "nt" else lambda: child.send_signal(2)
    for act in (lambda: None, ask, child.kill):
        act()
        try:
            child.wait(GRACE)
            return
        except subprocess.TimeoutExpired:
            continue


def surroundings() -> dict[str, str]:
    """Return the environment variables of all commands: one thread a process."""
    one = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    )
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **one, "PATH": path, "PYTHONUNBUFFERED": "1"}


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


STARTED = time.monotonic()
TASKS = (book, test, torture, site, pdf, lab, sync, bench, classroom, fresh)
COMMANDS = {task.__name__: task for task in TASKS}


def main() -> int:
    """Run the command that is named; return the exit status."""
    name = sys.argv[1] if len(sys.argv) > 1 else "help"
    if name not in COMMANDS:
        print(__doc__)
        return 0 if name in ("help", "-h", "--help") else 2
    try:
        check_machine()
        COMMANDS[name]()
    except Stop as reason:
        print(f"tasks.py {name}: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"tasks.py {name}: stopped; call it again to go on", file=sys.stderr)
        return 130
    say("done")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
