r"""Returns the code points of a Unicode property, as `\p{...}` names it in ECMA-262.

A *property* is a named set of characters: `\p{Lu}` are the capital letters, `\p{Script=Greek}` the Greek
ones. A *kind* of names is gc (general categories), sc (scripts), scx (script extensions) or b (binary
properties). The sets are read from the table unicode_properties.txt, which
scripts/make_unicode_properties.mjs writes. Its first line names the version of Unicode.
"""

from __future__ import annotations

import functools

from structgen.automata.unicode.charsets import Ranges
from structgen.automata.unicode.range_tables import read_ranges, read_table
from structgen.base.errors import RegexError

_KINDS = {
    **dict.fromkeys(("General_Category", "gc"), ("gc",)),
    **dict.fromkeys(("Script", "sc"), ("sc",)),
    **dict.fromkeys(("Script_Extensions", "scx"), ("scx", "sc")),
}
"""The name of a property -> the kinds of names in the table that its value may have, the first one first."""


@functools.lru_cache(maxsize=1)
def _property_table() -> dict[tuple[str, str], str]:
    """Return the ranges, as the table writes them, by (kind, name). Cost: some 0.5 ms, once."""
    table: dict[tuple[str, str], str] = {}
    for head, ranges in read_table("unicode_properties.txt").items():
        kind, names = head.split(" ")
        for name in names.split(","):
            table[kind, name] = ranges
    return table


@functools.lru_cache(maxsize=256)
def unicode_property(expression: str) -> Ranges:
    r"""Return the code points of a `\p{...}` expression (ECMA-262, tables 67 to 70).

    General categories, scripts, script extensions and binary properties, by every name that the specification
    lists. Raises `RegexError` for any other.
    """
    name, equals, value = expression.partition("=")
    if equals:
        kinds = _KINDS.get(name, ())
    else:
        # a name alone is a general category or a binary property
        kinds = ("gc", "b")
        value = name
    for kind in kinds:
        if (kind, value) in _property_table():
            return read_ranges(_property_table()[kind, value])
    raise RegexError(
        f"The Unicode property \\p{{{expression}}} is not known.",
        cure="Use one of ECMA-262's, such as \\p{L} or \\p{Script=Greek}, or write the ranges out.",
    )
