"""The decoding engine: a model and a grammar become text.

What comes in: requests (prompt, grammar, options). What goes out: texts with token ids, log-probabilities,
reasons.

1. `engine.Engine` is the API; `requests` has requests and results; `model_prompts` makes prompts;
   `driver` takes steps for event loops; `bulk_runs` works through a file of prompts.
2. `loop` reads like the thing itself: admit, choose, commit, fill masks while the model runs.
   `prompt_reading` reads prompts in pieces meanwhile. `text` is one text that is being written; `thinking`
   the free text before it; `mask_rows` the masks that are not known yet; `batch_drafts` and `text_drafts`
   are speculation.
3. `choice` goes from logits to tokens (`choice_loops` is compiled); noise is a function of seed, sample,
   position and token, so that a seed means the same in any batch.
4. `model_protocol` is the protocol of models; `models` finds one: `forward_pass.llama` (our own) and
   `huggingface`.
5. `strategies` change the distribution of the next token; `searches` read ahead. Both are edits of a text,
   which the loop calls without knowing them.

Helpers: `contradictions` lists options that exclude one another, `draft_models` checks drafters,
`model_faults` are errors of a model, `special_texts` the texts of special tokens, `row_loops` compiled loops
over rows, `trace` pages that show how a text came to be.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names
from structgen.base.system.waits import announce_wait

if TYPE_CHECKING:
    from structgen.decoding.engine.engine import Engine
    from structgen.decoding.engine.model_protocol import Model
    from structgen.decoding.engine.models import load_model
    from structgen.decoding.engine.requests import FinishReason, Handle, Request, Result, Sampling

__all__ = ["Engine", "FinishReason", "Handle", "Model", "Request", "Result", "Sampling", "load_model"]

_load, __dir__ = lazy_names(
    __name__,
    {
        "structgen.decoding.engine.engine": "Engine",
        "structgen.decoding.engine.model_protocol": "Model",
        "structgen.decoding.engine.models": "load_model",
        "structgen.decoding.engine.requests": "FinishReason Handle Request Result Sampling",
    },
)


def __getattr__(name: str) -> object:
    """Return a public name. Without torch, which the loop loads, `Engine` is a class that raises the
    error."""
    try:
        with announce_wait("loading torch"):
            return _load(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return _EngineWithoutTorch


class _EngineWithoutTorch:
    """What `Engine` is where torch is not installed."""

    def __init__(self, model: object = "structgen/extract", *_: object, **__: object) -> None:
        """Raise StructgenError, with all that the model needs."""
        # start-up: what finds models
        from structgen.decoding.engine.models import missing_package_error

        raise missing_package_error(model if isinstance(model, str | Path) else "")
