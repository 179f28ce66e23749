"""The punctuation behind a hole, which the hole's last token may hold, too: `",` ends a string in most
vocabularies. So the hole takes it over, and its language is the type's texts with the punctuation behind.

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
    for part, then in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, Hole):
            match = _PUNCTUATION.match(then.text) if isinstance(then, FixedText) else None
            texts_behind.setdefault(part.name, []).append("" if match is None else match[0])
    columns_by_name = {name: zip(*texts, strict=False) for name, texts in texts_behind.items()}
    return {
        name: "".join(letters[0] for letters in takewhile(lambda column: len(set(column)) == 1, columns))
        for name, columns in columns_by_name.items()
    }


def add_suffix(target: Any, where: str, suffix: str) -> Any:
    """Return a grammar argument's texts with a text behind them, as a grammar; None where the argument is
    compiled already. Raises OptionError for what is no grammar."""
    grammar, _read = grammar_of(target, where)
    return None if isinstance(grammar, CompiledGrammar) else sequence(grammar, literal(suffix))


def drop_suffixes(parts: Parts, suffixes: dict[str, str]) -> Parts:
    """Return the parts without the texts that holes took over."""
    remaining: Parts = []
    for part in parts:
        last = remaining[-1] if remaining else None
        if isinstance(part, FixedText) and isinstance(last, Hole):
            part = FixedText(part.text[len(suffixes.get(last.name, "")) :])
            if not part.text:
                continue
        remaining.append(part)
    return remaining
