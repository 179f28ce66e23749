"""Replies that may call tools: what `tools=` and its kin say, what a return type takes of a reply, and
whether a reply keeps to both. No tool is called."""

from __future__ import annotations

import json
import types
import typing
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple
from weakref import WeakKeyDictionary

from structgen.asking.python_types.type_hints import type_text
from structgen.asking.tool_calls.format_rows import format_of
from structgen.asking.tool_calls.tool_choices import ToolChoice, read_choice
from structgen.asking.tool_calls.tool_definitions import Tool, read_tools
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call, Reply
from structgen.base.errors import (
    LooseCallError,
    OptionError,
    ToolWarning,
    UnsupportedError,
    ValidatorError,
    warning_level,
)
from structgen.doors.typed.options import TypedOptions
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema
from structgen.machines.core.compiled import CompiledGrammar, first_fault
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.policies import WIDEST

_CURE: Final = "Annotate Call, str | Call, Person | Call, the same with list[Call], or Reply (of structgen)."


class Taken(NamedTuple):
    """What a return type takes of a reply."""

    text: bool
    """It may be a text; of a reply with calls, the calls."""
    calls: Literal["one", "list", "reply"]
    """One call, a list of them, or the `Reply` itself."""
    answer: Any = None
    """The target of a reply that calls nothing and is no free text; None: there is none."""


@dataclass(frozen=True, eq=False)
class ToolUse:
    """Which tools a reply may call, and what becomes of it. Made by `tool_use`."""

    tools: tuple[Tool, ...]
    choice: ToolChoice
    format: ToolFormat | None
    """None: told by the model's chat template, or by its server."""
    thinking: bool | Literal["auto"]
    """Whether the format's thoughts come before the reply, as `sg.tools` has it."""
    policies: Mapping[str, Any]
    taken: Taken
    prompts: WeakKeyDictionary[Any, Any] = field(default_factory=WeakKeyDictionary)
    """How each model of this process is asked, kept as long as both are."""

    def value(self, reply: Reply) -> Any:
        """Return what the return type takes of a whole reply.

        Errors: ValidatorError for arguments that the types of a tool refuse, and for a reply with problems.
        """
        if (problem := _problem(reply)) is not None:
            raise problem
        for call in reply.calls:
            if call.tool is not None and call.tool.reader is not None:
                try:
                    call.value()
                except ValidatorError as error:
                    where = f"{call.name}{error.where}"
                    raise ValidatorError(error.what, count=error.count, where=where) from error
        if reply.repeats:
            told = f"{reply.repeats}: the reply ends before. parallel=False allows one call in a reply."
            warnings.warn(ToolWarning(told), stacklevel=warning_level())
        return self._value(reply)

    def so_far(self, reply: Reply) -> Any:
        """Return what the return type takes of a reply that may go on: the call that is being written too.
        Of what may be another answer, whose strings may hold marks of calls: the text, if it is no JSON."""
        if self.taken.answer is not None and (reply.text.strip() or not reply.begun_calls):
            return reply.text if self.taken.text else None
        return self._value(reply)

    def _value(self, reply: Reply) -> Any:
        if self.taken.calls == "reply":
            return reply
        calls = reply.begun_calls
        if not calls:
            return reply.text if self.taken.text else [] if self.taken.calls == "list" else None
        return calls if self.taken.calls == "list" else calls[0]

    def fault(self, reply: Reply) -> ValidatorError | None:
        """Return what is wrong with a reply that no mask has seen; None: nothing but what `value` finds."""
        if (problem := _problem(reply)) is not None:
            return problem
        count, most, must = len(reply.calls), self.choice.max_calls, self.choice.must_call
        is_open = reply.partial is not None or not (reply.complete or reply.problems)
        faults = {
            "The reply breaks off inside of a call.": is_open,
            "The reply calls no tool, and it must call one.": must and not count,
            "Text follows the calls, where only calls may.": must and "".join(reply.texts[1:]).strip(),
            f"The reply has {count} calls, and may have {most}.": most is not None and count > most,
        }
        for what, is_there in faults.items():
            if is_there:
                return ValidatorError(what, where="calls")
        for call in reply.calls:
            compiled = self._schemas[call.name]
            wrong = first_fault(compiled, call.document)
            if wrong:
                return ValidatorError(f"The arguments are none of the schema's: {wrong}.", where=call.name)
        return None

    @cached_property
    def _schemas(self) -> dict[str, CompiledGrammar]:
        """The grammar of each tool's arguments, over bytes."""
        return {
            tool.name: over_bytes(unwarned_schema(tool.closed_schema, **{**tool.policies, **WIDEST}))
            for tool in self.choice.tools
        }


