"""`Speculation`: what a request may say about drafts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structgen.speculation.answer_history import AnswerHistory
from structgen.speculation.caller_text import CallerText
from structgen.speculation.drafter import Drafter
from structgen.speculation.earlier_answers import EarlierAnswers
from structgen.speculation.forced_bytes import ForcedBytes
from structgen.speculation.grammar_tree import GrammarTree
from structgen.speculation.suffix_index import SuffixIndex


@dataclass(frozen=True, slots=True)
class Speculation:
    """How a text is drafted: `sg.Request(..., speculation=sg.Speculation(edit=old_text))`.

    None of it changes a token of the text, only how long the text takes.
    """

    drafters: Sequence[str | Callable[[], Drafter]] = ("forced", "grammar", "suffix")
    """Names (`forced`, `grammar`, `suffix`), or functions that make a drafter for a text."""
    nodes: int = 16
    """The most nodes of a draft."""
    chain: bool = False
    """Whether each node has at most one child."""
    edit: str = ""
    """A text of which most comes again: the draft follows it."""
    history: AnswerHistory | None = None
    """Earlier answers to the same grammar, which the answer is added to when it is complete."""
    tenant: str = ""
    """Whose earlier answers."""

    def make(self) -> list[Drafter]:
        """Return new drafters for one text."""
        made: list[Drafter] = []
        for one in self.drafters:
            if callable(one):
                made.append(one())
            else:
                made.append({"forced": ForcedBytes, "grammar": GrammarTree, "suffix": SuffixIndex}[one]())
        if self.edit:
            made.append(CallerText())
        if self.history is not None:
            made.append(EarlierAnswers(self.history))
        return made


AUTO = Speculation()
