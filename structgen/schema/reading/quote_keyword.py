"""`x-quote` and `x-inferred`: keywords that say how a value rests on a text that the schema does not hold.

`x-quote` is an object: `of` ("words", "sentences" or "lines") and, of words, `words`, the most words of a
quote. `x-inferred` is true. Both are annotations: `grounded=` reads them, and a schema alone restricts nothing
by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from structgen.base.errors import SchemaError
from structgen.base.json_text.exact_json import escape
from structgen.base.language.shapes import nearest
from structgen.schema.reading.model import shown

QUOTE: Final = "x-quote"
INFERRED: Final = "x-inferred"
PIECES: Final = ("words", "sentences", "lines")
"""What a quote may be a run of."""
QUOTE_CURE: Final = 'Write of="words", with words=6 or without, or of="sentences" or of="lines".'
_MEMBERS: Final = ("of", "words")


def quote_fault(of: Any, words: Any) -> str:
    """Return what is wrong with the members of a quote, in a sentence; "" where nothing is."""
    if of not in PIECES:
        return f"A quote is not a run of {shown(of)}."
    if words is None:
        return ""
    if of != "words":
        return f"words counts the words of a run, and the run is of {of}."
    is_count = isinstance(words, int) and not isinstance(words, bool) and words > 0
    return "" if is_count else f"A run does not have at most {shown(words)} words."


def read_quote(value: Any, where: str) -> dict[str, Any]:
    """Return the members of a value of `x-quote` as keywords of `runs_of`: `of`, and `words` if it counts
    them. `where`: the pointer of the keyword. Raises `SchemaError`."""
    cure = 'Write {"words": 6}, {"of": "sentences"}, {"of": "lines"} or {}.'
    if not isinstance(value, Mapping):
        raise SchemaError(f"{QUOTE} takes an object, not {shown(value)}.", where=where, cure=cure)
    for name in value:
        if name not in _MEMBERS:
            raise SchemaError(
                f"{QUOTE} has no member {shown(name)}.",
                where=f"{where}/{escape(name)}",
                cure=f"{nearest(name, _MEMBERS)}{cure}",
            )
    said = {"of": "words", **value}
    if fault := quote_fault(said["of"], said.get("words")):
        raise SchemaError(fault, where=where, cure=cure)
    return said
