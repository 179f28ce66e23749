"""Guesses how to mend a grammar that lark refuses.

A *cure* is the last sentence of an error, which says how to mend the fault. A *place* is a line and a column
of the grammar's text, both from 1 on. For `start: 'a'` the place is that of the quote, and the cure is "Write
texts in double quotes."
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

USUAL: Final = "Correct the grammar; lark's documentation describes its grammar language."
_COMMON: Final = frozenset(
    "CNAME CPP_COMMENT CR C_COMMENT DECIMAL DIGIT ESCAPED_STRING FLOAT HEXDIGIT INT LCASE_LETTER LETTER LF "
    "NEWLINE NUMBER SH_COMMENT SIGNED_FLOAT SIGNED_INT SIGNED_NUMBER SQL_COMMENT UCASE_LETTER WORD WS "
    "WS_INLINE".split()
)
"""The names of the terminals in lark's grammars/common.lark."""
_UNDEFINED: Final = re.compile(r"Rule '(\w+)' used but not defined|Terminals \{'(\w+)'")
"""A message of lark about a rule (group 1) or a terminal (group 2) that is not defined."""
_PLACE: Final = re.compile(r"at line (\d+),? column (\d+)")
"""The line and the column in a message of lark."""
_LEFT: Final = re.compile(r"^[ \t]*[?!]*(\w+)(?:\.-?\d+)?(?:\{[^}]*\})?[ \t]*:", re.MULTILINE)
"""The left side of a definition, up to its colon; the group is the name."""


def place_of(message: str, text: str) -> tuple[int, int] | None:
    """Return the line and column that a `message` of lark names, or those of the first use of an undefined
    name in the grammar `text`; None if there are none."""
    place = _PLACE.search(message)
    if place:
        return int(place[1]), int(place[2])
    undefined = _UNDEFINED.search(message)
    if undefined is None:
        return None
    first_use = re.search(rf"\b{undefined[1] or undefined[2]}\b", text)
    if first_use is None:
        return None
    offset = first_use.start()
    text_before = text[:offset]
    # Without a line break `rfind` returns -1, and columns count from 1 all the same.
    return text_before.count("\n") + 1, offset - text_before.rfind("\n")


def cure_for(
    message: str,
    text: str,
    place: tuple[int, int] | None,
) -> str:
    """Return the cure for a grammar that lark refuses. `message`: lark's; `text`: the grammar; `place`: the
    line and column of the fault, None: not known."""
    undefined = _UNDEFINED.search(message)
    if undefined:
        return _cure_for_undefined(undefined[1] or undefined[2], text)
    for part, cure in _BY_MESSAGE.items():
        if part in message:
            return cure
    lines = text.split("\n")
    if place is None or not 0 < place[0] <= len(lines):  # an imported file may have more lines
        return USUAL
    line = lines[place[0] - 1]
    column = place[1] - 1
    # No message fits, so the text at the place decides: most faults are habits from other dialects.
    rest = line[column:]
    if "::=" in line:
        return "Write rules of Lark as name: ...; sg.ebnf takes rules with ::=."
    if rest.startswith("'"):
        return "Use double quotes for strings."
    if rest.startswith(";"):
        return 'Remove ";": a rule ends with its line.'
    if rest.startswith("{"):
        return "Write (...)* for a repetition, and [...] for an optional part; braces are templates."
    if rest.startswith("-") and re.search(r"\w$", line[:column]):
        return "Use only letters, digits and _ in names."
    if re.match(r"[ \t]*[A-Z]\w*[a-z]\w*[ \t]*:", line):
        return "Write a rule's name in lower case, and a terminal's in upper case."
    if '"' in rest and rest.count('"') % 2:
        return 'Close the text with ".'
    if rest.startswith((")", "]")):
        return f"Remove {rest[0]}, or open it before."
    if not rest.strip() and line.count("(") > line.count(")"):
        return "Write ) where the alternatives end."
    return USUAL


# A part of lark's message -> the cure.
_BY_MESSAGE: Final = {
    "\ufeff": "Save the imported file without a byte order mark.",
    "No such file": (
        "Import from lark's own modules (%import common.WS; python, unicode, lark), or "
        "pass import_paths for your files."
    ),
    "defined more than once": "Write all alternatives in one rule, with |; %override replaces imported ones.",
    "Recursion in terminal": "Make it a rule: write its name in lower case.",
    "Rules aren't allowed inside terminals": ("Write the terminal's parts in upper case, as terminals."),
    "Bad Range": "Write the smaller number first.",
    "Wrong number of template arguments": "Give the template as many arguments as it has names.",
    "Reduce/Reduce": 'Give one of the two rules a priority (rule.2: ...), or pass lexer="characters".',
}


def _cure_for_undefined(name: str, text: str) -> str:
    """Return the cure for a name that the grammar `text` uses and does not define."""
    defined_names = _LEFT.findall(text)
    if name in _COMMON:
        return f"Write %import common.{name} on a line of its own."
    # At most 1000 names are compared: for a large grammar this would take longer than lark's loading.
    close = get_close_matches(name, defined_names[:1000], 1) or get_close_matches(name, _COMMON, 1)
    if name.isupper() and close and close[0] in _COMMON:
        return f"Write %import common.{close[0]} on a line of its own, or define it: {name}: ..."
    if name.upper() in _COMMON:
        return f"Terminals are written in upper case: %import common.{name.upper()}."
    question = f" Did you mean {close[0]}?" if close else ""
    return f"Define it: {name}: ...{question}"
