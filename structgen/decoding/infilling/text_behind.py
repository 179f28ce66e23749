"""The punctuation after a hole, which the hole's last token may hold, too: `",` ends a string in most
vocabularies. So the hole takes it over, and its language is the type's texts with the punctuation after.

Only schedulers that write from left to right gain by it. Others propose whole fillings, and lose the end of
the hole that the fixed text shows the model: of 16 fields `threshold` had 16 right, and 1 without that text.
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
"""What tokenizers join with what comes before it; they begin new tokens with blanks and words."""


def punctuation_behind(parts: Parts) -> dict[str, str]:
    """Return the punctuation that follows each hole, by its name; of holes with one name, what they share."""
    texts_behind: dict[str, list[str]] = {}
    for part, next_part in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, Hole):
            match = _PUNCTUATION.match(next_part.text) if isinstance(next_part, FixedText) else None
            texts_behind.setdefault(part.name, []).append("" if match is None else match[0])
    return {name: _common_start(texts) for name, texts in texts_behind.items()}


def _common_start(texts: list[str]) -> str:
    """Return the text with which all of some texts begin."""
    columns = zip(*texts, strict=False)
    equal_columns = takewhile(lambda column: len(set(column)) == 1, columns)
    return "".join(column[0] for column in equal_columns)


def add_suffix(target: Any, where: str, suffix: str) -> Any:
    """Return a grammar argument's texts with a text after them, as a grammar; None where the argument is
    compiled already. Raises OptionError for what is no grammar."""
    grammar, _read = grammar_of(target, where)
    if isinstance(grammar, CompiledGrammar):
        return None
    return sequence(grammar, literal(suffix))


def drop_suffixes(parts: Parts, suffixes: dict[str, str]) -> Parts:
    """Return the parts without the texts that holes took over."""
    remaining: Parts = []
    for part in parts:
        last = remaining[-1] if remaining else None
        if isinstance(part, FixedText) and isinstance(last, Hole):
            suffix = suffixes.get(last.name, "")
            part = FixedText(part.text[len(suffix) :])
            if not part.text:
                continue  # a template has no empty text
        remaining.append(part)
    return remaining
