"""Templates: text with named holes.

`{name}` is a hole, `{name: type}` has a type, `{name, 12}` and `{name: type, 12}` have 12 slots. Types are
str, int, float, bool and null, written as in JSON, and /regular expressions/. A *slot* is room for one token.
Other braces are text: `{"a": 1}` is not a hole, because a hole's brace is followed by a name, and the name by
a colon, a comma or the closing brace. To write text that looks like a hole, double the braces: `{{name}}` is
the text `{name}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from structgen.base.errors import OptionError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_HOLE = re.compile(
    rf"\{{\{{(?P<text>{_NAME}(?:\s*[:,][^{{}}]*)?)\}}\}}"
    rf"|\{{(?P<name>{_NAME})"
    r"(?:\s*:\s*(?:/(?P<pattern>(?:[^/\\]|\\.)+)/|(?P<type>[A-Za-z_]+))?\s*)?"
    r"(?:,\s*(?P<slots>\d+)\s*)?\}",
    re.DOTALL,
)
"""A hole: `{name}`, `{name: int}`, or with 8 slots `{name: /[a-z]+/, 8}`; also the text `{{name}}`."""
_NEAR = re.compile(rf"\{{{_NAME}\s*[:,][^{{}}\n]*\}}")
"""Text that was probably meant as a hole, though `_HOLE` does not match."""

TYPES: Final = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "null": {"type": "null"},
}
"""The JSON Schema of each type of a hole, by the name of the type."""


@dataclass(frozen=True, slots=True)
class FixedText:
    """Fixed text of a template."""

    text: str


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole of a template, with its name and options."""

    name: str
    type: str = ""
    """The name of its type in `TYPES`; "" if it has none."""
    pattern: str = ""
    """The regular expression of its type; "" if it has none."""
    slots: int | None = None


Parts = list[FixedText | Hole]
"""The texts and holes of a template, in order."""


def parts_of(template: str) -> Parts:
    """Return a template's texts and holes, in order. No text is empty, and no two texts are adjacent.

    Raises OptionError for an unknown type, a hole without slots, and text that looks like a malformed hole.
    """
    parts: Parts = []
    pending = ""
    at = 0
    for match in _HOLE.finditer(template):
        # Neighbouring texts are joined, so that no two parts of the result are adjacent texts.
        pending += _plain_text(template, at, match.start())
        at = match.end()
        if match["text"] is not None:
            # Doubled braces are text that only looks like a hole.
            pending += "{" + match["text"] + "}"
            continue
        if pending:
            parts.append(FixedText(pending))
            pending = ""
        parts.append(_read_hole(match))
    pending += _plain_text(template, at, len(template))
    if pending:
        parts.append(FixedText(pending))
    return parts


def _read_hole(match: re.Match[str]) -> Hole:
    """Return the hole that `_HOLE` matched. Raises OptionError for an unknown type, and for 0 slots."""
    kind = match["type"] or ""
    if kind and kind not in TYPES:
        raise OptionError(
            f"The hole {match[0]!r} has the unknown type {kind!r}.",
            where="template",
            cure=f"Use {', '.join(TYPES)}, a /regular expression/, or give the hole a grammar with "
            f"holes={{{match['name']!r}: ...}}.",
        )
    slots = None if match["slots"] is None else int(match["slots"])
    if slots == 0:
        raise OptionError(
            f"The hole {match[0]!r} has no length: it cannot hold a text.",
            where="template",
            cure="Give it at least one slot, or remove the hole.",
        )
    return Hole(match["name"], kind, match["pattern"] or "", slots)


def _plain_text(template: str, start: int, end: int) -> str:
    """Return the fixed text of a template from `start` to `end`. Raises OptionError if something in it was
    probably meant as a hole."""
    text = template[start:end]
    # `_HOLE` has taken all good holes, so a near miss is left here.
    near = _NEAR.search(text)
    if near is not None:
        raise OptionError(
            f"{near[0]!r} is not a hole.",
            where="template",
            cure=f"Write {{name: type, slots}} with a type of {', '.join(TYPES)} or /regular "
            "expression/; double the braces of ordinary text.",
        )
    return text
