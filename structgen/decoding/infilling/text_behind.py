"""Holes take over the punctuation after them, because a model may write both in one token.

For example, most vocabularies have a token `",`, which ends a string and the member of an object. In the
template `{"name": {name: str}, ` the hole takes over the comma: it is then filled with a string and a comma.
A *suffix* is the punctuation that a hole took over.

Only schedulers that write from left to right gain by this. Others propose whole fillings, and need the fixed
text, which shows the model where the hole ends: of 16 fields the scheduler `threshold` of bench/methods had
16 right with that text, and 1 without it.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any, Final

from structgen.decoding.infilling.automata_of_grammars import grammar_of
from structgen.decoding.infilling.template import FixedText, Hole, Parts
from structgen.grammars.text_grammars.regular import literal
from structgen.grammars.text_grammars.text_grammar import sequence
from structgen.machines.core.compiled import CompiledGrammar

_PUNCTUATION: Final = re.compile(r"[^\w\s]*")
"""The characters that a tokenizer may join with the text before them. Blanks and words begin a new token."""


def punctuation_behind(parts: Parts) -> dict[str, str]:
    """Return the punctuation that follows each hole, by the hole's name. If several holes share a name, it is
    the longest beginning that all of their punctuation has. For example {"name": ","}."""
    texts_behind: dict[str, list[str]] = {}
    for part, next_part in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, Hole):
            match = _PUNCTUATION.match(next_part.text) if isinstance(next_part, FixedText) else None
            texts_behind.setdefault(part.name, []).append("" if match is None else match[0])
    return {name: _common_start(texts) for name, texts in texts_behind.items()}


def _common_start(texts: list[str]) -> str:
    """Return the longest text with which all texts begin: "a" for ["ab", "ac"]."""
    columns = zip(*texts, strict=False)
    equal_columns = takewhile(lambda column: len(set(column)) == 1, columns)
    return "".join(column[0] for column in equal_columns)


def add_suffix(target: Any, where: str, suffix: str) -> Any:
    """Return the grammar of a grammar argument's texts, each with the suffix at its end. Return None if the
    argument is compiled already. `where`: its name in messages. Raises OptionError if it is not a grammar."""
    grammar, _read = grammar_of(target, where)
    if isinstance(grammar, CompiledGrammar):
        return None
    return sequence(grammar, literal(suffix))


def drop_suffixes(parts: Parts, suffixes: dict[str, str]) -> Parts:
    """Return the parts without the texts that holes took over. `suffixes`: these texts, by the holes'
    names."""
    remaining: Parts = []
    for part in parts:
        last = remaining[-1] if remaining else None
        if isinstance(part, FixedText) and isinstance(last, Hole):
            suffix = suffixes.get(last.name, "")
            part = FixedText(part.text[len(suffix) :])
            if not part.text:
                continue  # no part of a template is an empty text
        remaining.append(part)
    return remaining
