"""`Call` and `Reply`: the parts of a reply that was read, and the messages that go back to the model.

A *call* is the name of a tool with its arguments. A *message* is a dict of a chat history, for example
`{"role": "tool", "tool_call_id": "call_0", "content": "3"}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.errors import GenerationError, OptionError, StructgenError
from structgen.base.json_text.exact_json import JsonMapping, JsonObject, read_exact

if TYPE_CHECKING:
    from structgen.asking.grounding.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, as a reply has it. structgen calls nothing."""

    name: str
    arguments: JsonMapping
    """The arguments as JSON values. Of a call that is still being written, those that have come."""
    id: str
    """The id that the reply has. Where it has none, it counts the calls: `call_0`, `call_1`. "" as long as an
    id may still follow the arguments."""
    document: str = field(default="{}", compare=False)
    """The arguments as one JSON text."""
    complete: bool = True
    """Whether the call was written to its end."""
    error: StructgenError | None = field(default=None, compare=False)
    """What is wrong with the call itself: no tool has the name, or the arguments are no JSON."""
    tool: Tool | None = field(default=None, compare=False, repr=False)
    """The tool of that name, where tools were given."""
    format: ToolFormat | None = field(default=None, compare=False, repr=False)
    begun: str = field(default="", compare=False, repr=False)
    """The beginning of `document` that is certain while the call is being written; it only grows."""

    def value(self) -> Any:
        """Return the arguments as the tool's types have them. Of a function they are the keyword arguments as
        a dict, of a type an object, without a tool what JSON has.

        Errors: `error`, if there is one; `GenerationError` for a call that is not complete; `ValidatorError`
        for arguments that the tool refuses.
        """
        if self.error is not None:
            raise self.error
        if not self.complete:
            raise GenerationError(
                f"The call of {self.name} is incomplete.",
                text=self.document,
                where=self.id,
                cure="Wait for the rest, or allow more tokens.",
            )
        return dict(self.arguments) if self.tool is None else self.tool.value(self.document)

    @property
    def evidence(self) -> Evidence | None:
        """Where the texts to which the arguments are held state each of them; None where they are held to
        none, and of a call with an error. A path begins at the arguments: `/city`. Cost: that of
        `evidence_of`, each time."""
        # start-up: few calls are held to texts
        from structgen.asking.grounding.evidence import evidence_of

        if self.tool is None or self.tool.stated_text is None or self.error is not None:
            return None
        return evidence_of(read_exact(self.document), self.tool.stated_text)

    def result(self, value: Any, *, error: bool = False) -> JsonObject:
        """Return the message that brings the model what a call came to. `value` is text as it is and anything
        else as JSON; with `error`, or for an exception, it is `{"error": ...}`. Raises `OptionError` for a
        value that JSON cannot write."""
        # the model should see that the call failed, and how
        if error or isinstance(value, BaseException):
            value = {"error": str(value) if isinstance(value, BaseException) else value}
        role = self.format.role if self.format is not None else "tool"
        content = value if isinstance(value, str) else _json_text(value, self.name)
        return {"role": role, "tool_call_id": self.id, "name": self.name, "content": content}

    def message(self) -> JsonObject:
        """Return the call as a member of `tool_calls` in an assistant's message, with the arguments as the
        format's chat template takes them."""
        as_text = self.format is not None and self.format.history == "text"
        arguments = self.document if as_text else dict(self.arguments)
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply consists of. Made by `sg.parse_calls`."""

    calls: list[Call]
    """The calls that were written to their end, in their order; those with an `error` too."""
    texts: list[str]
    """The text before the first call, between calls, and after the last; one more than there are calls. What
    belongs to no call, though it begins like one, is text."""
    thinking: str | None = None
    """The thoughts of the reply; None where it has none."""
    partial: Call | None = None
    """The unfinished call at the end of the text, once its arguments have begun."""
    pending: str = ""
    """The end of an unfinished reply that may be text, or may begin a call or thoughts."""
    complete: bool = True
    """Whether the text ends outside of thoughts, calls and sections of calls, and no mark of a call is
    missing, doubled or in the place of another."""
    problems: list[StructgenError] = field(default_factory=list)
    """What is wrong, with its place in the text: beginnings of calls that are none, and errors of calls. A
    `LooseCallError` is a note: a call was read that its format writes differently."""
    repeats: str = ""
    """A sentence about a call that equals an earlier one. This call and all text after it are left out, and
    `sg.run` warns of it."""

    @property
    def text(self) -> str:
        """All text outside of thoughts and calls."""
        return "".join(self.texts)

    @property
    def begun_calls(self) -> list[Call]:
        """The finished calls, and after them the unfinished call at the end of the text, if there is one."""
        return self.calls if self.partial is None else [*self.calls, self.partial]

    def message(self) -> JsonObject:
        """Return the assistant's message for the history, as chat templates take it."""
        message: JsonObject = {"role": "assistant", "content": self.text.strip()}
        if self.thinking:
            message["reasoning_content"] = self.thinking.strip()
        if self.calls:
            message["tool_calls"] = [call.message() for call in self.calls]
        return message


def json_of_calls(answer: Any) -> Any:
    """Return the `message()` of a call or a reply, and of each call in a list; another value as it is."""
    if isinstance(answer, list):
        return [json_of_calls(part) for part in answer]
    if isinstance(answer, Call | Reply):
        return answer.message()
    return answer


def without_repeats(reply: Reply) -> Reply:
    """Return a reply up to the first call that equals an earlier one in name and arguments. A call that is
    being written and may become such a one is left out, too."""
    calls = [(call.name, call.document) for call in reply.calls]
    # the first call that stands in the calls before it
    index = next((at for at, call in enumerate(calls) if call in calls[:at]), None)
    if index is not None:
        repeat = f"{reply.calls[index].name} is called again with the same arguments"
        shorter = replace(reply, calls=reply.calls[:index], texts=reply.texts[: index + 1], repeats=repeat)
        return replace(shorter, partial=None, pending="", complete=True)
    partial = reply.partial
    if partial is None or not any(
        partial.name == name and document.startswith(partial.begun) for name, document in calls
    ):
        return reply
    return replace(reply, partial=None)


def _json_text(value: Any, name: str) -> str:
    """Return the JSON text of a value. Errors: OptionError; `name`: of the tool."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_jsonable_value)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{type(value).__name__} cannot be written as JSON: {error}.",
            where=f"the result of {name}",
            cure="Pass text, or a value that json.dumps accepts.",
        ) from error


def _jsonable_value(value: Any) -> Any:
    """Return what JSON can write of an object: of a pydantic model, a dataclass, a date, ..."""
    # optional: pydantic
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)
