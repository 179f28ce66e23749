"""`digests.txt`: a line for each case and vocabulary, sorted; what differs between two of them, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

Line = dict[str, str]
"""What is said of one case under one vocabulary, by kind."""

DIGESTS = Path(__file__).with_name("digests.txt")
_TRAIL = re.compile("[0-9a-f]{8}:([-_A-Za-z0-9]+)")
_HEAD = """\
# What structgen answers, as digests: written by `make golden BLESS=1`, explained in docs/inside/testing.md.
"""


class Difference(NamedTuple):
    """A kind of answer that is not what it was."""

    name: str
    kind: str
    step: int | None
    """The first answer of the kind that differs; None where they are not counted."""
    before: str
    now: str


def write(lines: Mapping[str, Line]) -> str:
    """Return the text of lines by their names."""
    rows = (
        " ".join([name, *(f"{kind}={said}" for kind, said in line.items() if said != "-")])
        for name, line in sorted(lines.items())
    )
    return _HEAD + "".join(f"{row}\n" for row in rows)


def read(text: str) -> dict[str, Line]:
    """Return the lines by their names."""
    found: dict[str, Line] = {}
    for row in text.splitlines():
        if not row.startswith("#"):
            name, *parts = row.split(" ")
            found[name] = dict(part.split("=", 1) for part in parts)
    return found


def differences(
    before: Mapping[str, Line], now: Mapping[str, Line], names: Iterable[str]
) -> list[Difference]:
    """Return what differs in the named lines, each line's first differing kinds first."""
    found: list[Difference] = []
    for name in sorted(names):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            found.append(
                Difference(name, "line", None, "-" if old is None else "was", "-" if new is None else "is")
            )
            continue
        kinds = dict.fromkeys([*old, *new])
        found += [
            Difference(name, kind, _step(was, has), was, has)
            for kind in kinds
            if (was := old.get(kind, "-")) != (has := new.get(kind, "-"))
        ]
    return found


def _step(before: str, now: str) -> int | None:
    """Return the first letter that differs in the trails of two digests."""
    trails = _TRAIL.fullmatch(before), _TRAIL.fullmatch(now)
    if trails[0] is None or trails[1] is None:
        return None
    old, new = trails[0][1], trails[1][1]
    for at, (was, has) in enumerate(zip(old, new, strict=False)):
        if was != has:
            return at
    return min(len(old), len(new), max(len(old), len(new)) - 1)
