"""The types of `sg.run` and `sg.arun`, which type checkers alone read.

Seven kinds of targets have answers of different types, and there are six ways to have one: as it is, detailed
or as a stream, of `run` and of `arun`. The seven are written down once, in `OptionCalls._answer`. Functions
from callables to callables make the six of them: type checkers apply these to each overload. The list of
options in the last overload is written by `scripts/call_options.py`.
"""

# Whether two overloads overlap depends on the type arguments of `OptionCalls`.
# mypy: disable-error-code="overload-overlap"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Generic, Literal, Never, ParamSpec, Required, TypeAlias, TypeVar, Unpack, overload

    from typing_extensions import TypeForm

    from structgen.asking.request_reading.targets import AnyTarget, TextTarget
    from structgen.asking.tool_calls.tool_definitions import Tools
    from structgen.asking.tool_calls.tool_format import ToolFormat
    from structgen.asking.tool_calls.tool_replies import Call, Reply
    from structgen.decoding.engine.engine import Engine
    from structgen.decoding.engine.model_prompts import Message
    from structgen.decoding.engine.requests import Sampling
    from structgen.decoding.engine.strategies.strategy import Strategy
    from structgen.decoding.engine.thinking import Thinking
    from structgen.decoding.runs.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong
    from structgen.decoding.speculation.speculation_options import Speculation
    from structgen.doors.typed.infilled import Infilling
    from structgen.doors.typed.outcomes import Outcome
    from structgen.doors.typed.partial import Partial
    from structgen.doors.typed.servers import Server
    from structgen.doors.typed.signatures.call_options import CallOptions
    from structgen.doors.typed.waiting import AsyncStream

    T = TypeVar("T")
    Yes = TypeVar("Yes")
    Details = TypeVar("Details")
    No = TypeVar("No")
    P = ParamSpec("P")
    R = TypeVar("R")
    R_async = TypeVar("R_async")
    R_co = TypeVar("R_co", covariant=True)
    R_async_co = TypeVar("R_async_co", covariant=True)

    AnyModel: TypeAlias = str | Path | Engine | Infilling | Server
    Prompt: TypeAlias = str | Sequence[Message]
    CoroutineOf: TypeAlias = Coroutine[Any, Any, T]

    class ObjectOptions(CallOptions, Generic[Details, No], total=False):
        """The options of a call that returns the object."""

        detailed: Details
        stream: No

    class TextOptions(ObjectOptions[Details, No], total=False):
        """The same, without tools."""

        tools: None

    class ObjectToolOptions(ObjectOptions[Details, No], total=False):
        """The same, perhaps with tools."""

        tools: Tools | None

    class DetailedOptions(CallOptions, Generic[Yes, No], total=False):
        """The options of a call that returns the outcome."""

        detailed: Required[Yes]
        stream: No

    class DetailedTextOptions(DetailedOptions[Yes, No], total=False):
        """The same, without tools."""

        tools: None

    class DetailedToolOptions(DetailedOptions[Yes, No], total=False):
        """The same, perhaps with tools."""

        tools: Tools | None

    class StreamOptions(CallOptions, Generic[Yes], total=False):
        """The options of a call that returns a stream."""

        detailed: bool
        stream: Required[Yes]

    class StreamTextOptions(StreamOptions[Yes], total=False):
        """The same, without tools."""

        tools: None

    class StreamToolOptions(StreamOptions[Yes], total=False):
        """The same, perhaps with tools."""

        tools: Tools | None

    class Both(Generic[R_co, R_async_co]):
        """What `run` returns, and what `arun` does."""

    Whole: TypeAlias = Both[T, CoroutineOf[T]]
    Detailed: TypeAlias = Both[Outcome[T], CoroutineOf[Outcome[T]]]
    Streamed: TypeAlias = Both[Iterator[Partial[T]], AsyncStream[Partial[T]]]

    class OptionCalls(Generic[Yes, Details, No]):
        """Calls with the options `detailed` and `stream`, which the methods replace.

        `Yes`: the type of an option that changes the kind of the answer, Never where there is no such
        option; `Details`, `No`: the types of `detailed` and `stream` where they leave the kind as it is.
        """

        # no target, or a pattern or a grammar: the text
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget | None = None,
            **options: Unpack[TextOptions[Details, No]],
        ) -> Whole[str]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget | None = None,
            **options: Unpack[DetailedTextOptions[Yes, No]],
        ) -> Detailed[str]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget | None = None,
            **options: Unpack[StreamTextOptions[Yes]],
        ) -> Streamed[str]: ...
        # tools alone: a reply, or calls
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[Reply] | None = None,
            *,
            tools: Tools | None,
            **options: Unpack[ObjectOptions[Details, No]],
        ) -> Whole[Reply]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[Reply] | None = None,
            *,
            tools: Tools | None,
            **options: Unpack[DetailedOptions[Yes, No]],
        ) -> Detailed[Reply]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[Reply] | None = None,
            *,
            tools: Tools | None,
            **options: Unpack[StreamOptions[Yes]],
        ) -> Streamed[Reply]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[list[Call]],
            *,
            tools: Tools | None,
            **options: Unpack[ObjectOptions[Details, No]],
        ) -> Whole[list[Call]]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[list[Call]],
            *,
            tools: Tools | None,
            **options: Unpack[DetailedOptions[Yes, No]],
        ) -> Detailed[list[Call]]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[list[Call]],
            *,
            tools: Tools | None,
            **options: Unpack[StreamOptions[Yes]],
        ) -> Streamed[list[Call]]: ...
        # a type beside tools: its object, or a call
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget,
            *,
            tools: Tools | None,
            **options: Unpack[ObjectOptions[Details, No]],
        ) -> Whole[str | Call]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget,
            *,
            tools: Tools | None,
            **options: Unpack[DetailedOptions[Yes, No]],
        ) -> Detailed[str | Call]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TextTarget,
            *,
            tools: Tools | None,
            **options: Unpack[StreamOptions[Yes]],
        ) -> Streamed[str | Call]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[T],
            *,
            tools: Tools | None,
            **options: Unpack[ObjectOptions[Details, No]],
        ) -> Whole[T | Call]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[T],
            *,
            tools: Tools | None,
            **options: Unpack[DetailedOptions[Yes, No]],
        ) -> Detailed[T | Call]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: type[T],
            *,
            tools: Tools | None,
            **options: Unpack[StreamOptions[Yes]],
        ) -> Streamed[T | Call]: ...
        # a form of a type, such as a union
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TypeForm[T],
            **options: Unpack[ObjectToolOptions[Details, No]],
        ) -> Whole[T]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TypeForm[T],
            **options: Unpack[DetailedToolOptions[Yes, No]],
        ) -> Detailed[T]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: TypeForm[T],
            **options: Unpack[StreamToolOptions[Yes]],
        ) -> Streamed[T]: ...
        # any other target, such as a JSON Schema
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: AnyTarget,
            **options: Unpack[ObjectToolOptions[Details, No]],
        ) -> Whole[Any]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: AnyTarget,
            **options: Unpack[DetailedToolOptions[Yes, No]],
        ) -> Detailed[Any]: ...
        @overload
        def _answer(
            self,
            model: AnyModel,
            prompt: Prompt,
            target: AnyTarget,
            **options: Unpack[StreamToolOptions[Yes]],
        ) -> Streamed[Any]: ...
        @overload  # takes no call: for messages about wrong ones
        def _answer(
            self,
            model: FineIf[AnyModel, Never],
            prompt: Prompt | Wrong,
            target: TypeForm[Any] | TextTarget | AnyTarget | Wrong | None = None,
            *,
            tools: Tools | Wrong | None = None,
            detailed: Yes | Details | Wrong = ...,
            stream: Yes | No | Wrong = ...,
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
            stop_tokens: Sequence[int] | Wrong = ...,
            grounded: bool | str | Mapping[str, str] | Wrong = ...,
            quotes: bool | Literal["exact"] | Wrong = ...,
            missing: str | Wrong = ...,
            examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
            tool_choice: Any | Wrong = ...,
            parallel: bool | int | Wrong | None = ...,
            tool_format: str | ToolFormat | Any | Wrong = ...,
            **unknown: NotAnOption,
        ) -> Whole[Any]: ...
        @overload
        def _answer(self, model: ArgumentMissing, **options: Any) -> Whole[Any]: ...
        def _answer(self, *arguments: Any, **options: Any) -> Any:
            """Stand for the overloads."""

    def as_sync(call: Callable[P, Both[R, R_async]]) -> Callable[P, R]: ...
    def as_async(call: Callable[P, Both[R, R_async]]) -> Callable[P, R_async]: ...
    def as_outcome(call: Callable[P, Both[R, R_async]]) -> Callable[P, Outcome[R]]: ...
    def as_partials(call: Callable[P, Both[R, R_async]]) -> Callable[P, Iterator[Partial[R]]]: ...
    def as_async_outcome(call: Callable[P, Both[R, R_async]]) -> Callable[P, CoroutineOf[Outcome[R]]]: ...
    def as_async_partials(call: Callable[P, Both[R, R_async]]) -> Callable[P, AsyncStream[Partial[R]]]: ...

    Plain: TypeAlias = OptionCalls[Never, Never, Never]
    Streaming: TypeAlias = OptionCalls[Never, bool, Never]
    WithOptions: TypeAlias = OptionCalls[Literal[True], Literal[False], Literal[False]]

    class Calls(WithOptions):
        """The type of `sg.run`."""

        __call__ = as_sync(WithOptions._answer)

        def __init__(self, plain: Plain, streaming: Streaming) -> None:
            self.detailed = as_outcome(plain._answer)
            self.stream = as_partials(streaming._answer)

    class AsyncCalls(WithOptions):
        """The type of `sg.arun`."""

        __call__ = as_async(WithOptions._answer)

        def __init__(self, plain: Plain, streaming: Streaming) -> None:
            self.detailed = as_async_outcome(plain._answer)
            self.stream = as_async_partials(streaming._answer)
