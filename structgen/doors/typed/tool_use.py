"""Replies that may call tools: the options of tools, the part of a reply that a return type takes, and
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
from structgen.asking.request_reading.request_reader import ReadRequest
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
from structgen.machines.core.compiled import CompiledGrammar, first_fault
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.policies import READABLE_DUMPS, WIDEST

_CURE: Final = "Annotate Call, str | Call, Person | Call, the same with list[Call], or Reply (of structgen)."


class ReplyShape(NamedTuple):
    """Which part of a reply a return type takes."""

    text: bool
    """Whether a reply without calls is taken as its text."""
    calls: Literal["one", "list", "reply"]
    """One call, a list of them, or the `Reply` itself."""
    answer: Any = None
    """The target of a reply that calls nothing and is no free text; None: such a reply is not taken."""


@dataclass(frozen=True, eq=False)
class ToolUse:
    """Which tools a reply may call, and which value it becomes. Made by `read_tool_use`."""

    tools: tuple[Tool, ...]
    choice: ToolChoice
    format: ToolFormat | None
    """None: the model's chat template, or its server, has the format."""
    thinking: bool | Literal["auto"]
    """Whether the format's thoughts come before the reply, as `sg.tools` has it."""
    reply_shape: ReplyShape
    argument_policies: Mapping[str, Any]
    """The options of `sg.json_schema` for the arguments."""
    is_embedded: bool
    """Whether the model is an embedded one, whose free text means nothing."""
    prompts: WeakKeyDictionary[Any, Any] = field(default_factory=WeakKeyDictionary)
    """The `ToolPrompts` of each model of this process, kept as long as both are."""

    def request_of(self, answer: Grammar | None) -> ReadRequest:
        """Return what is asked of a reply, as `structgen serve` reads it. `answer`: the grammar of a reply
        that calls nothing; None: free text, if any."""
        request = ReadRequest(self.tools, choice=self.choice, answer=answer, policies=self.argument_policies)
        return request.with_call() if self.is_embedded else request

    def take_whole(self, reply: Reply) -> Any:
        """Return the value of a whole reply, as the return type takes it.

        Errors: ValidatorError for arguments that the types of a tool refuse, and for a reply with problems.
        """
        if (problem := _first_problem(reply)) is not None:
            raise problem
        for call in reply.calls:
            if call.tool is not None and call.tool.reader is not None:
                try:
                    call.value()
                except ValidatorError as error:
                    where = f"{call.name}{error.where}"
                    raise ValidatorError(error.what, count=error.count, where=where) from error
        if reply.repeats:
            warning = f"{reply.repeats}: the reply ends before. parallel=False allows one call in a reply."
            warnings.warn(ToolWarning(warning), stacklevel=warning_level())
        return self.take_parts(reply)

    def take_so_far(self, reply: Reply) -> Any:
        """Return the value of a reply that may go on: the call that is being written counts too. A reply that
        may be another answer, whose strings may hold marks of calls, is its text, if that is no JSON."""
        if self.reply_shape.answer is not None and (reply.text.strip() or not reply.begun_calls):
            return reply.text if self.reply_shape.text else None
        return self.take_parts(reply)

    def take_parts(self, reply: Reply) -> Any:
        """Return the reply, its text, its calls or its only call, as the return type takes them."""
        shape, calls = self.reply_shape, reply.begun_calls
        if shape.calls == "reply":
            return reply
        if not calls and shape.text:
            return reply.text
        if shape.calls == "list":
            return calls or []
        return calls[0] if calls else None

    def find_fault(self, reply: Reply) -> ValidatorError | None:
        """Return the fault of a reply that no mask has seen; None: none but those that `take_whole` finds."""
        if (problem := _first_problem(reply)) is not None:
            return problem
        count, call_limit, must = len(reply.calls), self.choice.max_calls, self.choice.must_call
        is_open = reply.partial is not None or not (reply.complete or reply.problems)
        has_too_many = call_limit is not None and count > call_limit
        faults = {
            "The reply ends inside a call.": is_open,
            "The reply calls no tool, but a call is required.": must and not count,
            "Text follows the calls, where only calls are allowed.": must
            and "".join(reply.texts[1:]).strip(),
            f"The reply has {count} calls; the limit is {call_limit}.": has_too_many,
        }
        for fault, is_there in faults.items():
            if is_there:
                return ValidatorError(fault, where="calls")
        for call in reply.calls:
            fault = first_fault(self._argument_grammars[call.name], call.document)
            if fault:
                return ValidatorError(f"The arguments do not match the schema: {fault}.", where=call.name)
        return None

    @cached_property
    def _argument_grammars(self) -> dict[str, CompiledGrammar]:
        """The grammar of each tool's arguments, over bytes."""
        policies = {**WIDEST, "strict": None}
        return {tool.name: over_bytes(tool.grammar_under(policies)) for tool in self.choice.tools}


