"""Import the package and execute a chapter: `unshare -rn python chapter.py HOME cut`.

In a network of its own, which has nothing but the loopback: what is in there but Python
is cut off as well. A line tells what was done.
"""

import fcntl
import importlib
import os
import pkgutil
import socket
import struct
import sys

UP, SET_FLAGS = 1, 0x8914  # IFF_UP, SIOCSIFFLAGS


def start_loopback() -> None:
    """Let this network's processes speak to each other, as kernels must."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh14x", b"lo", UP))


def main() -> int:
    """Return the exit status of the chapter."""
    os.environ["DOES_LANGUAGE_EXPLAIN_HOME"] = sys.argv[1]
    if sys.argv[2] == "cut":
        start_loopback()
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
    import helpers
    from helpers import run

    found = pkgutil.walk_packages(helpers.__path__, "helpers.")
    names = [one.name for one in found if not one.name.endswith("__main__")]
    for name in names:
        importlib.import_module(name)
    print(f"imported {len(names)} modules")
    return run.main(["90_published", "--profile", "smoke"])


if __name__ == "__main__":
    raise SystemExit(main())
