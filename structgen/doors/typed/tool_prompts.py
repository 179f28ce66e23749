"""How a model of this process is asked for calls: its format, the grammar of its replies, its prompts.

A model with a chat template gets the tools through it. Where the template leaves them out, they stand before
the first words of the user. A model without a template reads a plain prompt. It has a line for each tool, its
name and the outline of its arguments; then how a call is written; then the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from structgen.asking.tool_calls.call_reader import parse_calls
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS, format_of, format_of_tokens
from structgen.asking.tool_calls.tool_choices import ToolChoice
from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call, Reply, without_repeats
from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonObject
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion, Prompt, last_question
from structgen.decoding.engine.requests import Result
from structgen.doors.typed.prompts import PromptSource
from structgen.doors.typed.target_forms import WritingTask
from structgen.doors.typed.tool_use import ToolUse, rewrite_history
from structgen.grammars.json_grammars.outline_writer import (
    ModelPrompt,
    extraction_prompt_under,
    longest_outline,
)
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import grammar_accepts, over_bytes

if TYPE_CHECKING:
    from structgen.decoding.engine.engine import Engine

EMBEDDED_FORMAT: Final = "hermes"
"""The format of models that were trained for none, as the embedded ones."""

Guard: TypeAlias = Callable[[Any], Any]
"""`ControlTokens.guard_value` of a model: people's texts become none of its control tokens."""


