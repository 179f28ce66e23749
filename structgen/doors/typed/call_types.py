"""The types of `sg.run` and `sg.arun`, for type checkers. Never imported at run time.

Seven kinds of targets have answers of different types, and an answer comes in six ways: as it is, detailed or
as a stream, of `run` and of `arun`. So the seven are written down once (`PlainCalls`), and a function from
callables to callables makes each way of them: type checkers apply it to every overload.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Never,
    ParamSpec,
    Required,
    TypeAlias,
    TypeVar,
    Unpack,
    overload,
)

from typing_extensions import TypeForm

from structgen.asking.request_reading.targets import AnyTarget, TextTarget
from structgen.asking.tool_calls.tool_definitions import Tools
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call, Reply
from structgen.base.language.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong
from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.model_prompts import Message
from structgen.decoding.engine.requests import Sampling
from structgen.decoding.engine.strategies.strategy import Strategy
from structgen.decoding.engine.thinking import Thinking
from structgen.decoding.speculation.speculation_options import Speculation
from structgen.doors.typed.infilled import Infilling
from structgen.doors.typed.options import CallOptions
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial
from structgen.doors.typed.servers import Server
from structgen.doors.typed.waiting import AsyncStream

T = TypeVar("T")
D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")
R_async = TypeVar("R_async")
R_co = TypeVar("R_co", covariant=True)
R_async_co = TypeVar("R_async_co", covariant=True)

AnyModel: TypeAlias = str | Path | Engine | Infilling | Server
Prompt: TypeAlias = str | Sequence[Message]
CoroutineOf: TypeAlias = Coroutine[Any, Any, T]


class PlainCalls(Generic[D]):
    """Calls that return the answer as it is. `D`: the type of the option `detailed`, Never where there is
    none."""

    # no target, or a pattern or a grammar: the text
    @overload
    def answer(  # type: ignore[overload-overlap]
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget | None = None,
        *,
        tools: None = None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> str: ...
    # tools alone: a reply, or calls
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[Reply] | None = None,
        *,
        tools: Tools | None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> Reply: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[list[Call]],
        *,
        tools: Tools | None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> list[Call]: ...
    # a type beside tools: its object, or a call
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget,
        *,
        tools: Tools | None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> str | Call: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[T],
        *,
        tools: Tools | None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> T | Call: ...
    # a form of a type, such as a union
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TypeForm[T],
        *,
        tools: Tools | None = None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> T: ...
    # any other target, such as a JSON Schema
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: AnyTarget,
        *,
        tools: Tools | None = None,
        detailed: D = ...,
        **options: Unpack[CallOptions],
    ) -> Any: ...
    @overload  # takes no call: for messages about wrong ones
    def answer(
        self,
        model: FineIf[AnyModel, Never],
        prompt: Prompt | Wrong,
        target: TypeForm[Any] | TextTarget | AnyTarget | Wrong | None = None,
        *,
        tools: Tools | Wrong | None = None,
        detailed: D | Wrong = ...,
        # the options, by scripts/call_options.py
        sampling: Sampling | Wrong | None = ...,
        strategy: Strategy | Sequence[Strategy] | Wrong = ...,
        max_tokens: int | Wrong | None = ...,
        attempts: int | Wrong = ...,
        outline: bool | Wrong | None = ...,
        chat: bool | Wrong | None = ...,
        timeout: float | Wrong | None = ...,
        policies: Mapping[str, Any] | Wrong | None = ...,
        speculation: str | Speculation | Wrong = ...,
        canonical: bool | Wrong = ...,
        healing: bool | Wrong = ...,
        wrap: bool | Wrong | None = ...,
        choices: str | Wrong = ...,
        thinking: Thinking | bool | Literal["auto"] | Wrong | None = ...,
        stop: str | Sequence[str] | Wrong = ...,
        continue_final_message: bool | Wrong | None = ...,
        grounded: bool | str | Mapping[str, str] | Wrong = ...,
        quotes: bool | Wrong = ...,
        missing: str | Wrong = ...,
        examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
        tool_choice: Any | Wrong = ...,
        parallel: bool | int | Wrong | None = ...,
        tool_format: str | ToolFormat | Any | Wrong = ...,
        **unknown: NotAnOption,
    ) -> Any: ...
    @overload
    def answer(self, model: ArgumentMissing, **options: Any) -> Any: ...
    def answer(self, *arguments: Any, **options: Any) -> Any:
        """Stand for the overloads."""


class ObjectOptions(CallOptions, total=False):
    """The options of a call that returns the object."""

    detailed: Literal[False]
    stream: Literal[False]


class TextOptions(ObjectOptions, total=False):
    """The same, without tools."""

    tools: None


class ObjectToolOptions(ObjectOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


class DetailedOptions(CallOptions, total=False):
    """The options of a call that returns the outcome."""

    detailed: Required[Literal[True]]
    stream: Literal[False]


class DetailedTextOptions(DetailedOptions, total=False):
    """The same, without tools."""

    tools: None


class DetailedToolOptions(DetailedOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


class StreamOptions(CallOptions, total=False):
    """The options of a call that returns a stream."""

    detailed: bool
    stream: Required[Literal[True]]


class StreamTextOptions(StreamOptions, total=False):
    """The same, without tools."""

    tools: None


class StreamToolOptions(StreamOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


class Both(Generic[R_co, R_async_co]):
    """What `run` returns, and what `arun` does."""


Whole: TypeAlias = Both[T, CoroutineOf[T]]
Detailed: TypeAlias = Both[Outcome[T], CoroutineOf[Outcome[T]]]
Streamed: TypeAlias = Both[Iterator[Partial[T]], AsyncStream[Partial[T]]]


class OptionCalls:
    """Calls with the options `detailed` and `stream`, which the methods replace."""

    # no target, or a pattern or a grammar: the text
    @overload
    def answer(  # type: ignore[overload-overlap]
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget | None = None,
        **options: Unpack[TextOptions],
    ) -> Whole[str]: ...
    @overload
    def answer(  # type: ignore[overload-overlap]
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget | None = None,
        **options: Unpack[DetailedTextOptions],
    ) -> Detailed[str]: ...
    @overload
    def answer(  # type: ignore[overload-overlap]
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget | None = None,
        **options: Unpack[StreamTextOptions],
    ) -> Streamed[str]: ...
    # tools alone: a reply, or calls
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[Reply] | None = None,
        *,
        tools: Tools | None,
        **options: Unpack[ObjectOptions],
    ) -> Whole[Reply]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[Reply] | None = None,
        *,
        tools: Tools | None,
        **options: Unpack[DetailedOptions],
    ) -> Detailed[Reply]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[Reply] | None = None,
        *,
        tools: Tools | None,
        **options: Unpack[StreamOptions],
    ) -> Streamed[Reply]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[list[Call]],
        *,
        tools: Tools | None,
        **options: Unpack[ObjectOptions],
    ) -> Whole[list[Call]]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[list[Call]],
        *,
        tools: Tools | None,
        **options: Unpack[DetailedOptions],
    ) -> Detailed[list[Call]]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[list[Call]],
        *,
        tools: Tools | None,
        **options: Unpack[StreamOptions],
    ) -> Streamed[list[Call]]: ...
    # a type beside tools: its object, or a call
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget,
        *,
        tools: Tools | None,
        **options: Unpack[ObjectOptions],
    ) -> Whole[str | Call]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget,
        *,
        tools: Tools | None,
        **options: Unpack[DetailedOptions],
    ) -> Detailed[str | Call]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: TextTarget,
        *,
        tools: Tools | None,
        **options: Unpack[StreamOptions],
    ) -> Streamed[str | Call]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[T],
        *,
        tools: Tools | None,
        **options: Unpack[ObjectOptions],
    ) -> Whole[T | Call]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[T],
        *,
        tools: Tools | None,
        **options: Unpack[DetailedOptions],
    ) -> Detailed[T | Call]: ...
    @overload
    def answer(
        self,
        model: AnyModel,
        prompt: Prompt,
        target: type[T],
        *,
        tools: Tools | None,
        **options: Unpack[StreamOptions],
    ) -> Streamed[T | Call]: ...
    # a form of a type, such as a union
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[ObjectToolOptions]
    ) -> Whole[T]: ...
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[DetailedToolOptions]
    ) -> Detailed[T]: ...
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[StreamToolOptions]
    ) -> Streamed[T]: ...
    # any other target, such as a JSON Schema
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[ObjectToolOptions]
    ) -> Whole[Any]: ...
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[DetailedToolOptions]
    ) -> Detailed[Any]: ...
    @overload
    def answer(
        self, model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[StreamToolOptions]
    ) -> Streamed[Any]: ...
    @overload  # takes no call: for messages about wrong ones
    def answer(
        self,
        model: FineIf[AnyModel, Never],
        prompt: Prompt | Wrong,
        target: TypeForm[Any] | TextTarget | AnyTarget | Wrong | None = None,
        *,
        tools: Tools | Wrong | None = None,
        detailed: Literal[True] | Wrong = ...,
        stream: Literal[True] | Wrong = ...,
        # the options, by scripts/call_options.py
        sampling: Sampling | Wrong | None = ...,
        strategy: Strategy | Sequence[Strategy] | Wrong = ...,
        max_tokens: int | Wrong | None = ...,
        attempts: int | Wrong = ...,
        outline: bool | Wrong | None = ...,
        chat: bool | Wrong | None = ...,
        timeout: float | Wrong | None = ...,
        policies: Mapping[str, Any] | Wrong | None = ...,
        speculation: str | Speculation | Wrong = ...,
        canonical: bool | Wrong = ...,
        healing: bool | Wrong = ...,
        wrap: bool | Wrong | None = ...,
        choices: str | Wrong = ...,
        thinking: Thinking | bool | Literal["auto"] | Wrong | None = ...,
        stop: str | Sequence[str] | Wrong = ...,
        continue_final_message: bool | Wrong | None = ...,
        grounded: bool | str | Mapping[str, str] | Wrong = ...,
        quotes: bool | Wrong = ...,
        missing: str | Wrong = ...,
        examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
        tool_choice: Any | Wrong = ...,
        parallel: bool | int | Wrong | None = ...,
        tool_format: str | ToolFormat | Any | Wrong = ...,
        **unknown: NotAnOption,
    ) -> Whole[Any]: ...
    @overload
    def answer(self, model: ArgumentMissing, **options: Any) -> Whole[Any]: ...
    def answer(self, *arguments: Any, **options: Any) -> Any:
        """Stand for the overloads."""


if TYPE_CHECKING:  # functions without a body

    def with_outcome(call: Callable[P, R]) -> Callable[P, Outcome[R]]: ...
    def with_partials(call: Callable[P, R]) -> Callable[P, Iterator[Partial[R]]]: ...
    def with_async_outcome(call: Callable[P, R]) -> Callable[P, CoroutineOf[Outcome[R]]]: ...
    def with_async_partials(call: Callable[P, R]) -> Callable[P, AsyncStream[Partial[R]]]: ...
    def as_sync(call: Callable[P, Both[R, R_async]]) -> Callable[P, R]: ...
    def as_async(call: Callable[P, Both[R, R_async]]) -> Callable[P, R_async]: ...


class Calls(OptionCalls):
    """The type of `sg.run`."""

    __call__ = as_sync(OptionCalls.answer)

    def __init__(self, plain: PlainCalls[Never], streaming: PlainCalls[bool]) -> None:
        self.detailed = with_outcome(plain.answer)
        self.stream = with_partials(streaming.answer)


class AsyncCalls(OptionCalls):
    """The type of `sg.arun`."""

    __call__ = as_async(OptionCalls.answer)

    def __init__(self, plain: PlainCalls[Never], streaming: PlainCalls[bool]) -> None:
        self.detailed = with_async_outcome(plain.answer)
        self.stream = with_async_partials(streaming.answer)
