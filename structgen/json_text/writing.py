"""JSON written without recursion: containers here, everything else by the caller."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final


def written(
    value: Any, atom: Callable[[Any], str], *, name: Callable[[str], str] = json.dumps, space: str = ""
) -> str:
    """Return the JSON text of a value of any depth, members in order. `atom` writes what is no list and no
    dict, `name` the names of members; `space` stands behind commas and colons. Cost: linear, some 1 us a
    value."""
    parts: list[str] = []
    # Either a value to write, or (a str in a 1-tuple) text that is ready; the last comes first.
    todo: list[Any] = [value]
    while todo:
        node = todo.pop()
        kind = node.__class__
        if kind is tuple:
            parts.append(node[0])
        elif kind is list:
            todo.append(("]",))
            for index in range(len(node) - 1, -1, -1):
                todo.append(node[index])
                if index:
                    todo.append(("," + space,))
            parts.append("[")
        elif kind is dict:
            todo.append(("}",))
            for left, (key, member) in zip(range(len(node) - 1, -1, -1), reversed(node.items()), strict=True):
                todo.append(member)
                todo.append((("," + space if left else "") + name(key) + ":" + space,))
            parts.append("{")
        else:
            parts.append(atom(node))
    return "".join(parts)


LONE: Final = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which no UTF-8 text can hold."""


def quoted(text: str) -> str:
    """Return the shortest JSON literal of a string, as `json.dumps(ensure_ascii=False)` writes it; lone
    surrogates are written as escapes."""
    return LONE.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
