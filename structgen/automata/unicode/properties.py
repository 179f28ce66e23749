r"""The properties that `\p{...}` names in ECMA-262, from the table unicode_properties.txt.

The table is written by scripts/make_unicode_properties.mjs, and says in its first line which version of
Unicode it holds.
"""

from __future__ import annotations

import functools

from structgen.automata.unicode.charsets import Ranges
from structgen.automata.unicode.range_tables import read_ranges, read_table
from structgen.errors import RegexError

_CATEGORY = ("General_Category", "gc")
_SCRIPT = ("Script", "sc")
_EXTENSIONS = ("Script_Extensions", "scx")


@functools.lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], str]:
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
    table = _table()
    keys: list[tuple[str, str]] = []
    if not equals:
        keys = [("gc", name), ("b", name)]
    elif name in _CATEGORY:
        keys = [("gc", value)]
    elif name in _SCRIPT:
        keys = [("sc", value)]
    elif name in _EXTENSIONS:
        keys = [("scx", value), ("sc", value)]
    for key in keys:
        if key in table:
            return read_ranges(table[key])
    raise RegexError(
        rf"The Unicode property \p{{{expression}}} is not known here.",
        cure="Use one of ECMA-262's, such as \\p{L} or \\p{Script=Greek}, or write the ranges out.",
    )


@functools.lru_cache(maxsize=1)
def property_tree() -> tuple[int, ...]:
    r"""Return all expressions that `\p{...}` takes, as a tree in one list.

    A node is: how many edges it has, how many characters at least are left of an expression, and for each
    edge the character and where the node after it begins. The root is first.
    """
    kinds: dict[str, list[str]] = {"gc": [], "b": [], "sc": []}
    for kind, name in _table():
        if kind != "scx":
            kinds[kind].append(name)
    edges: list[dict[str, int]] = [{}]
    final: list[bool] = [False]

    def put(at: int, word: str) -> int:
        for char in word:
            after = edges[at].get(char)
            if after is None:
                after = edges[at][char] = len(edges)
                edges.append({})
                final.append(False)
            at = after
        return at

    for name in kinds["gc"] + kinds["b"]:
        final[put(0, name)] = True
    for heads, values in ((_CATEGORY, kinds["gc"]), (_SCRIPT + _EXTENSIONS, kinds["sc"])):
        body = put(put(0, heads[0]), "=")
        for value in values:
            final[put(body, value)] = True
        for head in heads[1:]:
            edges[put(0, head)]["="] = body
    starts, at = [], 0
    for node in edges:
        starts.append(at)
        at += 2 + 2 * len(node)
    left = [0 if ends else 1 << 20 for ends in final]
    changed = True
    while changed:
        changed = False
        for index in range(len(edges) - 1, -1, -1):
            for after in edges[index].values():
                if left[after] + 1 < left[index]:
                    left[index], changed = left[after] + 1, True
    tree: list[int] = []
    for index, node in enumerate(edges):
        tree += (len(node), left[index])
        for char, after in node.items():
            tree += (ord(char), starts[after])
    return tuple(tree)
