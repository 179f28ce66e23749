"""Write structgen/automata/unicode/idna_table.txt anew: what IDNA 2008 (RFC 5892, 5893) and NFC ask of code
points.

From the package idna's classes and joining types, and this interpreter's unicodedata; code points that either
does not know are left out, and `new` are those that unicodedata does not know. Run: python
scripts/make_idna_table.py A line is a name, a tab, and ranges: for each the gap since the end of the one
before, and one less than its length where that is not 0, in base 36.
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


def members(packed: Iterable[int]) -> set[int]:
    """Return the points of ranges packed as start << 32 | end."""
    return {point for pair in packed for point in range(pair >> 32, pair & 0xFFFFFFFF)}


def main() -> None:
    known = {point for point in range(0x110000) if unicodedata.category(chr(point)) != "Cn"}
    classes = {name: members(packed) & known for name, packed in idnadata.codepoint_classes.items()}
    allowed = classes["PVALID"] | classes["CONTEXTJ"] | classes["CONTEXTO"]
    lines = {"PVALID": classes["PVALID"], "CONTEXT": classes["CONTEXTJ"] | classes["CONTEXTO"]}
    lines["new"] = set(range(0x110000)) - known
    for point in allowed:
        char = chr(point)
        lines.setdefault(f"bidi {unicodedata.bidirectional(char)}", set()).add(point)
        if unicodedata.combining(char):
            lines.setdefault(f"ccc {unicodedata.combining(char)}", set()).add(point)
        if unicodedata.category(char).startswith("M"):
            lines.setdefault("mark", set()).add(point)
    for kind in "LDTR":
        lines[f"joining {kind}"] = members(idnadata.joining_types[kind]) & known
    for point in known:
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(point) and second in allowed:
                lines.setdefault(f"composes {second:X}", set()).add(first)
    # A mark may also compose with what a letter is composed of: U+00E9 and U+0323 are U+1EB9 and U+0301.
    composed = [point for point in known if unicodedata.normalize("NFD", chr(point)) != chr(point)]
    for name, firsts in lines.items():
        if name.startswith("composes "):
            second = chr(int(name.split(" ")[1], 16))
            firsts.update(
                point
                for point in composed
                if unicodedata.normalize("NFC", chr(point)) == chr(point)
                and unicodedata.normalize("NFC", chr(point) + second) != chr(point) + second
            )
    head = f"Unicode {unicodedata.unidata_version}, idna {idnadata.__version__}"
    text = "\n".join([head, *(f"{name}\t{written(points)}" for name, points in sorted(lines.items()))])
    TABLE.write_text(text + "\n", encoding="ascii")


main()
