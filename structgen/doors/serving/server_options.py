"""What may be chosen of a server beside its model: keys and limits."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import OptionError

KEY_VARIABLE: Final = "STRUCTGEN_API_KEY"


_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:@/?#]+)(?::\d*)?")
"""A header Host: a name or an address, perhaps a port."""
_NAME: Final = re.compile(r"\[[0-9a-f:.]+\]|(\*\.)?[^\s\[\]:@/?#*]+")
"""A name that may be allowed: without a port, perhaps with all names below it."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Keys and limits of a server. Times in seconds, sizes in bytes."""

    keys: tuple[str, ...] = ()
    """Keys that open `/v1`; (): it is open to everybody who reaches the address."""
    hosts: tuple[str, ...] = ()
    """Names that the header Host may have, `*.name` for those below one; () and `*`: any. A page in a browser
    whose name was made to lead to this machine (DNS rebinding) sends its own."""
    addresses: bool = False
    """Whether the header may have any address: nobody can make it lead elsewhere."""
    max_body: int = 8 << 20
    body_seconds: float = 30.0
    """How long a header and a body may take to arrive, and a client to take one piece of an answer."""
    readers: int = 4
    """Bodies that are read at the same time, each in a thread."""
    files: Path | None = None
    """The folder of what clients keep, for so many days, and of so many bytes: for each key, and in all.
    None: there are neither files nor batches."""
    files_days: int = 30
    key_bytes: int = 1 << 29
    files_bytes: int = 1 << 33

    def answers_to(self, header: str) -> bool:
        """Tell whether a header Host, its port aside, has one of the names."""
        if not self.hosts or "*" in self.hosts:
            return True
        host = _HOST.fullmatch(header.strip().lower())
        if host is None:
            return False
        name = host[1].removesuffix(".")
        below = (host[1:] for host in self.hosts if host.startswith("*"))
        return name in self.hosts or any(map(name.endswith, below)) or (self.addresses and _is_address(name))


def named_server(
    host: str,
    address: str,
    allowed_names: Sequence[str],
    **options: Any,
) -> ServerOptions:
    """Return the options of a server at `host`, whose address is `address`. It answers to its own names, to
    those that are allowed, and to the names of loopback. Where other machines reach it, it answers to this
    machine's name, and to all addresses, of which it may not know its own. Errors: OptionError for what is no
    name."""
    names = (host, *allowed_names)
    host_names = [f"[{name}]" if name.count(":") > 1 and name[0] != "[" else name.lower() for name in names]
    wrong = next((name for name in host_names if name != "*" and not _NAME.fullmatch(name)), None)
    if wrong is not None:
        raise OptionError(
            f"{wrong!r} is not the name of a host.",
            where="--allowed-host",
            cure="Write it without http:// and without a port: models.example, *.example, or * for any.",
        )
    # who reaches the server from elsewhere may use any of its addresses
    is_open = not is_loopback(address)
    return ServerOptions(
        hosts=("localhost", "127.0.0.1", "[::1]", *host_names) + (socket.gethostname().lower(),) * is_open,
        addresses=is_open,
        **options,
    )


def is_loopback(address: str) -> bool:
    """Tell whether only programs of this machine reach an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False


def read_keys(file: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the keys in a file, one a line, and in the variable STRUCTGEN_API_KEY. Errors: OptionError."""
    lines = [environment.get(KEY_VARIABLE, "").strip()]
    if file is not None:
        try:
            lines += map(str.strip, file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(
                f"The file of keys cannot be read: {error}.",
                where="--api-key-file",
                cure="Name a text file with a key on each line.",
            ) from None
        if not any(lines[1:]):
            raise OptionError(
                "The file of keys is empty.", where="--api-key-file", cure="Write one on each line."
            )
    keys = tuple(line for line in lines if line)
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise OptionError(
            "A key contains a character that a header cannot contain.",
            where="API key",
            cure="Use letters and digits.",
        )
    return keys
