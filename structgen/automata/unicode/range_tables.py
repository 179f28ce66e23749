"""Tables of code points in the package: lines of a name and ranges, as scripts/ writes them."""

from __future__ import annotations

from importlib.resources import files

from structgen.automata.unicode.charsets import Ranges


def read_table(name: str) -> dict[str, str]:
    """Return the lines of a table but its first, by what stands before the tab."""
    text = files("structgen.automata.unicode").joinpath(name).read_text("ascii")
    _, *lines = text.splitlines()  # the first line says where the table is from
    return dict(line.split("\t") for line in lines)


def read_ranges(text: str) -> Ranges:
    """Return ranges from how a table writes them.

    For each: the gap since the end of the one before, and one less than its length where that is not 0, in
    base 36.
    """
    ranges: list[tuple[int, int]] = []
    end = 0
    for word in text.split():
        gap, _, range_length = word.partition("-")
        low = end + int(gap, 36)
        high = low + int(range_length or "0", 36)
        ranges.append((low, high))
        end = high + 1
    return tuple(ranges)
