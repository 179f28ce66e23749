"""The options of `sg.run`, `sg.generate` and their kin as type checkers read them.

`scripts/call_options.py` writes them, of the dataclasses that declare them; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from structgen.asking.tool_calls.tool_format import ToolFormat
    from structgen.decoding.engine.requests import Sampling
    from structgen.decoding.engine.strategies.strategy import Strategy
    from structgen.decoding.engine.thinking import Thinking
    from structgen.decoding.speculation.speculation_options import Speculation


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
    stop_tokens: Sequence[int]
    grounded: bool | str | Mapping[str, str]
    quotes: bool | Literal["exact"]
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
