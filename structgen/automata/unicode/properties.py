r"""The properties that `\p{...}` names in ECMA-262, from the table unicode_properties.txt.

The table is written by scripts/make_unicode_properties.mjs, and says in its first line which version of
Unicode it holds.
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
"""The kinds of names in the table among which the value of a property is looked for."""


@functools.lru_cache(maxsize=1)
def _property_table() -> dict[tuple[str, str], str]:
    """Return the written ranges by (kind, name); some 0.5 ms, once."""
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
        rf"The Unicode property \p{{{expression}}} is not known here.",
        cure="Use one of ECMA-262's, such as \\p{L} or \\p{Script=Greek}, or write the ranges out.",
    )
