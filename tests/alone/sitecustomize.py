"""No process of the tests speaks to another machine.

Python imports this by itself wherever its folder is on PYTHONPATH: so in this process,
in workers, in kernels of chapters and in commands that a test starts. A connection, a
datagram or a name to look up, unless it stays on this machine, is an `OSError`, and a
line in the file that NETWORK_LOG names: a test that made it fails, even where the error
was caught. What is not Python, as a browser, is not seen.
"""

import ipaddress
import os
import socket
import sys

NAMES = {"", "localhost", socket.gethostname()}
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def is_here(host: object) -> bool:
    """Tell whether a name or an address is that of this machine."""
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text in NAMES
    return address.is_loopback or address.is_unspecified


def is_address(host: object) -> bool:
    """Tell whether it is an address already, so that nobody is asked."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def watch(event: str, words: tuple) -> None:
    """Refuse what would leave this machine."""
    if event in LOOKUPS:
        if not is_here(words[0]) and not is_address(words[0]):
            refuse(event, words[0])
    elif event in ("socket.connect", "socket.sendto"):
        one, address = words
        # A datagram socket that is connected has sent nothing yet.
        silent = event == "socket.connect" and one.type & socket.SOCK_DGRAM
        if isinstance(address, tuple) and not silent and not is_here(address[0]):
            refuse(event, address)


def refuse(event: str, where: object) -> None:
    """Keep a line of it, and raise."""
    line = f"{event} to {where} by {' '.join(sys.orig_argv)[:200]!r}"
    if log := os.environ.get("NETWORK_LOG"):
        with open(log, "a", encoding="utf-8") as kept:  # noqa: PTH123
            kept.write(line + "\n")
    raise OSError(f"the tests use no network: {line}")


sys.addaudithook(watch)
