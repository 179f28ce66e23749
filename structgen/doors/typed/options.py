"""The options of a typed function, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict, cast

from structgen.asking.grounding.grounded_grammar import checked_texts
from structgen.asking.request_reading.example_pairs import NO_PAIRS, Pairs, read_pairs
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.language import checks
from structgen.base.language.checks import ChoiceCheck, InstanceCheck, NamedCheck, WholeCheck, check_fields
from structgen.decoding.engine.requests import (
    A_SAMPLING,
    IN_SAMPLING,
    Request,
    Sampling,
    sampling_of_attempt,
    with_strategy,
)
from structgen.decoding.engine.strategies.strategy import Strategy
from structgen.decoding.engine.thinking import Thinking
from structgen.decoding.speculation.speculation_options import Speculation, checked_speculation
from structgen.doors.typed.missing_options import WITHOUT_TOOLS

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


class WritingOptions(TypedDict, total=False):
    """The options of all calls: how a text is written, whatever it is about."""

    sampling: Sampling | None
    strategy: Strategy | Sequence[Strategy]
    max_tokens: int | None
    attempts: int
    outline: bool | None
    chat: bool | None
    timeout: float | None
    policies: Mapping[str, Any] | None
    speculation: str | Speculation
    canonical: bool
    healing: bool
    wrap: bool | None
    choices: str
    thinking: Thinking | bool | Literal["auto"] | None


class CallOptions(WritingOptions, total=False):
    """The options of `sg.generate` and `sg.run`; `sg.generate` says what each means."""

    stop: str | Sequence[str]
    continue_final_message: bool | None
    grounded: bool | str | Mapping[str, str]
    quotes: bool
    missing: str
    examples: Iterable[tuple[Any, Any]] | Path | None
    tool_choice: Any
    parallel: bool | int | None
    tool_format: str | ToolFormat | Any


class FunctionOptions(CallOptions, total=False):
    """All options of `sg.generate`."""

    model: Any
    target: Any
    tools: Any


_POLICIES = InstanceCheck(Mapping, 'Pass a dict, such as policies={"max_string": 80}.')
_A_THINKING = InstanceCheck(
    Thinking, 'Pass sg.Thinking(until=..., max_tokens=...); True and "auto" are said beside tools.'
)


_UNTIL_MADE: Any = None  # `__post_init__` makes the sampling, with the strategies


@dataclass(frozen=True, slots=True)
class TypedOptions:
    """Options of `sg.generate` and `sg.run`, with defaults; `sampling` to `tool_format` are `CallOptions`."""

    sampling: Annotated[Sampling, A_SAMPLING] = _UNTIL_MADE
    """With the strategies of the call; by default greedy."""
    strategy: Strategy | Sequence[Strategy] = ()
    max_tokens: Annotated[int, WholeCheck(1)] | None = None
    attempts: Annotated[int, WholeCheck(1)] = 3
    outline: Annotated[bool | None, checks.check_flag] = None
    chat: Annotated[bool | None, checks.check_flag] = None
    timeout: Annotated[float | None, checks.check_seconds] = None
    policies: Annotated[Mapping[str, Any], _POLICIES] | None = None
    speculation: Annotated[str | Speculation, NamedCheck(checked_speculation)] = "auto"
    canonical: Annotated[bool, checks.check_switch] = False
    healing: Annotated[bool, checks.check_switch] = False
    stop: Annotated[str | Sequence[str], checks.check_texts] = ()
    wrap: Annotated[bool | None, checks.check_flag] = None
    choices: Annotated[str, ChoiceCheck(CHOICES)] = "whole"
    continue_final_message: Annotated[bool | None, checks.check_flag] = None
    grounded: Annotated[bool | str | Mapping[str, str], NamedCheck(checked_texts)] = False
    quotes: Annotated[bool, checks.check_switch] = False
    missing: Annotated[str, ChoiceCheck(("error", "free"))] = "error"
    thinking: Annotated[Thinking, _A_THINKING] | None = None
    """Beside tools, True and "auto" are kept in `thoughts`."""
    examples: Annotated[Pairs, NamedCheck(read_pairs)] = NO_PAIRS
    tool_choice: Any = None
    parallel: bool | int | None = None
    tool_format: str | ToolFormat | Any = None
    tools: Any = None
    thoughts: bool | Literal["auto"] = field(default=False, init=False)

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


OF_REQUEST: Final = (CallOptions.__annotations__.keys() & Request.__annotations__) - {"sampling", "choices"}
"""Options that a request has by the same names, and with the same meaning."""
OPTION_DEFAULTS: Final = {field.name: field.default for field in fields(TypedOptions)}
"""The defaults that `help` shows."""
