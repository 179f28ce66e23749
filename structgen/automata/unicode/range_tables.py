"""Reads tables of code points that are files of the package, written by programs in scripts/.

Each line is a name, a tab and ranges; the first line describes the source of the table. A range is written as
the gap since the end of the range before, and its length less one if that is not 0, in base 36. For example,
`1c-2 1` is the range of 3 code points from 48 on, (48, 50), and then, after a gap of 1, (52, 52).
"""

from __future__ import annotations

from importlib.resources import files

from structgen.automata.unicode.charsets import Ranges


def read_table(name: str) -> dict[str, str]:
    """Return the ranges of each line of a table, as text, by the name before the tab. `name`: the file."""
    text = files("structgen.automata.unicode").joinpath(name).read_text("ascii")
    _, *lines = text.splitlines()  # the first line says where the table is from
    return dict(line.split("\t") for line in lines)


def read_ranges(text: str) -> Ranges:
    """Return the ranges that a table writes as `text`, in the form that the module describes."""
    ranges: list[tuple[int, int]] = []
    end = 0
    for word in text.split():
        gap, _, range_length = word.partition("-")
        low = end + int(gap, 36)
        high = low + int(range_length or "0", 36)
        ranges.append((low, high))
        end = high + 1
    return tuple(ranges)
