"""Write structgen/automata/unicode/idna_table.txt anew: the letters beyond ASCII that stand anywhere in
a label of IDNA 2008 (RFC 5892).

They are PVALID by the package idna; by this interpreter's unicodedata they are written from left to right,
are no marks, and compose with no letter before them. Run: python scripts/make_idna_table.py. The second line
of the table is a name, a tab, and ranges: for each the gap since the end of the one before, and one less than
its length where that is not 0, in base 36.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from idna import idnadata

TABLE = Path(__file__).parent.parent / "structgen" / "automata" / "unicode" / "idna_table.txt"


def base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = (string.digits + string.ascii_lowercase)[rest] + digits
        if not number:
            return digits


def written(points: Iterable[int]) -> str:
    words, end, first, last = [], 0, -1, -2
    for point in [*sorted(points), 1 << 30]:
        if point == last + 1:
            last = point
            continue
        if first >= 0:
            words.append(base36(first - end) + (f"-{base36(last - first)}" if last > first else ""))
            end = last + 1
        first = last = point
    return " ".join(words)


def composing() -> set[str]:
    """Return the characters that compose with one before them."""
    found = set()
    for point in range(0x110000):
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (chr(int(part, 16)) for part in parts)
            if unicodedata.normalize("NFC", first + second) == chr(point):
                found.add(second)
    return found


def main() -> None:
    packed = idnadata.codepoint_classes["PVALID"]
    allowed = (chr(point) for pair in packed for point in range(max(pair >> 32, 0x80), pair & 0xFFFFFFFF))
    seconds = composing()
    letters = [
        ord(char)
        for char in allowed
        if unicodedata.bidirectional(char) == "L"
        and unicodedata.category(char)[0] != "M"
        and char not in seconds
    ]
    head = f"Unicode {unicodedata.unidata_version}, idna {idnadata.__version__}"
    TABLE.write_text(f"{head}\nletters\t{written(letters)}\n", encoding="ascii")


main()
