"""Banned identifiers: the texts of a grammar in which some words stand nowhere as a whole identifier.

`sg.Sampling(banned=["eval"])` bans the text: `evaluate` has it too. Here `evaluate` may come, and `eval` may
not, at the end of a text neither. The identifiers are a regular language that the grammar loses: masks,
budgets and completions are exact, and nothing is a dead end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import structgen as sg
from structgen.errors import OptionError


def without_identifiers(grammar: sg.Grammar, names: Iterable[str]) -> sg.Grammar:
    """Return the grammar of the texts of another one in which no name stands between two places where no
    letter, digit or underscore is. Raises OptionError for what is no identifier of Python; the errors of `&`.
    Cost: that of a regular grammar of the names."""
    banned = sorted({*names})
    wrong = next((one for one in banned if not one.isidentifier()), None)
    if wrong is not None:
        what, cure = f"{wrong!r:.60} is no identifier.", "Ban other texts by sg.without."
        raise OptionError(what, where="names", cure=cure)
    if not banned:
        return grammar
    return grammar & ~sg.regex(rf"(?us)(?:.*\W)?(?:{'|'.join(map(re.escape, banned))})(?:\W.*)?")
