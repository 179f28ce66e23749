"""`Outcome`: the result of a call, the object and how its text came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from structgen.asking.pages.html_pages import format_count, format_percent, notebook_cell
from structgen.asking.tool_calls.tool_replies import Call, Reply
from structgen.base.errors import GenerationError
from structgen.decoding.engine.requests import FinishReason, Result, Usage, total_usage
from structgen.decoding.engine.searches.confidence import Confidence

if TYPE_CHECKING:
    from structgen.asking.grounding.evidence import Evidence

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """A call's result: the object, and how its text came to be."""

    result: Result
    """The engine's, of the last attempt."""
    attempts: int
    error: GenerationError | None
    _value: Any
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """The probability of each listed value among them, where they were compared as a whole. The key is the
    value: a string without quotes, any other value as JSON. It is a model's own opinion, and says nothing of
    how often that is right. Else {}."""
    confidences: Mapping[str, Confidence] = field(default_factory=dict)
    """How sure the model was of each string, number, boolean and null of a document, by JSON pointer. {} of
    servers and of infilling, of other texts, and under a strategy."""
    prompt: str = ""
    """The prompt of the last attempt as text, the outline and the chat template applied."""
    accepted: tuple[str, ...] = ()
    """Of a function that was fitted to an error: the JSON pointers of the values whose confidence is enough
    for it (`fit`)."""
    usages: tuple[Usage, ...] = ()
    """The costs of each attempt."""
    evidence: Evidence | None = None
    """Where the texts that it was asked of state each value; None where it was not held to any."""
    _json: Any = None
    plain_probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of `choices="calibrated"`: the probabilities before the likelihoods without the text are subtracted, by
    which `choices="whole"` chooses. Else {}: then `probabilities` has them."""

    @property
    def value(self) -> R:
        """The object; never None in place of one. Raises the error of a call that failed."""
        if self.error is not None:
            raise self.error
        value: R = self._value
        return value

    @property
    def json(self) -> Any:
        """The document as plain JSON, whatever the type: dicts, lists, texts, numbers, True, False and None.
        A text that is not JSON is itself; of a call of a tool, and of a reply, it is the `message()`. Raises
        the error of a call that failed."""
        if self.error is not None:
            raise self.error
        return self._json

    @property
    def text(self) -> str:
        """The document, in its wrapper if it has one."""
        return self.result.text

    @property
    def review(self) -> tuple[str, ...]:
        """The JSON pointers of all other values: those that a person should look at."""
        return tuple(pointer for pointer in self.confidences if pointer not in self.accepted)

    @property
    def reply(self) -> Reply | None:
        """What the text consists of, where it may call tools: texts, thoughts and calls; else None."""
        value = self.result.value
        return value if isinstance(value, Reply) else None

    @property
    def calls(self) -> list[Call]:
        """The calls of tools in the text. structgen makes none of them."""
        return [] if self.reply is None else self.reply.calls

    @property
    def finish_reason(self) -> FinishReason:
        """Why the text ended."""
        return self.result.finish_reason

    @property
    def usage(self) -> Usage:
        """What all attempts cost together; what it tells in words is of the last one."""
        return total_usage(self.usages or (self.result.usage,))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the object, how its text ended, the likeliest listed values, and
        the evidence."""
        usage, count = self.usage, self.attempts
        facts = [
            ("error", self.error) if self.error is not None else ("value", repr(self._value)),
            ("text", self.text),
            ("ended", f"{self.finish_reason.value}, {format_count(count, 'attempt')}"),
            ("tokens", f"{usage.tokens:,} after a prompt of {usage.prompt_tokens:,}"),
        ]
        # the most probable first
        likeliest = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        rows = [(format_percent(probability), value) for value, probability in likeliest]
        page = notebook_cell(facts, ("probability", "value"), rows)
        return page if self.evidence is None else page + self.evidence._repr_html_()
