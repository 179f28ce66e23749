"""The options of `sg.extract` as type checkers read them, and the types of `sg.extract` and `sg.aextract`.

`scripts/call_options.py` writes the options here, of the dataclass that declares them; a test compares them.
Three kinds of targets are written down once. Functions from callables to callables make of them the types of
both calls: type checkers apply these to each overload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from structgen.doors.typed.signatures.call_options import WritingOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Generic, Literal, Never, ParamSpec, TypeAlias, TypeVar, Unpack, overload

    from typing_extensions import TypeForm

    from structgen.asking.request_reading.targets import AnyTarget
    from structgen.decoding.engine.requests import Sampling
    from structgen.decoding.engine.strategies.strategy import Strategy
    from structgen.decoding.engine.thinking import Thinking
    from structgen.decoding.runs.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong
    from structgen.decoding.speculation.speculation_options import Speculation
    from structgen.doors.extraction.extract_options import ExtractProgress
    from structgen.doors.extraction.extraction import Extraction
    from structgen.doors.typed.signatures.run_calls import AnyModel

    T = TypeVar("T")


class ExtractOptions(WritingOptions, total=False):
    """The options of `sg.extract`; see there."""

    prompt: str | None
    examples: Iterable[tuple[Any, Any]] | Path | None
    page: int | None
    overlap: int | None
    merge: str
    least_confidence: float
    grounded: bool
    quotes: bool | Literal["exact"]
    unverified: bool
    at_once: int
    max_requests: int
    out: str | Path | None
    formulas: bool
    start_over: bool
    workers: int | None
    progress: bool | Callable[[ExtractProgress], None]


if TYPE_CHECKING:
    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)
    Documents: TypeAlias = str | Path | Mapping[str, str | Path] | Iterable[Any]

    class Found(Generic[R_co]):
        """What `extract` returns, and what `aextract` does."""

    class ExtractOverloads:
        """The calls, whose results are those of both functions."""

        # all items of a document, one by one in the type
        @overload
        def _answer(
            self,
            model: AnyModel,
            document: Documents,
            target: TypeForm[Iterator[T]],
            **options: Unpack[ExtractOptions],
        ) -> Found[list[T]]: ...
        # a list of items, or one object
        @overload
        def _answer(
            self,
            model: AnyModel,
            document: Documents,
            target: TypeForm[T],
            **options: Unpack[ExtractOptions],
        ) -> Found[T]: ...
        # a JSON Schema, whose values have no type that is known
        @overload
        def _answer(
            self,
            model: AnyModel,
            document: Documents,
            target: AnyTarget,
            **options: Unpack[ExtractOptions],
        ) -> Found[Any]: ...
        @overload  # takes no call: for messages about wrong ones
        def _answer(
            self,
            model: FineIf[AnyModel, Never],
            document: Documents | Wrong,
            target: TypeForm[Any] | AnyTarget | Wrong,
            *,
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
            prompt: str | Wrong | None = ...,
            examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
            page: int | Wrong | None = ...,
            overlap: int | Wrong | None = ...,
            merge: str | Wrong = ...,
            least_confidence: float | Wrong = ...,
            grounded: bool | Wrong = ...,
            quotes: bool | Literal["exact"] | Wrong = ...,
            unverified: bool | Wrong = ...,
            at_once: int | Wrong = ...,
            max_requests: int | Wrong = ...,
            out: str | Path | Wrong | None = ...,
            formulas: bool | Wrong = ...,
            start_over: bool | Wrong = ...,
            workers: int | Wrong | None = ...,
            progress: bool | Callable[[ExtractProgress], None] | Wrong = ...,
            **unknown: NotAnOption,
        ) -> Found[Any]: ...
        @overload
        def _answer(self, model: ArgumentMissing, document: Any = ..., **options: Any) -> Found[Any]: ...
        def _answer(self, *arguments: Any, **options: Any) -> Any:
            """Stand for the overloads."""

    def as_sync(call: Callable[P, Found[R_co]]) -> Callable[P, Extraction[R_co]]: ...
    def as_async(
        call: Callable[P, Found[R_co]],
    ) -> Callable[P, Coroutine[Any, Any, Extraction[R_co]]]: ...

    class ExtractCalls(ExtractOverloads):
        """The type of `sg.extract`."""

        __call__ = as_sync(ExtractOverloads._answer)

    class AsyncExtractCalls(ExtractOverloads):
        """The type of `sg.aextract`."""

        __call__ = as_async(ExtractOverloads._answer)
