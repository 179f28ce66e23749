"""What is worked out of a Lark grammar when lark loads it, for all vocabularies: the plans of the parser's
states, of which terminals the separator makes sure, behind which states a text goes on, and which bytes are
errors behind a terminal.
"""

from __future__ import annotations

from itertools import accumulate, chain
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.languages import lark_layout as K
from structgen.languages.contextual import ContextualLanguage
from structgen.languages.sure import Sure
from structgen.limits import Limits
from structgen.parsing.tables import ParserTables

MOST_STATES: Final = 1 << 12
"""Parser states of grammars for which this is worked out: it takes some 0.2 ms for each."""


class Ahead(NamedTuple):
    """The answers of one grammar, as `Book` has them."""

    plans: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    """Of each state of the parser where its plan is listed: the rule, how many of its symbols are there, how
    many terminals it still needs, and which."""
    clean: npt.NDArray[np.uint8]
    """[contexts, terminals]: CLEAN, ..., those that were asked for."""
    sure: npt.NDArray[np.uint8]
    """Of each state (`sure`)."""
    errors: npt.NDArray[np.uint8]
    """[terminals, classes of bytes]: what is an error behind a terminal, wherever that stands."""
    start: npt.NDArray[np.int32]
    """The state in which the parser begins."""

    @property
    def has_text(self) -> bool:
        """Whether it is sure that there is a text."""
        return int(self.sure[self.start[0]]) & (K.SURE_APART | K.BARRED) == K.SURE_APART


def work_out(tables: ParserTables) -> Ahead | None:
    """Return the answers of a grammar; None where it is too large, or its rules derive no text. Cost: 2 ms
    for JSON, 0.1 to 0.3 s for a thousand states."""
    if len(tables.kernels) > MOST_STATES:
        return None
    language = ContextualLanguage(tables, Limits())
    if not language.reader.parser.is_productive:
        return None
    clean = np.zeros((len(tables.contexts), len(tables.terminals)), np.uint8)

    def cleanness(context: int, terminal: int) -> int:
        clean[context, terminal] = language.cleanness(context, terminal)
        return int(clean[context, terminal])

    while True:
        sure = Sure(tables, language.plan_of, cleanness).find()
        # by what was asked of the lexer, plans may hold no longer
        if not language.outdated():
            break
    plans = [language.plan_of(state) for state in range(len(tables.kernels))]
    lists = [(rule, dot, len(terminals), *terminals) for rule, dot, terminals in plans]
    begins = [*accumulate(map(len, lists), initial=0)][:-1]
    errors = [language.reader.lexer.errors_behind(one) for one in range(len(tables.terminals))]
    return Ahead(
        np.array(begins, np.int32),
        np.array([*chain(*lists)], np.int32),
        clean,
        sure,
        np.array(errors, np.uint8),
        np.array([tables.start], np.int32),
    )