class ToolPrompts:
    """The prompts that ask one model for calls of some tools, and the reading of its replies."""

    def __init__(self, engine: Engine, use: ToolUse, task: WritingTask) -> None:
        """Errors: OptionError for a model whose chat template shows no format, and that has none."""
        self._prompts, options = engine.prompts, task.options
        self.answer = task.form.grammar_for(engine.tokenizer)
        """The grammar of a reply that calls nothing; None: free text, if any."""
        self._request = use.request_of(self.answer)
        self._task = replace(task, form=task.form.unnarrowed or task.form)
        """The task of which prompts tell: with the tools and the values that texts exclude."""
        self._told_use = self._task.form.tools or use
        self.engine, self.use = engine, replace(use, choice=self._request.choice)
        self.has_template = options.chat is not False and self._prompts.has_template()
        format = model_format(self._prompts) if use.format is None else use.format
        self.format = self._with_opened_thoughts(format)

    def _with_opened_thoughts(self, format: ToolFormat) -> ToolFormat:
        """Return a format, with `opened` set if this model's chat template opens thoughts in the prompt."""
        if not (self.has_template and format.thinking and self.use.thinking):
            return format
        tail = self._prompts.render_frame(self._template_fields).rstrip()
        return replace(format, opened=tail.endswith(format.thinking[0].rstrip()))

    @cached_property
    def grammar(self) -> Grammar | None:
        """The grammar of replies; it is the one that `structgen serve` makes of an answer beside tools.
        Errors: those of `sg.tools`."""
        thinking, specials = self.use.thinking, specials_of(self.engine)
        return self._request.grammar(self.format, thinking=thinking, specials=specials)

    def attach_reply(self, result: Result) -> Result:
        """Return a result whose value is the document, or the reply. A text that may be both is a call."""
        # the end token may be the closing mark of the last call
        text = result.text + (self.ending_text(result.steps[-1].token) if result.steps else "")
        reply = self.read(text, is_complete=True)
        is_call = reply.calls and not reply.problems and not reply.text.strip()
        if (
            self._answer_grammar is not None
            and not is_call
            and grammar_accepts(self._answer_grammar, result.text)
        ):
            return replace(result, value=self._answer_grammar.value(result.text.encode()))
        thoughts = reply.thinking or result.thoughts
        reply = replace(reply, thinking=thoughts or None)
        return replace(result, text=text, value=reply, thoughts=thoughts)

    @cached_property
    def _answer_grammar(self) -> CompiledGrammar | None:
        """The grammar of replies that call nothing, over bytes."""
        return None if self.answer is None else over_bytes(self.answer)

    def ending_text(self, token: int) -> str:
        """Return the text of a token that ended a text, if the format has it, as harmony has `<|call|>`; ""
        for others."""
        format = self.format
        ends = (*format.text[1:], format.end, *format.calls)
        for text, id in self.engine.specials.items():
            if id == token and any(end.endswith(text) for end in ends):
                return text
        return ""

    def read(self, text: str, *, is_complete: bool) -> Reply:
        """Return the texts, thoughts and calls of a text, whole or so far."""
        thinking = self.use.thinking if self.format.thinking else False
        tools = self.use.choice.tools
        reply = parse_calls(text, self.format, tools=tools, thinking=thinking, ended=is_complete)
        return without_repeats(reply)

    # --- prompts --------------------------------------------------------------------------------------------

    @cached_property
    def _template_fields(self) -> dict[str, Any]:
        """The variables of the chat template beside the messages. Templates of hybrid models read one of two
        names that say whether there are thoughts; the others read neither."""
        told_use = self._told_use
        fields = {} if told_use.choice.mode == "none" else template_tools(told_use.tools)
        if self.use.thinking != "auto":
            thinks = bool(self.use.thinking) or self._task.options.thinking is not None
            fields |= {"enable_thinking": thinks, "thinking": thinks}
        return fields

    def build_question(self, source: PromptSource, prompt: Prompt, turn: JsonObject | None) -> ModelQuestion:
        """Return the question to the model: through its chat template, else as an embedded model reads it,
        else as plain text. `prompt`: that of the source before the turn that is continued; `turn`: this turn.
        Errors: OptionError for earlier calls that are none."""
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        messages = self.format.renamed(rewrite_history(turns, self.format.history), "prompt")
        marks, template = str(self.format), self._template_fields
        if self.has_template or self._task.options.chat:
            tools_text = ""
            if self.has_template:
                tools_text = tools_beside_template(
                    self._prompts, self._told_use.choice, self.format, template
                )
            return source.build_question(
                self._task, messages, template=template, preface=tools_text, marks=marks, turn=turn
            )
        if self._prompts.is_embedded:
            text_to_read = "\n".join(source.values) if isinstance(prompt, str) else last_question(messages)
            asked_text = embedded_prompt(self._told_use.choice.tools, text_to_read, self._task.form.grammar)
            return ModelQuestion(asked_text, turn=turn)
        guard = self._prompts.find_controls(marks).guard_value
        tools = _describe_tools(self._told_use.choice.tools, self.format, guard)
        parts = [tools, *(_write_message(message, self.format, guard) for message in messages)]
        text = "\n\n".join(filter(None, parts)) + "\n\n"
        others: Any = {"refused": guard(source.refused_attempt), "is_guarded": True}
        return source.build_question(self._task, text, marks=marks, chat=False, turn=turn, **others)


def model_format(prompts: ModelPrompts) -> ToolFormat:
    """Return the format of a model's calls. Errors: OptionError for a chat template that shows none."""
    if prompts.has_template():
        return format_of(prompts.template_holder())
    if prompts.is_embedded:
        return FORMATS[EMBEDDED_FORMAT]
    raise OptionError(
        f"{prompts.name or 'The model'} has no chat template that shows how it writes calls.",
        where="tool_format",
        cure=f"Name its format: {', '.join(FORMATS)}; or make an sg.ToolFormat.",
    )


def usual_format(engine: Engine) -> tuple[ToolFormat, str]:
    """Return the format of a model's calls and a warning. If its chat template shows a format, the warning is
    "". Else the format is the one whose marks are tokens of the model, or that of `EMBEDDED_FORMAT`."""
    try:
        return model_format(engine.prompts), ""
    except OptionError as error:
        token_bytes = set(engine.tokenizer.token_bytes)
        format = format_of_tokens(lambda text: text in engine.specials or text.encode() in token_bytes)
        format = format or FORMATS[EMBEDDED_FORMAT]
        return format, f"{error.what} Calls are written in the format {format.name}"


def specials_of(engine: Engine) -> dict[str, int | None]:
    """Return the special tokens that a grammar of calls may name, by their texts; None for those that end a
    text."""
    ends = engine.tokenizer.eos_token_ids
    return {text: None if id in ends else id for text, id in engine.specials.items()}


