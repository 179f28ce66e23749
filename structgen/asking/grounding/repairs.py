"""Repairs the quotes of an answer that no mask held to its texts: they get the letters of the texts.

A *quote* is a string that must be a run of a text (`narrowing`). Which strings of a document are quotes is
asked of the *marked grammar*: its quotes are the single text MARK. So a string is a quote where the document
can go on with MARK, and not with the string itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from structgen.asking.grounding.narrowing import Narrowing
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.json_text.exact_json import Json, values_in
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.compiled import CompiledGrammar, State
from structgen.machines.core.string_values import over_bytes

_MARK: Final = "\ue000"
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class _MarkedNarrowing(Narrowing):
    """Replaces the quotes of a schema by one text."""

    def _quote_schema(self, raw: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        return {"enum": [_MARK]}


@lru_cache(maxsize=64)
def marked_grammar(grammar: JsonSchemaGrammar, quotes: bool) -> CompiledGrammar:
    """Return a grammar over bytes in which each quote is MARK. `quotes`: whether all free strings are quotes,
    else those with `x-quote`. Cost: that of compiling the grammar."""
    narrowing = _MarkedNarrowing(grammar, StatedText({}), False, quotes, set())
    return over_bytes(grammar.in_place_of(narrowing.narrowed_schema()))


class QuoteRepair:
    """Repairs the quotes of one document, which may arrive in pieces."""

    def __init__(self, grammar: JsonSchemaGrammar, quotes: bool, stated_text: StatedText) -> None:
        """`grammar`: that of the documents, before it was narrowed to the texts; `quotes`: as in
        `marked_grammar`."""
        self._marked = marked_grammar(grammar, quotes).fresh()
        self._runs = stated_text.run_search
        self._state: State | None = self._marked.start
        """The state of the marked grammar; None once the text is no document."""
        self.open_string = ""
        """The beginning of a string that has not closed, which is not repaired yet."""

    def repair_piece(self, piece: str) -> str:
        """Return the next piece of the repaired document: up to the string that has not closed. Cost: that of
        the marked grammar, and of `repair_letters` for each quote."""
        text = self.open_string + piece
        parts = list[str]()
        end = 0
        for string in _STRING.finditer(text):
            parts += [self._read(text[end : string.start()]), self._repair_string(string[0])]
            end = string.end()
        between, quote, rest = text[end:].partition('"')
        self.open_string = quote + rest
        return "".join([*parts, self._read(between)])

    def _repair_string(self, literal: str) -> str:
        before = self._state
        self._read(literal)
        if before is not None and self._state is None:
            self._state = self._state_after(before, f'"{_MARK}"')
            if self._state is not None:
                with suppress(ValueError):  # no string of JSON
                    value = json.loads(literal)
                    if (letters := self._runs.repair_letters(value)) != value:
                        return json.dumps(letters, ensure_ascii=False)
        return literal

    def _read(self, text: str) -> str:
        self._state = self._state and self._state_after(self._state, text)
        return text

    def _state_after(self, state: State, text: str) -> State | None:
        return self._marked.step_bytes(state, text.encode("utf-8", "surrogatepass"))


def changed_strings(before: Json, after: Json) -> dict[str, str]:
    """Return the strings of a JSON value that are others in a second value of the same shape, by their JSON
    Pointers. For example `changed_strings(["a"], ["b"])` is `{"/0": "a"}`."""
    pairs = zip(values_in(before), values_in(after), strict=True)
    return {path: value for (path, value), (_, other) in pairs if isinstance(value, str) and value != other}
