"""Patterns: after examples of a kind of code, another code of that kind is written.

The grammar is all short codes of letters, digits and dashes. The checker is a pattern of Python's `re` with
what no regular grammar has: references back to what a group matched, and looks ahead at them ("five letters
that read the same backwards"). Each item of a pattern takes one character, so a prefix can be asked about:
the pattern x y z has the prefixes of `x(?:y(?:z)?)?` and the empty text. A text is right if it is of the
kind and none of the examples.

What differs from the paper: its patterns are of a language of its own, with a matcher of prefixes.

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import structgen as sg
from methods.checked_domain import DomainTask, read

CODES = "[A-Za-z0-9-]{1,8}"


class Matching:
    """Codes that a pattern matches."""

    def __init__(self, items: Sequence[str]) -> None:
        begun = functools.reduce(lambda rest, item: f"(?:{item}{rest})?", reversed(items), "")
        self._begun, self._whole = re.compile(begun), re.compile("".join(items))
        self.fingerprint = self._whole.pattern

    def copy(self) -> Matching:
        """Return the checker itself: it keeps no state of a prefix."""
        return self

    def viable(self, prefix: bytes) -> bool:
        """Return False if no code of the kind begins with the prefix."""
        return self._begun.fullmatch(prefix.decode("latin-1")) is not None

    def final(self, text: str) -> bool:
        """Return whether a code is of the kind."""
        return self._whole.fullmatch(text) is not None


def is_right(examples: Sequence[str], text: str) -> bool:
    """Return whether a code is none of the examples."""
    return text not in examples


def _question(says: str, examples: Sequence[str]) -> str:
    return f"A code is {says}. Examples: {', '.join(examples)}\nWrite one other code of this kind."


def missing() -> str:
    """Return an empty text: nothing has to be installed."""
    return ""


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    grammar = sg.regex(CODES)
    return [_task(f"pattern {at}", grammar, 10, *task) for at, task in enumerate(read("patterns")["tasks"])]


def _task(
    name: str,
    grammar: sg.Grammar,
    most: int,
    says: str,
    examples: Sequence[str],
    items: Sequence[str],
    answer: str,
) -> DomainTask:
    shown = [(_question(one, codes), code) for one, codes, _, code in read("patterns")["shown"]]
    right = functools.partial(is_right, examples)
    question, told = _question(says, examples), "Answer with the code and nothing else."
    return DomainTask(name, told, shown, question, grammar, Matching(items), right, answer, most)


def small() -> DomainTask:
    """Return a task of few texts: two digits and the same again, of which a tenth has it right."""
    return _task("small", sg.regex("[0-9]{3}"), 8, *read("patterns")["tasks"][6])
