"""Tables of code points in the package: lines of a name and ranges, as scripts/ writes them."""

from __future__ import annotations

from importlib.resources import files

from structgen.automata.unicode.charsets import Ranges


def read_table(name: str) -> dict[str, str]:
    """Return the lines of a table but its first, by what stands before the tab."""
    text = files("structgen.automata.unicode").joinpath(name).read_text("ascii")
    return dict(line.split("\t") for line in text.splitlines()[1:])


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
        end = low + (int(range_length, 36) if range_length else 0) + 1
        ranges.append((low, end - 1))
    return tuple(ranges)
