"""The decoding engine: a model and a grammar become text.

`doors` is where it is asked (`Engine`); `loop` reads like the thing itself: admit, choose, commit, fill masks
while the model runs. What it stands on: `requests` (what is asked, what comes back), `texts` (what is
written), `lines` (their masks), `choice` (from logits to a token, compiled in `drawing`), `noise`
(counter-based, so that a seed means the same in any batch), `models` (the protocol, and how one is loaded),
`llama` (compiled in `forward` over `pages`, or by torch over `slabs`) and `huggingface` (two models
behind it); `thinking` is what may come before a document.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from structgen.errors import StructgenError

if TYPE_CHECKING:
    from structgen.engine.doors import Engine
    from structgen.engine.models import Model, load_model
    from structgen.engine.requests import FinishReason, Handle, Request, Result, Sampling

__all__ = ["Engine", "FinishReason", "Handle", "Model", "Request", "Result", "Sampling", "load_model"]


def __getattr__(name: str) -> object:
    """Return a public name; what is asked of an engine is told without torch, which the loop loads. Raises
    StructgenError for `Engine` where torch is not installed."""
    match name:
        case "Engine":
            home = "doors"
        case "Model" | "load_model":
            home = "models"
        case "FinishReason" | "Handle" | "Request" | "Result" | "Sampling":
            home = "requests"
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(import_module(f"structgen.engine.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise StructgenError(
            "The engine needs torch, which is not installed.", cure="pip install torch"
        ) from error
    return found
