"""Checkers of texts, and the results of `sg.score`, `sg.cite` and `sg.most_probable`: `sg.samplers`.

Public: `PrefixTree`; checkers, `Checker`, `ClosedValue`, `GeneratedText`, `InProcess`, `TypeChecker`;
`Expert`, a target; the results `Score`, `Span`, `MostProbable`, `ProbableText`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.decoding.samplers.checkers import Checker as Checker
    from structgen.decoding.samplers.checkers import ClosedValue as ClosedValue
    from structgen.decoding.samplers.checkers import GeneratedText as GeneratedText
    from structgen.decoding.samplers.checkers import TypeChecker as TypeChecker
    from structgen.decoding.samplers.cite import Span as Span
    from structgen.decoding.samplers.expert import Expert as Expert
    from structgen.decoding.samplers.most_probable import MostProbable as MostProbable
    from structgen.decoding.samplers.most_probable import ProbableText as ProbableText
    from structgen.decoding.samplers.processes import InProcess as InProcess
    from structgen.decoding.samplers.score import Score as Score
    from structgen.decoding.samplers.tree import PrefixTree as PrefixTree

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.decoding.samplers.checkers": "Checker ClosedValue GeneratedText TypeChecker",
        "structgen.decoding.samplers.cite": "Span",
        "structgen.decoding.samplers.most_probable": "MostProbable ProbableText",
        "structgen.decoding.samplers.processes": "InProcess",
        "structgen.decoding.samplers.score": "Score",
        "structgen.decoding.samplers.expert": "Expert",
        "structgen.decoding.samplers.tree": "PrefixTree",
    },
)
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
