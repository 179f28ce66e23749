"""Right calls whose marks are left out, doubled, or replaced by other marks of their format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from test_call_formats import EXAMPLES

from structgen.text_grammars.composition.templates import TEXT, pieces
from structgen.tool_calls.format_rows import FORMATS

_NAMESPACE = "]<]minimax[>["
_TAG = re.compile(rf"(?:{re.escape(_NAMESPACE)})?<[^<>\n]+>|\[[A-Z_]+\]")


def marks_of(format: str) -> list[str]:
    """Return the marks that a format's example has: its tags, and the texts of its templates."""
    row, text = FORMATS[format], EXAMPLES[format]
    found = [*_TAG.findall(text), *(one for one in (_NAMESPACE, row.quote) if one)]
    for template in (*row.section, *row.calls, row.member, row.item):
        found += [said for kind, said in pieces(template) if kind == TEXT] if template else []
    listed = dict.fromkeys(one for said in found for one in (said, said.strip()))
    return [one for one in listed if one in text and re.search(r"[<\[].|\w", one)]


def mark_faults(format: str) -> Iterator[tuple[str, str]]:
    """Yield what was done to a mark, and the text: each occurrence left out, doubled, replaced."""
    text, marks = EXAMPLES[format], marks_of(format)
    for mark in marks:
        for found in re.finditer(re.escape(mark), text):
            before, after = text[: found.start()], text[found.end() :]
            yield f"{mark!r} left out at {found.start()}", before + after
            yield f"{mark!r} doubled at {found.start()}", before + mark * 2 + after
            for other in marks:
                if other != mark and other not in mark and mark not in other:
                    yield f"{mark!r} replaced by {other!r} at {found.start()}", before + other + after
