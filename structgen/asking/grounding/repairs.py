"""Repairs the quotes of an answer that no mask held to its texts: they get the letters of the texts.

A *quote* is a string that must be a run of a text (`narrowing`). Which strings of a document are quotes is
asked of the *marked grammar*: its quotes are texts of marks alone. So a string is a quote where the document
can go on with as many marks, and not with the string itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from structgen.asking.grounding.narrowing import SchemaNarrowing
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import UnsatisfiableSchema
from structgen.base.json_text.exact_json import Json, values_in
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.compiled import CompiledGrammar, State
from structgen.machines.core.string_values import over_bytes

_MARK: Final = "\ue000"
_IN_STRING: Final = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""What stands in a string before its closing quote, or before a backslash at the end of a piece."""


class _MarkedNarrowing(SchemaNarrowing):
    """Makes the marked schema: each string that is a quote is replaced by a text of marks."""

    def _quote_schema(self, raw: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        return {"type": "string", "pattern": f"^{_MARK}*$"}


@lru_cache(maxsize=64)
def marked_grammar(grammar: JsonSchemaGrammar, quotes: bool) -> CompiledGrammar | None:
    """Return the marked grammar of a grammar, over bytes; None where a quote that the grammar requires has
    other keywords that forbid marks. `quotes`: whether all free strings are quotes, else those with
    `x-quote`. Cost: that of compiling the grammar."""
    narrowing = _MarkedNarrowing(grammar, StatedText({}), False, quotes, set())
    try:
        return over_bytes(grammar.in_place_of(narrowing.narrowed_schema()))
    except UnsatisfiableSchema:
        return None


class QuoteRepair:
    """Repairs the quotes of one document, which may arrive in pieces."""

    def __init__(self, grammar: JsonSchemaGrammar, quotes: bool, stated_text: StatedText) -> None:
        """`grammar`: that of the documents, before it was narrowed to the texts; `quotes`: as in
        `marked_grammar`."""
        marked = marked_grammar(grammar, quotes)
        self._runs = stated_text.run_search
        self._state = None if marked is None else marked.fresh().start
        """The state of the marked grammar; None once the text is no document."""
        self._open_parts = list[str]()
        """The pieces of a string that has not closed, which is not repaired yet."""
        self._is_escaped = False
        """Whether the string that has not closed ends behind a backslash that escapes the next character."""

    @property
    def open_string(self) -> str:
        """The beginning of a string that has not closed. Cost: linear in it."""
        return "".join(self._open_parts)

    def repair_piece(self, piece: str) -> str:
        """Return the next piece of the repaired document: up to the string that has not closed. Cost: linear
        in the piece; that of the marked grammar, and of `repair_letters` for each quote."""
        parts = list[str]()
        at = 0
        while at < len(piece):
            if not self._open_parts:
                quote = piece.find('"', at)
                end = len(piece) if quote < 0 else quote
                parts.append(self._read(piece[at:end]))
                self._open_parts = [] if quote < 0 else ['"']
                at = end + 1
                continue
            in_string = _IN_STRING.match(piece, at + self._is_escaped)
            assert in_string is not None, "the pattern matches the empty string"
            end = in_string.end()
            self._is_escaped = piece[end : end + 1] == "\\"
            self._open_parts.append(piece[at : end + 1])
            if piece[end : end + 1] == '"':
                parts.append(self._repair_string(self.open_string))
                self._open_parts = []
            at = end + 1
        return "".join(parts)

    def _repair_string(self, literal: str) -> str:
        before = self._state
        self._read(literal)
        if before is not None and self._state is None:
            with suppress(ValueError):  # it is no string of JSON
                value = json.loads(literal)
                self._state = _state_after(before, f'"{_MARK * len(value)}"')
                if self._state is not None and (letters := self._runs.repair_letters(value)) != value:
                    return json.dumps(letters, ensure_ascii=False)
        return literal

    def _read(self, text: str) -> str:
        self._state = self._state and _state_after(self._state, text)
        return text


def _state_after(state: State, text: str) -> State | None:
    return state.compiled.step_bytes(state, text.encode("utf-8", "surrogatepass"))


def changed_strings(before: Json, after: Json) -> dict[str, str]:
    """Return the strings of a JSON value that are others in a second value of the same shape, by their JSON
    Pointers. For example `changed_strings(["a"], ["b"])` is `{"/0": "a"}`."""
    pairs = zip(values_in(before), values_in(after), strict=True)
    return {path: value for (path, value), (_, other) in pairs if isinstance(value, str) and value != other}
