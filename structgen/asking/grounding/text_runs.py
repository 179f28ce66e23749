"""Lists the runs of a text that meet a regular formula, for example all order codes.

A *run* is a part of a text. A *formula* is a combination of patterns, lengths and formats. One automaton
finds all runs in one pass.
"""

from __future__ import annotations

import re
from typing import Final

from structgen.base.language.ir import Formula
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import Config, Language
from structgen.grammars.text_grammars.text_grammar import RegularGrammar
from structgen.grammars.text_grammars.word_runs import LETTER

MOST_RUNS: Final = 256
"""More values are not listed."""
LONGEST_RUN: Final = 300
"""Characters of a run, or of a code: the longest of the standards have less than 100."""
_MOST_STEPS: Final = 1_000_000
"""Characters that are read in all, some 0.5 us each."""
LOOSE: Final = frozenset(" \t\n\u00a0\u202f-.,/()")
"""Characters that a code may be written with or without."""
_INSIDE: Final = re.compile(LETTER * 2)


def runs_meeting(text: str, formula: Formula) -> list[str] | None:
    """Return the runs of a text that meet a formula, none of which begins or ends inside a word; None where
    they are too many to be listed, or too long. Where there is none, the runs that meet it without some of
    their blanks and marks, or in capital or small letters: `"de12 5001"` is stated as `"DE125001"`.

    Cost: linear in the text, times the length of what the formula goes on with.
    """
    language = RegularGrammar(formula, "", limits=None).language(Limits())
    runs = _find_runs(text, language, is_loose=False)
    return runs if runs != [] else _find_runs(text, language, is_loose=True) or []


def _find_runs(text: str, language: Language, *, is_loose: bool) -> list[str] | None:
    runs = dict[str, None]()
    steps = 0
    for start in range(len(text)):
        if not is_border(text, start) or text[start].isspace():
            continue
        stack: list[tuple[int, str, Config]] = [(start, "", language.start())]
        while stack:
            offset, run, config = stack.pop()
            if run and is_border(text, offset) and language.accepts(config):
                runs[run] = None
            if offset == len(text):
                continue
            # a pattern that meets nearly everything is not listed, but matched while it is written
            if len(runs) > MOST_RUNS or offset - start > LONGEST_RUN or steps > _MOST_STEPS:
                return None
            char = text[offset]
            # a blank inside of a code may be left out
            if is_loose and run and char in LOOSE:
                stack.append((offset + 1, run, config))
            for letter in {char, char.upper(), char.lower()} if is_loose else (char,):
                steps += 1
                if (
                    next_config := language.config_after(config, letter.encode("utf-8", "surrogatepass"))
                ) is not None:
                    stack.append((offset + 1, run + letter, next_config))
    return list(runs)


def is_border(text: str, offset: int) -> bool:
    """Return whether no word goes on at a place: a letter or digit before it, and one behind. In scripts
    without blanks each character is a word."""
    return not 0 < offset < len(text) or _INSIDE.match(text, offset - 1) is None
