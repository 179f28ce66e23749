"""Rows of a bench as dictionaries: printed as they come, and added to the day's file one by one, so that an
interrupt leaves what is done."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from records import load, versions, write


def tell(
    asked: argparse.Namespace,
    question: str,
    rows: Iterable[Mapping[str, Any]],
    packages: Sequence[str] = (),
    **about: object,
) -> list[dict[str, Any]]:
    """Print rows, write them to `asked.results`, and return them; floats have five digits.

    The columns are the keys of the first row; a row that lacks one has "" there. `packages`: whose versions
    stand in each row; `about`: what else does. `asked.more`, if there is such an option, keeps the rows that
    the day has.
    """
    found: list[dict[str, Any]] = []
    same = {"versions": versions(*packages), **about}
    for row in rows:
        if not found:
            print(question, "", " | ".join(row), sep="\n", flush=True)
            names = [*row]
        values = [row.get(name, "") for name in names]
        shown = [f"{one:.5g}" if isinstance(one, float) else one for one in values]
        print(" | ".join(map(str, shown)), flush=True)
        more = bool(found) or getattr(asked, "more", False)
        written = write(asked.results, question, {"load": load(), **same}, names, [shown], more=more)
        found.append(dict(row))
    if found:
        print(written)
    return found