def template_tools(tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the variable of a chat template that has the tools."""
    return {"tools": [tool.openai() for tool in tools] or None}


def tools_beside_template(
    prompts: ModelPrompts,
    choice: ToolChoice,
    format: ToolFormat,
    template: Mapping[str, Any],
) -> str:
    """Return the description of the tools that stands before the first words of the user, guarded. It is ""
    where the chat template writes the tools itself, of the variables `template`. For example, it begins with
    `Tools:` for a template that passes over `tools`."""
    if not choice.tools or prompts.tells_tools(template):
        return ""
    return _describe_tools(choice.tools, format, prompts.find_controls(str(format)).guard_value)


def embedded_prompt(tools: Sequence[Tool], text: str, answer: Grammar | None) -> ModelPrompt:
    """Return the prompt of a model that knows outlines and texts alone. The outline of the answer's grammar,
    if there is one, and of each tool's arguments stand on lines of their own. Several have their tools'
    names."""
    outlines = [*filter(None, [longest_outline(answer, descriptions=False)])]
    has_names = len(outlines) + len(tools) > 1  # a single outline needs none
    outlines += [f"{tool.name}: " * has_names + _call_outline(tool) for tool in tools]
    return extraction_prompt_under("\n".join(outlines), text)


def plain_chat(
    messages: Sequence[JsonObject],
    tools: Sequence[Tool],
    format: ToolFormat | None,
    guard: Guard,
) -> str:
    """Return the prompt of a model without a chat template that goes on with a conversation: the tools, then
    each message behind its role, guarded.

    `format`: that of calls; None: there are no tools. For example, one message gives the two paragraphs
    `User: Hi` and `Assistant:`.
    """
    parts = [_describe_tools(tools, format, guard)] if format is not None else []
    for message in messages:
        role, text = message["role"], _write_message(message, format or FORMATS[EMBEDDED_FORMAT], guard)
        parts.append(f"{guard(role.capitalize())}: {text}")
    return "\n\n".join([*filter(None, parts), "Assistant:"])


def _describe_tools(tools: Sequence[Tool], format: ToolFormat, guard: Guard) -> str:
    """Return the description of the tools in a prompt without a template. The words of people are guarded."""
    if not tools:
        return ""
    lines = [guard(line) for tool in tools for line in _tool_lines(tool)]
    example = write_calls([Call(guard(tools[0].name), {}, "call_0")], format)
    return "\n".join(["Tools:", *lines, "A call is written so, with its arguments:", example])


def _write_message(message: JsonObject, format: ToolFormat, guard: Guard) -> str:
    """Return a message as plain text, guarded, its calls as the format writes them."""
    parts = [guard(message["content"])]
    earlier_calls = message.get("tool_calls")
    if earlier_calls:
        calls = rewrite_history([message], "object")[0]["tool_calls"]
        call_fields = list[tuple[Any, Any, str]]()
        for call in calls:
            function = call["function"]
            call_fields.append((function["name"], function["arguments"], str(call.get("id", ""))))
        # unguarded first: a call that the format cannot write is refused in its own words
        write_calls([Call(*call) for call in call_fields], format)
        parts.append(write_calls([Call(*guard(call)) for call in call_fields], format))
    return "\n".join(filter(None, parts))


def _call_outline(tool: Tool) -> str:
    """Return the outline of a tool's arguments. Where some may be left out, it is that of the whole call:
    else a model that knows nothing of calls writes none of them."""
    outline = unwarned_schema(tool.closed_schema).outline()
    return f"{{name: string, arguments: {outline}}}" if "?: " in outline else outline


def _tool_lines(tool: Tool) -> list[str]:
    """Return the outline of a tool with its description, and the descriptions of its arguments below."""
    outline, *lines = unwarned_schema(tool.closed_schema).outline(descriptions=True).split("\n")
    return [f"{tool.name}: {outline} {tool.description}".strip(), *(f"  {line}" for line in lines)]