def read_tool_use(
    options: TypedOptions, hint: Any, where: str, default_policies: Mapping[str, Any]
) -> ToolUse:
    """Return the tools, and the shape of replies, that options and a return type ask for. Calls may always
    stand in place of a `target` (`where`). `default_policies`: those of arguments where a person gives none.

    Without `tool_choice`, a call is required where the type has no text. Without `parallel`, there may be
    several calls where the type is a list of them, and in a `Reply` that need not have one. Errors:
    OptionError and those of `sg.tools`; UnsupportedError for a type that is none of a reply.
    """
    reply_shape = _reply_shape_of(hint, where)
    tools = read_tools(options.tools)
    # without words of a person, the return type says how many calls there may be
    choice, parallel = options.tool_choice, options.parallel
    may_be_text = reply_shape.text or reply_shape.calls == "reply" or reply_shape.answer is not None
    if choice is None:
        choice = "auto" if may_be_text else "required"
    if parallel is None and reply_shape.calls != "reply":
        parallel = reply_shape.calls == "list"
    tool_choice = read_choice(tools, choice, parallel)
    if not (may_be_text or tool_choice.must_call):
        raise OptionError(
            f"A reply may be a text, but {type_text(hint)} cannot hold one.",
            where="tool_choice",
            cure='Pass "required" or the name of a tool, or annotate str | Call.',
        )
    if reply_shape.calls == "one" and tool_choice.max_calls not in (0, 1):
        raise OptionError(
            f"A reply may have several calls, but {type_text(hint)} holds one.",
            where="parallel",
            cure="Remove parallel, or annotate list[Call].",
        )
    if tool_choice.must_call:  # calls alone: nothing is left to answer
        reply_shape = reply_shape._replace(answer=None)
    format = None if options.tool_format is None else format_of(options.tool_format, where="tool_format")
    policies = {**default_policies, **(options.policies or {})}
    is_embedded = default_policies is READABLE_DUMPS
    return ToolUse(tools, tool_choice, format, options.thoughts, reply_shape, policies, is_embedded)


def names_calls(hint: Any) -> bool:
    """Tell whether a return type names calls or replies, which need tools."""
    return hint is Call or hint is Reply or any(map(names_calls, typing.get_args(hint)))


def _reply_shape_of(hint: Any, where: str) -> ReplyShape:
    """Return which part of a reply a return type takes, such as the only call for `str | Call`. Errors:
    UnsupportedError."""
    if hint is Reply:
        return ReplyShape(True, "reply")
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    members = list(typing.get_args(hint)) if is_union else [hint]
    with_calls = [member for member in members if names_calls(member)]
    if not with_calls and where == "target":  # a target names the answer alone
        with_calls, members = [Call], [*members, Call]
    rest = [member for member in members if not names_calls(member)]
    answer = rest[0] if rest else None
    if len(rest) > 1:
        answer = typing.Union[tuple(rest)]
    text = answer is str  # free text needs no grammar, and is no answer of its own
    answer = None if text else answer
    if with_calls == [Call]:
        return ReplyShape(text, "one", answer)
    is_list = len(with_calls) == 1 and typing.get_origin(with_calls[0]) is list
    if is_list and typing.get_args(with_calls[0]) == (Call,):
        return ReplyShape(text, "list", answer)
    raise UnsupportedError(
        f"{type_text(hint)} cannot hold a reply that may call tools.",
        keyword="type",
        where=where,
        cure=_CURE,
    )


def rewrite_history(
    messages: Sequence[Mapping[str, Any]], form: Literal["object", "text"]
) -> list[dict[str, Any]]:
    """Return chat messages with the arguments of earlier calls in one form: an object, or JSON text. People
    write both. Errors: OptionError for arguments that are neither."""
    turns = []
    for index, message in enumerate(messages):
        turn = {**message, "content": message.get("content") or ""}
        if turn.get("tool_calls"):
            turn["tool_calls"] = [_rewrite_call(call, form, index) for call in turn["tool_calls"]]
        turns.append(turn)
    return turns


def _rewrite_call(call: Any, form: str, index: int) -> Any:
    """Return an earlier call with its arguments in a form. `index`: that of its message, for errors. Errors:
    OptionError."""
    function = call.get("function") if isinstance(call, Mapping) else None
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    try:
        if form == "object" and isinstance(arguments, str):
            arguments = json.loads(arguments)
        elif form == "text" and isinstance(arguments, Mapping):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(function, Mapping) or not isinstance(arguments, Mapping | str):
            raise ValueError  # the same message as for a text that is no JSON
    except ValueError as error:
        raise OptionError(
            f"A call in message {index} is not one of OpenAI's, or its arguments are not JSON.",
            where="prompt",
            cure="Pass reply.message(), or the assistant's message as OpenAI's API returned it.",
        ) from error
    return {**call, "function": {**function, "arguments": arguments}}


def _first_problem(reply: Reply) -> ValidatorError | None:
    """Return the first problem of a reply that is more than a note on how a call is written."""
    problem = next((problem for problem in reply.problems if not isinstance(problem, LooseCallError)), None)
    if problem is None:
        return None
    error = ValidatorError(problem.what, where=problem.where)
    error.__cause__ = problem
    return error
