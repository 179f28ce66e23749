"""Schedulers: which slots of a proposed filling are committed in a step. One file each, with its source.

A step proposes one valid filling of the whole canvas (the best one, or a draw). Any subset of it may be
committed, so no scheduler can cause a dead end. A scheduler trades speed against how often the model is run
again. Each step commits at least one slot: if a scheduler chooses none, the most confident one is committed.

`scheduler` has the protocol: `SchedulerView` is a scheduler's input, `Scheduler` its interface. `named`
returns a scheduler by its name.
"""

from __future__ import annotations

from typing import Any

from structgen.errors import OptionError
from structgen.infilling.schedulers.block_order import Blocks
from structgen.infilling.schedulers.confident_prefix import ConfidentPrefix
from structgen.infilling.schedulers.entropy_bound import EntropyBound
from structgen.infilling.schedulers.factor import Factor
from structgen.infilling.schedulers.first_hitting import FirstHitting
from structgen.infilling.schedulers.freedave import FreeDave
from structgen.infilling.schedulers.left_to_right import LeftToRight
from structgen.infilling.schedulers.low_confidence import LowConfidence
from structgen.infilling.schedulers.prophet import Prophet
from structgen.infilling.schedulers.scheduler import Scheduler
from structgen.infilling.schedulers.threshold import Threshold

NAMES = (
    "auto",
    "confident-prefix",
    "low-confidence",
    "left-to-right",
    "blocks",
    "threshold",
    "factor",
    "entropy-bound",
    "prophet",
    "freedave",
    "first-hitting",
)
"""The names that `named` knows."""


def named(scheduler: str | Scheduler, *, tokens_per_step: int | None = None) -> Scheduler:
    """Return a scheduler by its name, with its default constants, or the given object.

    `tokens_per_step` is for schedulers with a fixed rate: low-confidence, left-to-right, blocks and freedave
    (default 1). Raises OptionError for an unknown name.
    """
    rate: dict[str, Any] = {} if tokens_per_step is None else {"tokens_per_step": tokens_per_step}
    if not isinstance(scheduler, str):
        if not isinstance(scheduler, Scheduler):
            raise OptionError(
                f"A scheduler is a name or an object with choose(view), not a {type(scheduler).__name__}.",
                where="scheduler",
                cure=f"Choose one of {', '.join(NAMES)}.",
            )
        found: Scheduler = scheduler
    else:
        found = _by_name(scheduler, rate)
    if rate and scheduler not in ("low-confidence", "left-to-right", "blocks", "freedave"):
        raise OptionError(
            "Only low-confidence, left-to-right, blocks and freedave commit a fixed number of tokens a step.",
            where="tokens_per_step",
            cure="Leave it out, or choose one of them with scheduler=.",
        )
    return found


def _by_name(name: str, rate: dict[str, Any]) -> Scheduler:
    match name:
        case "auto" | "confident-prefix":
            return ConfidentPrefix()
        case "low-confidence":
            return LowConfidence(**rate)
        case "left-to-right":
            return LeftToRight(**rate)
        case "blocks":
            return Blocks(LowConfidence(**rate))
        case "threshold":
            return Threshold()
        case "factor":
            return Factor()
        case "entropy-bound":
            return EntropyBound()
        case "prophet":
            return Prophet()
        case "freedave":
            return FreeDave(LowConfidence(**rate))
        case "first-hitting":
            return FirstHitting()
        case _:
            raise OptionError(
                f"There is no scheduler {name!r}.",
                where="scheduler",
                cure=f"Choose one of {', '.join(NAMES)}.",
            )
