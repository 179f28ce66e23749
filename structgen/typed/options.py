"""How a typed function asks: what may be chosen, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from structgen.engine import checks
from structgen.engine.requests import Sampling, redrawn
from structgen.engine.thinking import Thinking
from structgen.errors import OptionError
from structgen.speculation.speculation_options import Speculation, checked_speculation


@dataclass(frozen=True, slots=True)
class TypedOptions:
    """Options of `sg.generate` and `sg.run`, with their defaults."""

    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    max_tokens: int | None = None
    attempts: int = 3
    outline: bool | None = None
    chat: bool | None = None
    timeout: float | None = None
    policies: Mapping[str, Any] | None = None
    thinking: Thinking | None = None
    speculation: str | Speculation = "auto"
    stop: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, value in (("max_tokens", self.max_tokens), ("attempts", self.attempts)):
            if value is None and name == "max_tokens":
                continue
            object.__setattr__(self, name, checks.whole(name, value, 1))
        object.__setattr__(self, "timeout", checks.seconds("timeout", self.timeout))
        object.__setattr__(self, "stop", checks.texts("stop", self.stop))
        checked_speculation(self.speculation)
        if not isinstance(self.thinking, Thinking | None):
            raise OptionError(
                f"thinking is a {type(self.thinking).__name__}.",
                where="thinking",
                cure="Pass sg.Thinking(until=..., max_tokens=...).",
            )
        if not isinstance(self.sampling, Sampling):
            raise OptionError(
                f"sampling is a {type(self.sampling).__name__}.",
                where="sampling",
                cure="Pass sg.Sampling(temperature=..., seed=...).",
            )

    def sampling_of(self, attempt: int) -> Sampling:
        """Return how tokens are chosen at an attempt, from 0 (`redrawn`)."""
        return redrawn(self.sampling, attempt)
