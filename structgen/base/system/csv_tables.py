"""Writes tables as CSV in which a spreadsheet reads no text as a formula.

A *formula* is a cell that a spreadsheet computes, such as `=1+1`. It computes every cell that begins so, also
in a text from a stranger, and formulas can run programs and send cells away ("CSV Injection" of OWASP,
CWE-1236). To *guard* a cell is to put an apostrophe before it, which makes it a text: `=1+1` -> `'=1+1`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Any, Final

_SIGNED: Final = re.compile("'*\\s*[=@+\\-\t\r\n\0\uff1d\uff20\uff0b\uff0d\ufe66\ufe6b\ufe62\ufe63]")
"""The beginning of a formula. OWASP names the signs, tab, the ends of lines, and the wide signs, which
Japanese spreadsheets read as the others; ASVS adds NUL. Blanks may stand before them: an import can leave
these out ("Trim spaces" of LibreOffice). Apostrophes may too, so that one that stands in a text is told from
one that was put there."""
_AMOUNT: Final = re.compile(
    r"""
    [^\S\t-\r]*[-+\uff0b\uff0d\ufe62\ufe63][^\S\t-\r]?              # a sign, also a wide or a small one
    (?: [$£¥¢\u20a0-\u20cf][^\S\t-\r]? | [A-Z]{3}[^\S\t-\r] )?      # a currency
    (?: \d+ (?: (?:[.,'\u2019]|[^\S\t-\r]) \d+ )* | [.,]\d+ )       # a number with separators
    (?: [eE][+-]?\d+ )?
    (?:                                                             # up to three words that are its unit
        (?: [^\S\t-\r] | · | (?<=[^\W\d_])/ )?
        (?> [^\W\d_]+ (?:\.[^\W\d_]+)* \.? | [%‰°\u2032\u2033℃℉$£¥¢\u20a0-\u20cf][^\W\d_]* )
    ){0,3}
    [^\S\t-\r]*
    | [^\S\t-\r]*[+\uff0b] (?= (?:\D*\d){7,15} \D*\Z )              # a phone number of 7 to 15 digits, which
    (?: (?:[()./-]|[^\S\t-\r]){0,3} \d )+ [^\S\t-\r]*               # these may part
    """,
    re.VERBOSE,
)
"""A text that begins with a sign and is not a formula: it has no call, no reference, and, but for the
hyphens, slashes and parentheses of a phone number, no operator. `[^\\S\\t-\\r]` is a blank, and no tab or end
of line."""


def csv_table(rows: Iterable[Iterable[Any]], *, formulas: bool = False) -> str:
    """Return rows as CSV (RFC 4180). Numbers stay as they are.

    `formulas`: whether formulas are allowed; if not, texts that could be formulas are guarded. Lone
    surrogates, which no file can contain, are written as escapes. Cost: linear.
    """
    text = StringIO()
    writer = csv.writer(text)
    for row in rows:
        cells = [guard_cell(cell) if isinstance(cell, str) and not formulas else cell for cell in row]
        writer.writerow(cells)
    return text.getvalue().encode(errors="backslashreplace").decode()


def guard_cell(cell: str) -> str:
    """Return the text of a cell, with an apostrophe in front where a spreadsheet could compute it.

    Guarded are texts that begin with `=`, `@`, a tab or an end of line, and those with `+` or `-` that are
    not a number, an amount with a unit, or a phone number; also behind blanks. To read it back, remove one
    apostrophe from a cell that begins with apostrophes, blanks, and one of these signs. So a text that begins
    with an apostrophe before such a sign has one more.
    """
    # An amount is data that people add up: an apostrophe would make it a text.
    if _SIGNED.match(cell) and not _AMOUNT.fullmatch(cell):
        return f"'{cell}"
    return cell
