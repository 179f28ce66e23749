"""How a typed function asks: what may be chosen, checked once."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from structgen.engine import checks
from structgen.engine.requests import IN_SAMPLING, Sampling, redrawn
from structgen.engine.thinking import Thinking
from structgen.errors import OptionError, unknown_option
from structgen.json_grammars.schema_grammar import json_schema
from structgen.speculation.speculation_options import Speculation, checked_speculation

TARGETS: Final = ("schema", "response_model", "response_format", "output_type")
"""What other libraries call the type or schema of an answer."""
CHOICES: Final = ("whole", "calibrated", "tokens")
"""How a model chooses among listed values."""
NAMED_ELSEWHERE: Final = {
    **IN_SAMPLING,
    **dict.fromkeys(("max_retries", "retries"), "Write attempts="),
    **{
        policy: f"Write policies={{{policy!r}: ...}}"
        for policy in ("max_string", "max_items", "whitespace", "numbers", "escapes", "property_order")
    },
    **dict.fromkeys(("n", "num_samples"), "For many samples of one prompt, call sg.sample"),
    "parallel_tool_calls": "Write parallel=",
    "functions": "Write tools=",
    "function_call": "Write tool_choice=",
    "device": "Load the model first: model=sg.Engine(name, device=...)",
    "dtype": "Load the model first: model=sg.Engine(name, dtype=...)",
    "backend": "Leave it out; the model decides how texts are made",
}
"""Names that other libraries, or other functions of this one, give to options; and what to write here."""


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
    wrap: bool | None = None
    choices: str = "whole"
    canonical: bool = False
    healing: bool = False

    def __post_init__(self) -> None:
        for name, value in (("max_tokens", self.max_tokens), ("attempts", self.attempts)):
            if value is None and name == "max_tokens":
                continue
            object.__setattr__(self, name, checks.whole(name, value, 1))
        for name in ("canonical", "healing"):
            object.__setattr__(self, name, checks.flag(name, getattr(self, name)) or False)
        object.__setattr__(self, "timeout", checks.seconds("timeout", self.timeout))
        object.__setattr__(self, "stop", checks.texts("stop", self.stop))
        checks.flag("wrap", self.wrap)
        if self.choices not in CHOICES:
            raise OptionError(
                f"choices={self.choices!r}.", where="choices", cure=f"Choose from {', '.join(CHOICES)}."
            )
        checked_speculation(self.speculation)
        if not isinstance(self.thinking, Thinking | None):
            raise OptionError(
                f"thinking is a {type(self.thinking).__name__}.",
                where="thinking",
                cure='Pass sg.Thinking(until=..., max_tokens=...); True and "auto" are said beside tools.',
            )
        if not isinstance(self.sampling, Sampling):
            raise OptionError(
                f"sampling is a {type(self.sampling).__name__}.",
                where="sampling",
                cure="Pass sg.Sampling(temperature=..., seed=...).",
            )

        if self.policies is not None:
            _check_policies(self.policies)

    def sampling_of(self, attempt: int) -> Sampling:
        """Return how tokens are chosen at an attempt, from 0 (`redrawn`)."""
        return redrawn(self.sampling, attempt)


def _check_policies(policies: Mapping[str, Any]) -> None:
    """Raise OptionError unless all keys are options of `sg.json_schema`."""
    if not isinstance(policies, Mapping):
        raise OptionError(
            f"policies is a {type(policies).__name__}.",
            where="policies",
            cure='Pass a dict, such as policies={"max_string": 80}.',
        )
    known = list(inspect.signature(json_schema).parameters)[1:]
    for name in policies:
        if name not in known:
            raise unknown_option("sg.json_schema", str(name), known, where="policies")
