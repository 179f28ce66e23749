"""The decoding engine: a model and a grammar become text.

`loop` reads like the thing itself: admit, choose, commit, fill masks while the model runs. What it stands on:
`requests` (what is asked, what comes back), `texts` (what is written), `choice` (from logits to a token,
compiled in `drawing`), `noise` (counter-based, so that a seed means the same in any batch), `models` (the
protocol, and how one is loaded), `llama` (over `slabs` and `attention`) and
`huggingface` (two models behind it).
"""

from structgen.engine.loop import Engine
from structgen.engine.models import Model, load_model
from structgen.engine.requests import FinishReason, Handle, Request, Result, Sampling

__all__ = ["Engine", "FinishReason", "Handle", "Model", "Request", "Result", "Sampling", "load_model"]
