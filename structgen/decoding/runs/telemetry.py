"""Makes spans of calls of models, as OpenTelemetry's conventions for generative AI name them
(docs/traces.md).

A *span* is the record of one call: its name, its time and its *attributes*, values by name. A span may have a
*parent*, the span of the call around it. The *content* of a call is its prompts and answers. A *tracer* is a
library of the process that keeps spans; without one nothing is recorded.

Nothing is imported that the process has not imported itself: without `opentelemetry.trace` a call costs one
look-up. Prompts, answers and messages of errors, which may quote both, are recorded only where the variable
of the environment asks for it. A schema never is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, Final, Literal, TypeVar

T = TypeVar("T")

CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The variable of the environment that asks for prompts and answers: `true`."""
TRACING: Final = "opentelemetry.trace"
"""The module without which nobody traces."""


class CallSpan:
    """The span of one call, a context that ends it. Made by `call_span`.

    An error that leaves the context is recorded by its type. Inside `make_current` other spans are its
    children.
    """

    def __init__(self, span: Any) -> None:
        """`span`: the span of OpenTelemetry; None: the process has no tracer, and all methods do nothing."""
        self._span = span
        # a sampler may keep no record of a span, but pass its context on
        self._is_over = span is None or not span.is_recording()

    def __enter__(self) -> CallSpan:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # the end of a loop over a generator is not an error
        if error is not None and not isinstance(error, GeneratorExit):
            self.record_error(error)
        self.end()

    @property
    def is_open(self) -> bool:
        """Whether what is recorded now is kept: there is a tracer, and the span has not ended."""
        return not self._is_over

    @property
    def keeps_content(self) -> bool:
        """Whether the environment asks for prompts and answers to be recorded."""
        return not self._is_over and os.environ.get(CONTENT, "").strip().lower() == "true"

    def make_current(self) -> AbstractContextManager[Any]:
        """Return a context in which this span is the current one. It must end before a coroutine or a
        generator gives control back to its caller."""
        if self._span is None:
            return nullcontext()
        use: AbstractContextManager[Any] = sys.modules[TRACING].use_span(
            self._span,
            record_exception=False,
            set_status_on_exception=False,
        )
        return use

    def wrap_items(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Return a generator of the same items. Each item is made while this span is the current one. Closing
        it closes `items`."""
        if self._span is None:
            return items
        return self._yield_inside(items)

    async def _yield_inside(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        async with aclosing(items):
            while True:
                with self.make_current():
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                yield item  # outside: the caller's own spans are no children of this one

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Record attributes, without those whose value is None."""
        if not self._is_over:
            self._span.set_attributes(_without_none(attributes))

    def record_answer(
        self,
        usage: Any,
        texts: Sequence[tuple[str, str]],
        error: BaseException | None,
    ) -> None:
        """Record the end of a call.

        `usage`: what the call cost, a `Usage`. `texts`: pairs (text, finish reason). `error`: the error with
        which the call ended, or None.
        """
        if self._is_over:
            return
        seconds = {"mask": usage.mask_seconds, "compile": usage.compile_seconds, "model": usage.model_seconds}
        attributes = {
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.tokens + usage.thought_tokens,
            "gen_ai.response.finish_reasons": [reason for _, reason in texts] or None,
            # the times of a model on a server are not known: 0 becomes None
            **{f"structgen.{phase}_ms": round(1e3 * took, 3) or None for phase, took in seconds.items()},
        }
        if self.keeps_content:
            output_messages = [
                {**_message_of("assistant", text), "finish_reason": reason} for text, reason in texts
            ]
            attributes["gen_ai.output.messages"] = json.dumps(output_messages)
        self.set_attributes(attributes)
        if error is not None:
            self.record_error(error)

    def record_prompt(self, prompt: Any) -> None:
        """Record a prompt, which is a text or chat messages, if content is recorded. Other values, which
        clients may send, are left out."""
        if self.keeps_content:
            prompt_parts = prompt if isinstance(prompt, list | tuple) else [prompt]
            messages = []
            for part in prompt_parts:
                message = {"content": part} if isinstance(part, str) else part
                if isinstance(message, Mapping):
                    messages.append(_message_of(message.get("role", "user"), message.get("content")))
            self.set_attributes({"gen_ai.input.messages": json.dumps(messages)})

    def record_error(self, error: BaseException | str) -> None:
        """Record an error. Its message may quote the answer, so the message is recorded only if content is.

        `error`: the error, or a text instead of its type.
        """
        if self._is_over:
            return
        self.set_attributes({"error.type": error if isinstance(error, str) else type(error).__qualname__})
        status = sys.modules[TRACING].StatusCode.ERROR
        is_told = self.keeps_content
        self._span.set_status(status, str(error) if is_told else None)
        if is_told and isinstance(error, BaseException):
            self._span.record_exception(error)

    def end(self) -> None:
        """End the span; a second call does nothing."""
        if not self._is_over:
            self._is_over = True
            self._span.end()


_NONE: Final = CallSpan(None)


def call_span(
    operation: str,
    model: str,
    attributes: Mapping[str, Any],
    kind: Literal["INTERNAL", "CLIENT", "SERVER"] = "INTERNAL",
    parent_headers: Mapping[str, str] | None = None,
) -> CallSpan:
    """Return the span of a call that begins now, a child of the caller's current span. Without one, the
    parent is the span that `parent_headers` names, the headers of a request (`carried_headers`).

    `operation`: "chat" or "text_completion". `attributes`: more that is known from the beginning; those that
    are None are left out. Cost: one look-up where nobody traces, some microseconds under a tracer.
    """
    api: Any = sys.modules.get(TRACING)
    # the name that the module defines last: another thread may be importing it
    if not hasattr(api, "use_span"):
        return _NONE
    parent = None
    if api.get_current_span().get_span_context().is_valid:
        # the framework around the application has made a span of the kind SERVER
        kind = "INTERNAL" if kind == "SERVER" else kind
    elif parent_headers:
        from opentelemetry.propagate import extract  # optional: opentelemetry

        parent = extract(parent_headers)
    span = api.get_tracer("structgen", sys.modules["structgen"].__version__).start_span(
        f"{operation} {model}".rstrip(),
        context=parent,
        kind=getattr(api.SpanKind, kind),
        attributes=_without_none(
            {
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": "structgen",
                "gen_ai.request.model": model or None,
                **attributes,
            }
        ),
    )
    if span.get_span_context().is_valid:
        return CallSpan(span)
    return _NONE


def carried_headers() -> dict[str, str]:
    """Return the headers that name the current span to another process (W3C Trace Context); {} where nobody
    traces. Baggage, which may say anything of the caller, is not sent."""
    headers = dict[str, str]()
    if TRACING in sys.modules:
        # optional: opentelemetry
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)
    return headers


def _without_none(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _message_of(role: Any, content: Any) -> dict[str, Any]:
    """Return a message as the conventions write one. Of a part that is not a text only the type is
    recorded."""
    parts = content if isinstance(content, list | tuple) else [content]
    return {"role": str(role), "parts": [_part_of(part) for part in parts if part is not None]}


def _part_of(part: Any) -> dict[str, Any]:
    """Return a part of a message: a text with its content, anything else by its type alone."""
    kind = "unknown"
    text = part
    if isinstance(part, Mapping):
        kind = str(part.get("type", "unknown"))
        text = part.get("text")
    if isinstance(text, str):
        return {"type": "text", "content": text}
    return {"type": kind}
