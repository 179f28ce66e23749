"""Decoding strategies: published changes of the choice of tokens (docs/strategies.md), as
`sg.Sampling(strategy=...)`.

Changes of the law of the next token: `Mirostat`, `Guidance`; loops of a model that repeats itself:
`Repetitions`. A search that reads ahead: `PlanningSearch`.

A strategy of your own is a subclass of `Mixture`, of `Narrowing` (with its `NarrowingState`) or of
`SearchStrategy`, which returns a `Decision`. A search looks ahead from a `TextPlace` by `Branch`es;
`ModelRows` reads another model, `Rewards` judge texts in a process of their own. bench/methods has published
ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.decoding.engine.searches.branches import Branch as Branch
    from structgen.decoding.engine.searches.branches import TextPlace as TextPlace
    from structgen.decoding.engine.searches.plan import PlanningSearch as PlanningSearch
    from structgen.decoding.engine.searches.rewards import Rewards as Rewards
    from structgen.decoding.engine.strategies.guidance import Guidance as Guidance
    from structgen.decoding.engine.strategies.mirostat import Mirostat as Mirostat
    from structgen.decoding.engine.strategies.repetitions import Repetitions as Repetitions
    from structgen.decoding.engine.strategies.strategy import Decision as Decision
    from structgen.decoding.engine.strategies.strategy import Mixture as Mixture
    from structgen.decoding.engine.strategies.strategy import Narrowing as Narrowing
    from structgen.decoding.engine.strategies.strategy import NarrowingState as NarrowingState
    from structgen.decoding.engine.strategies.strategy import SearchStrategy as SearchStrategy
    from structgen.decoding.speculation.drafts.model_rows import ModelRows as ModelRows

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.decoding.engine.searches.branches": "Branch TextPlace",
        "structgen.decoding.engine.searches.plan": "PlanningSearch",
        "structgen.decoding.speculation.drafts.model_rows": "ModelRows",
        "structgen.decoding.engine.searches.rewards": "Rewards",
        "structgen.decoding.engine.strategies.guidance": "Guidance",
        "structgen.decoding.engine.strategies.mirostat": "Mirostat",
        "structgen.decoding.engine.strategies.repetitions": "Repetitions",
        "structgen.decoding.engine.strategies.strategy": (
            "Decision Mixture Narrowing NarrowingState SearchStrategy"
        ),
    },
)
