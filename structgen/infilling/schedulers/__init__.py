"""Schedulers: which slots of a proposed filling are committed in a step. One file each, with its source.

A step proposes one valid filling of the whole canvas (the best one, or a draw). Any subset of it may be
committed, so no scheduler can cause a dead end. A scheduler trades speed against how often the model is run
again. Each step commits at least one slot: if a scheduler chooses none, the most confident one is committed.
`left_to_right` and `confident_prefix` fill their first slots before there is a proposal.

Laws of draws (a temperature above 0). A step's proposal is an exact draw: from the product of the slots'
distributions, given that the text is valid. A scheduler that commits all slots in one step has this law.
Over several steps the law depends on how slots are chosen. Suppose that the logits do not depend on the
canvas, so that there is one joint law to compare with:
- first-hitting and entropy-bound, also inside blocks, prophet and freedave: exact, for any grammar. They
  choose by the slots' distributions or at random; the drawn tokens have no part in the choice.
- low-confidence, threshold, factor, and blocks, prophet and freedave around them: not exact, even if all
  texts are valid. They keep the tokens that are likely and draw the others again, so likely tokens get too
  much. With four slots of two equally likely tokens low-confidence is 0.47 from the joint law in total
  variation.
- left-to-right with one token a step, and confident-prefix: exact if the tokens that may stand in a slot do
  not depend on the other slots. For other grammars the law is that of masking from left to right: each slot
  by its own probabilities among the tokens that leave a valid filling.
- left-to-right with more tokens a step: not exact.
If the logits depend on the canvas, as those of a model do, no scheduler draws from the model's joint law
under a grammar. Without a grammar, one slot a step in an order that the draws have no part in (first-hitting,
left-to-right) draws from it, if the model's distributions are those of one joint law.

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
