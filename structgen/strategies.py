"""Decoding strategies: published changes of the choice of tokens (docs/strategies.md), as
`sg.Sampling(strategy=...)`.

Changes of the law of the next token: `Mirostat`, `Momentum`, `Guidance`, `Contrast`, `ContrastiveDecoding`,
`ProxyTuning`; loops of a model that repeats itself: `Repetitions`. Searches that read ahead: `Cautious`,
`PauseAndRerank`, `PlanningSearch`, `ValueGuided`, `SuperposedDecoding`. Models made of models, for
`sg.Engine`: `FusedModels`, `SwitchedModels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.engine.composed_models.fused import FusedModels as FusedModels
    from structgen.engine.composed_models.switched import SwitchedModels as SwitchedModels
    from structgen.engine.searches.cautious import Cautious as Cautious
    from structgen.engine.searches.pause_and_rerank import PauseAndRerank as PauseAndRerank
    from structgen.engine.searches.plan import PlanningSearch as PlanningSearch
    from structgen.engine.searches.superposed import SuperposedDecoding as SuperposedDecoding
    from structgen.engine.searches.valued import ValueGuided as ValueGuided
    from structgen.engine.strategies.contrast import Contrast as Contrast
    from structgen.engine.strategies.guidance import Guidance as Guidance
    from structgen.engine.strategies.mirostat import Mirostat as Mirostat
    from structgen.engine.strategies.model_arithmetic import ContrastiveDecoding as ContrastiveDecoding
    from structgen.engine.strategies.model_arithmetic import ProxyTuning as ProxyTuning
    from structgen.engine.strategies.momentum import Momentum as Momentum
    from structgen.engine.strategies.repetitions import Repetitions as Repetitions

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.engine.composed_models.fused": "FusedModels",
        "structgen.engine.composed_models.switched": "SwitchedModels",
        "structgen.engine.searches.cautious": "Cautious",
        "structgen.engine.searches.pause_and_rerank": "PauseAndRerank",
        "structgen.engine.searches.plan": "PlanningSearch",
        "structgen.engine.searches.superposed": "SuperposedDecoding",
        "structgen.engine.searches.valued": "ValueGuided",
        "structgen.engine.strategies.contrast": "Contrast",
        "structgen.engine.strategies.guidance": "Guidance",
        "structgen.engine.strategies.mirostat": "Mirostat",
        "structgen.engine.strategies.model_arithmetic": "ContrastiveDecoding ProxyTuning",
        "structgen.engine.strategies.momentum": "Momentum",
        "structgen.engine.strategies.repetitions": "Repetitions",
    },
)
