"""The options of a typed function, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Literal, cast

from structgen.asking.grounding.grounded_grammar import checked_texts
from structgen.asking.request_reading.example_pairs import NO_PAIRS, Pairs, read_pairs
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.language.checks import (
    ChoiceCheck,
    InstanceCheck,
    NamedCheck,
    PositiveCount,
    Quotes,
    Switch,
    check_fields,
)
from structgen.decoding.engine.requests import (
    A_SAMPLING,
    IN_SAMPLING,
    Request,
    Sampling,
    sampling_of_attempt,
    with_strategy,
)
from structgen.doors.typed.missing_options import WITHOUT_TOOLS
from structgen.doors.typed.signatures.call_options import CallOptions

TARGETS: Final = ("schema", "response_model", "response_format", "output_type")
"""Names of other libraries for the type or the schema of an answer."""
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


_POLICIES = InstanceCheck(Mapping, 'Pass a dict, such as policies={"max_string": 80}.')
_UNTIL_MADE: Any = None  # `__post_init__` makes the sampling, with the strategies


@dataclass(frozen=True, slots=True)
class TypedOptions(Request):
    """Options of `sg.generate` and `sg.run`, with defaults: those of the request that a call makes, whose
    prompt and grammar come with the call, and those of the call alone (`CallOptions` has all of them)."""

    prompt: Any = ""
    sampling: Annotated[Sampling, A_SAMPLING] = _UNTIL_MADE
    """With the strategies of the call; by default greedy."""
    choices: Annotated[str, ChoiceCheck(CHOICES)] = "whole"
    attempts: PositiveCount = 3
    policies: Annotated[Mapping[str, Any], _POLICIES] | None = None
    wrap: Switch | None = None
    grounded: Annotated[bool | str | Mapping[str, str], NamedCheck(checked_texts)] = False
    quotes: Quotes = False
    missing: Annotated[str, ChoiceCheck(("error", "free"))] = "error"
    examples: Annotated[Pairs, NamedCheck(read_pairs)] = NO_PAIRS
    tool_choice: Any = None
    parallel: bool | int | None = None
    tool_format: str | ToolFormat | Any = None
    tools: Any = None
    thoughts: bool | Literal["auto"] = field(default=False, init=False)
    """True and "auto" of the option `thinking`, beside tools."""

    def __post_init__(self) -> None:
        WITHOUT_TOOLS.raise_first(self)
        # beside tools, True and "auto" mean the thoughts of the format
        if self.tools is not None and isinstance(thoughts := cast("Any", self.thinking), bool | str):
            object.__setattr__(self, "thoughts", thoughts)
            object.__setattr__(self, "thinking", None)
        object.__setattr__(self, "sampling", with_strategy(self.sampling, self.strategy, 0.0))
        object.__setattr__(self, "strategy", ())  # it is in `sampling` now
        check_fields(self)

    def sampling_of(self, attempt: int) -> Sampling:
        """Return how tokens are chosen at an attempt, from 0 (`redrawn`)."""
        return sampling_of_attempt(self.sampling, attempt)


OF_REQUEST: Final = CallOptions.__annotations__.keys() & Request.__annotations__.keys() - {
    "sampling",
    "choices",
}
"""Options that a request has by the same names, and with the same meaning."""
OPTION_DEFAULTS: Final = {field.name: field.default for field in fields(TypedOptions)}
"""The defaults that `help` shows."""