def tool_use(given: TypedOptions, hint: Any, where: str) -> ToolUse:
    """Return what options and a return type say together; a `target` (`where`) has calls beside it in any
    case.

    Without `tool_choice`, a call is required where the type has no text. Without `parallel`, there may be
    several calls where the type is a list of them, and in a `Reply` that need not have one. Errors:
    OptionError and those of `sg.tools`; UnsupportedError for a type that is none of a reply.
    """
    taken = _taken(hint, where)
    tools = read_tools(given.tools)
    choice, parallel = given.tool_choice, given.parallel
    free = taken.text or taken.calls == "reply" or taken.answer is not None
    if choice is None:
        choice = "auto" if free else "required"
    if parallel is None and taken.calls != "reply":
        parallel = taken.calls == "list"
    read = read_choice(tools, choice, parallel)
    if not (free or read.must_call):
        raise OptionError(
            f"A reply may be a text, and {type_text(hint)} has no place for one.",
            where="tool_choice",
            cure='Give "required" or the name of a tool, or annotate str | Call.',
        )
    if taken.calls == "one" and read.max_calls not in (0, 1):
        raise OptionError(
            f"A reply may have several calls, and {type_text(hint)} takes one.",
            where="parallel",
            cure="Leave parallel out, or annotate list[Call].",
        )
    if read.must_call:
        taken = taken._replace(answer=None)
    format = None if given.tool_format is None else format_of(given.tool_format, where="tool_format")
    return ToolUse(tools, read, format, given.thoughts, dict(given.policies or {}), taken)


def names_calls(hint: Any) -> bool:
    """Tell whether a return type names calls or replies, which need tools."""
    return hint is Call or hint is Reply or any(map(names_calls, typing.get_args(hint)))


def _taken(hint: Any, where: str) -> Taken:
    """Return what a return type takes of a reply. Errors: UnsupportedError."""
    if hint is Reply:
        return Taken(True, "reply")
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    members = list(typing.get_args(hint)) if is_union else [hint]
    called = [member for member in members if names_calls(member)]
    if not called and where == "target":
        called, members = [Call], [*members, Call]
    rest = [member for member in members if not names_calls(member)]
    answer = typing.Union[tuple(rest)] if len(rest) > 1 else rest[0] if rest else None
    text = answer is str
    answer = None if text else answer
    if called == [Call]:
        return Taken(text, "one", answer)
    if len(called) == 1 and typing.get_origin(called[0]) is list and typing.get_args(called[0]) == (Call,):
        return Taken(text, "list", answer)
    raise UnsupportedError(
        f"{type_text(hint)} says nothing of a reply that may call tools.",
        keyword="type",
        where=where,
        cure=_CURE,
    )


def history(messages: Sequence[Mapping[str, Any]], form: Literal["object", "text"]) -> list[dict[str, Any]]:
    """Return chat messages, the arguments of earlier calls as an object or as JSON text, whichever they have.
    Errors: OptionError for arguments that are neither."""
    rewritten = []
    for at, message in enumerate(messages):
        made = {**message, "content": message.get("content") or ""}
        if made.get("tool_calls"):
            made["tool_calls"] = [_rewritten(call, form, at) for call in made["tool_calls"]]
        rewritten.append(made)
    return rewritten


def _rewritten(call: Any, form: str, at: int) -> Any:
    """Return an earlier call with its arguments in a form. Errors: OptionError; `at`: the message's place."""
    function = call.get("function") if isinstance(call, Mapping) else None
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    try:
        if form == "object" and isinstance(arguments, str):
            arguments = json.loads(arguments)
        elif form == "text" and isinstance(arguments, Mapping):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(function, Mapping) or not isinstance(arguments, Mapping | str):
            raise ValueError
    except ValueError as error:
        raise OptionError(
            f"A call in message {at} is not one of OpenAI's, or its arguments are no JSON.",
            where="prompt",
            cure="Pass reply.message(), or the assistant's message as OpenAI's API returned it.",
        ) from error
    return {**call, "function": {**function, "arguments": arguments}}


def _problem(reply: Reply) -> ValidatorError | None:
    """Return the first problem of a reply that is more than a note on how a call is written."""
    problem = next((problem for problem in reply.problems if not isinstance(problem, LooseCallError)), None)
    if problem is None:
        return None
    made = ValidatorError(problem.what, where=problem.where)
    made.__cause__ = problem
    return made
