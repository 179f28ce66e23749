"""`sg.tools`: builds the grammar of the replies in which tools may be called.

A *reply* is what a model writes in answer: free text, thoughts, and calls. A *trigger* is the text that
begins calls in the format of the model, for example `<tool_call>`. Text before a trigger is free. After it
the grammar allows only calls of the given tools, with arguments that their schemas accept.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import filterfalse
from typing import Any, Literal

from structgen.asking.tool_calls.call_reader import parse_calls
from structgen.asking.tool_calls.custom_tools import INPUT
from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.format_rows import check_name, format_of
from structgen.asking.tool_calls.tool_choices import ToolChoice, read_choice
from structgen.asking.tool_calls.tool_definitions import Tool, read_tools
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import without_repeats
from structgen.base.errors import (
    OptionError,
    ToolWarning,
    UnsupportedError,
    options_named,
    prefix_place,
    warning_level,
)
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.base.system.garbage import pause_collection
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.composition.argument_grammar import (
    argument_grammar,
    blank_of,
    gap_grammar,
)
from structgen.grammars.text_grammars.composition.argument_plan import takes_nothing
from structgen.grammars.text_grammars.composition.dispatching import (
    dispatch_grammar,
    free_of,
    interrupted_text,
)
from structgen.grammars.text_grammars.composition.json_strings import in_json_string
from structgen.grammars.text_grammars.composition.templates import TEXT, template_pieces, template_places
from structgen.grammars.text_grammars.regular import literal, regex
from structgen.grammars.text_grammars.special_tokens import special
from structgen.grammars.text_grammars.text_grammar import (
    ComposedGrammar,
    JsonTexts,
    TextGrammar,
    as_text,
    either,
    sequence,
)


@options_named('sg.tools([function], format="hermes")')
def tools(
    tools: Any,
    *,
    format: str | ToolFormat | Any,
    tool_choice: Any = "auto",
    parallel: bool | int = True,
    thinking: bool | Literal["auto"] = False,
    specials: Mapping[str, int | None] | None = None,
    limits: Limits | None = None,
    **policies: Any,
) -> TextGrammar:
    """Return the grammar of replies that may call tools, as a format writes them.

    `tools`: functions, pydantic models, dataclasses, OpenAI's dicts (chat completions, responses),
    Anthropic's, MCP's definitions: one, a list of them, or MCP's answer to `tools/list`. The arguments
    of a call are strict by the tool's schema; arguments that a schema does not name are not written, unless
    it has `additionalProperties`.
    `format`: the name of a format, an `sg.ToolFormat`, the text of a chat template, or a tokenizer of
    transformers with one.
    `tool_choice`: "auto", "required", "none", the name of a tool, or OpenAI's dicts, `allowed_tools` too.
    `parallel`: whether a reply may have several calls, or the most calls; after the last, the reply ends.
    An engine also ends it where a call equals an earlier one in name and arguments.
    `thinking`: True, thoughts come first (inside of them, where the format's prompts open them); "auto",
    thoughts or none; False, none.
    `specials`: the ids of special tokens by their texts. Where the format writes such a text, the token is
    meant; None in place of an id: a token that ends the reply there. A tokenizer of transformers brings its
    own.
    `limits` and `policies` are options of `sg.json_schema` for the arguments.

    With "required", or the name of a tool, nothing follows a call but calls. A tool among others whose
    arguments the format has no way to write is left out, with a `ToolWarning` that names it and the place.

    Errors, with their places: `OptionError`, `UnsupportedError` where no tool is left, and those of the
    schemas. Cost: that of reading types and schemas; nothing is compiled yet.
    """
    row = format_of(format)
    if limits is not None:
        policies["limits"] = limits
    if specials is None:
        specials = specials_of(format)
    elif not isinstance(specials, Mapping):
        raise checks.option_error("specials", specials, 'a dict of ids by texts, such as {"<tool_call>": 7}')
    if thinking not in (True, False, "auto"):
        raise checks.option_error("thinking", thinking, 'True, False or "auto"')
    # the format has no marks between which thoughts could stand
    if thinking and not row.thinking:
        raise OptionError(
            f"The format {row.name} has no thoughts.", where="thinking", cure="Remove thinking."
        )
    with THIS_CALL.begin_call(checks.check_limits(limits)), pause_collection():
        choice = read_choice(read_tools(tools, limits=limits), tool_choice, parallel)
        grammar = _Builder(row, specials, policies).build_reply(choice, thinking)
    if choice.max_calls != 1 and isinstance(grammar, ComposedGrammar):
        # without functions and types, which do not pickle everywhere
        others: Any = dict.fromkeys(("callable", "reader", "stated_text", "narrowed_grammar"))
        plain_tools = tuple(replace(tool, **others) for tool in choice.tools)
        grammar.repeats = partial(
            _find_repeat, row=row, tools=plain_tools, thinking=thinking, must_call=choice.must_call
        )
    return grammar


def _find_repeat(
    text: str,
    *,
    row: ToolFormat,
    tools: Sequence[Tool],
    thinking: Any,
    must_call: bool,
) -> str:
    """Return a sentence that names the call of a text so far that equals an earlier one; "" where none does.
    `must_call`: a text without a call is a document that is allowed in place of a call."""
    reply = parse_calls(text, row, tools=tools, thinking=thinking, ended=False)
    return "" if must_call and row.is_document(reply.texts[0]) else without_repeats(reply).repeats


def specials_of(tokenizer: Any) -> Mapping[str, int | None]:
    """Return the ids of a tokenizer's special tokens by their texts; empty where the object is not a
    tokenizer of transformers."""
    if hasattr(tokenizer, "all_special_tokens") and hasattr(tokenizer, "convert_tokens_to_ids"):
        return {text: tokenizer.convert_tokens_to_ids(text) for text in tokenizer.all_special_tokens}
    return {}


@cache
def _between_calls() -> TextGrammar:
    """Return the grammar between calls where text is not allowed. It is made once: its pattern takes time."""
    return regex(r"[ \t\n\r]{0,8}")


class _Builder:
    """Builds the grammars of the parts of a reply, for one format."""

    def __init__(
        self,
        row: ToolFormat,
        specials: Mapping[str, int | None],
        policies: Mapping[str, Any],
    ) -> None:
        self.row, self.marks = row, marks_of(row)
        self.specials, self.policies = specials, dict(policies)
        self.arguments_by_tool: dict[str, TextGrammar] = {}
        """The grammars of the arguments, by the names of the tools that may be called."""
        by_length = sorted(filter(None, specials), key=len, reverse=True)
        self._special = re.compile("(" + "|".join(map(re.escape, by_length)) + ")") if by_length else None

    # --- texts ----------------------------------------------------------------------------------------------

    def spell_text(self, text: str) -> TextGrammar:
        """Return the grammar of a text of the format. A special token in the text is that token, not its
        letters."""
        # without special tokens every text of the format is plain
        if self._special is None:
            return literal(text)
        tokens = {name: self.specials[name] for name in self._special.findall(text)}
        # None in place of an id is the end of the reply, which needs no text
        meant = {name: "" if token is None else special(token) for name, token in tokens.items()}
        return sequence(*(meant.get(part, part) for part in self._special.split(text)))

    def is_special(self, text: str) -> bool:
        """Return whether a text begins with a special token: free text cannot contain it."""
        return self._special is not None and self._special.match(text) is not None

    def free_text(self, *extra_texts: str) -> TextGrammar:
        """Return the grammar of free text outside of calls and thoughts. `extra_texts` must not occur
        either."""
        return free_of(self.avoided_texts(*extra_texts))

    def reply_text(self, *extra_texts: str) -> TextGrammar:
        """Return the grammar of a reply's free text, also without marks of calls that are plain text."""
        return self.free_text(*extra_texts, *filterfalse(self.is_special, self.marks.strays))

    def avoided_texts(self, *extra_texts: str) -> list[str]:
        """Return the texts that free text must not contain; a text that contains another one is left out."""
        texts = dict.fromkeys((*self.row.thinking, *self.row.never, *extra_texts))
        return [text for text in texts if text and not any(part != text and part in text for part in texts)]

    def build_thoughts(self, *, is_open: bool) -> TextGrammar:
        """Return the grammar of thoughts with their marks. `is_open`: the prompt has written the first
        mark."""
        begin, end = self.row.thinking
        other_ends = self.row.text[1:] if self.row.blocks else self.row.triggers if self.row.never else ()
        return sequence(
            self.spell_text("" if is_open else begin),
            self.free_text(*other_ends),
            self.spell_text(end),
            self.spell_text(self.row.after_thinking),
        )

    # --- replies --------------------------------------------------------------------------------------------

    def build_reply(self, choice: ToolChoice, thinking: bool | str) -> TextGrammar:
        """Return the grammar of whole replies; `thinking` is as in `tools`. Errors: UnsupportedError."""
        choice = self.keep_writable(choice)
        if self.row.blocks:
            return self.build_stream(choice, bool(thinking))
        body = (
            self.build_block_reply(choice, is_open=not thinking)
            if self.row.text
            else self.build_plain(choice)
        )
        if not thinking:
            return body
        thoughts = self.build_thoughts(is_open=thinking is True and self.row.opened)
        return (thoughts.optional() if thinking == "auto" else thoughts) + body

    def keep_writable(self, choice: ToolChoice) -> ToolChoice:
        """Return a choice without the tools whose arguments the format has no way to write. Each brings a
        `ToolWarning`, and an error where none is left."""
        refusals: list[UnsupportedError] = []
        for tool in choice.tools:
            check_name(tool.name, self.row.names, self.row, f"the tool {tool.name}: its name")
            try:
                self.arguments_by_tool[tool.name] = self.build_arguments(tool)
            except UnsupportedError as error:
                refusals.append(error)
        # a reply that can call nothing is an error, a tool less is a warning
        if refusals and not self.arguments_by_tool:
            raise refusals[0]
        for refusal in refusals:
            warnings.warn(ToolWarning(str(refusal)), stacklevel=warning_level())
        writable_tools = tuple(tool for tool in choice.tools if tool.name in self.arguments_by_tool)
        return replace(choice, tools=writable_tools)

    def build_plain(self, choice: ToolChoice) -> TextGrammar:
        """Return replies in which text and calls stand one after another."""
        trigger = [text for text in self.marks.openings if not any(word in text for word in self.row.never)]
        if choice.mode == "none":
            return self.reply_text(*filterfalse(self.is_special, trigger))
        has_section = bool(self.row.section[0])
        if choice.mode == "auto":
            max_calls = 1 if choice.max_calls and has_section else choice.max_calls
            return self.text_with_triggers(
                {text: self.build_section(choice, text) for text in trigger}, max_calls
            )
        calls = self.build_section(choice)
        if not has_section:
            further_call = _between_calls() + calls
            calls = calls + further_call.repeat(0, choice.max_further_calls)
        return self.spell_text(self.row.lead) + calls

    def text_with_triggers(self, rests: Mapping[str, TextGrammar], max_count: int | None) -> TextGrammar:
        """Return the grammar of free text in which each trigger is followed by its rest of a call. `rests`
        has the grammar after each trigger, `max_count` the most calls."""
        words = [text for text in rests if not self.is_special(text)]
        # no trigger is a special token: plain text alone keeps them apart
        if len(words) == len(rests):
            avoided_texts = self.avoided_texts(*filterfalse(self.is_special, self.marks.strays))
            return dispatch_grammar(rests, f"the format {self.row.name}", avoided_texts, max_count)
        free = self.reply_text(*words)
        body = either(*(sequence(free, self.spell_text(text), rest) for text, rest in rests.items()))
        return interrupted_text(body, free, max_count)

    def build_block(self, begin: str, ends: Sequence[str]) -> TextGrammar:
        """Return the grammar of a block of text, from the mark `begin` to one of the marks `ends`."""
        end = either(*map(self.spell_text, ends))
        return sequence(self.spell_text(begin), self.reply_text(*self.row.text[1:]), end)

    def build_block_reply(self, choice: ToolChoice, *, is_open: bool) -> TextGrammar:
        """Return the grammar of replies that are a block of text, then calls."""
        begin, *ends = self.row.text
        parts = [self.build_block("" if is_open else begin, ends)]
        if choice.mode != "none":
            calls = self.build_section(choice)
            parts.append(calls.optional() if choice.mode == "auto" else calls)
        return sequence(*parts, self.spell_text(self.row.end))

    def build_stream(self, choice: ToolChoice, thinking: bool) -> TextGrammar:
        """Return the grammar of replies of blocks in any order. A reply ends with the last call that it may
        have."""
        separator = self.spell_text(self.row.blocks)
        others = [self.build_thoughts(is_open=False)] if thinking else []
        if not choice.must_call:
            begin, *ends = self.row.text
            others.append(self.build_block(begin, ends))
            if self.row.preamble and choice.mode == "auto":
                others.append(self.build_block(self.row.preamble, ends[:1]))
        other_block = either(*others) if others else None
        ahead = (other_block + separator).repeat() if other_block is not None else literal("")
        if other_block is None or choice.must_call:
            call = self.build_calls(choice)
            further_call = separator + ahead + call
            return ahead + call + further_call.repeat(0, choice.max_further_calls)
        block = other_block if choice.mode == "none" else other_block | self.build_calls(choice)
        # without a bound any number of blocks may follow
        if not choice.max_calls:
            return (block + (separator + block).repeat()).optional()
        blocks = ahead + block
        for _ in range(choice.max_calls - 1):
            blocks = ahead + (other_block | self.build_calls(choice) + (separator + blocks).optional())
        return blocks.optional()

    # --- calls ----------------------------------------------------------------------------------------------

    def build_section(self, choice: ToolChoice, read_prefix: str = "") -> TextGrammar:
        """Return the grammar of a section: its beginning, calls, its end. `read_prefix`: the part of
        the section that the text has already, or the part of a call without a section."""
        begin, end = self.row.section
        if not begin:
            return self.build_calls(choice, read_prefix)
        # the text may have read the mark of a call, not that of a section
        is_begun = begin.startswith(read_prefix)
        call = self.build_calls(choice, "" if is_begun else read_prefix)
        further_call = self.spell_text(self.row.separator) + self.build_calls(choice)
        call = call + further_call.repeat(0, choice.max_further_calls)
        return sequence(
            self.spell_text(begin.removeprefix(read_prefix) if is_begun else ""), call, self.spell_text(end)
        )

    def build_calls(self, choice: ToolChoice, read_prefix: str = "") -> TextGrammar:
        """Return the grammar of one call of one of the tools. `read_prefix` is the part that the text has
        already: only templates that begin with it count."""
        loose_ways = self.row.also if read_prefix else ()
        return either(
            *(
                sequence(*self.call_parts(template[template.index(read_prefix) + len(read_prefix) :], tool))
                for tool in choice.tools
                for template in (*self.row.calls, *loose_ways)
                if read_prefix in template
                and ({"arguments", "quoted"} & template_places(template) or self.may_be_empty(tool))
            )
        )

    def may_be_empty(self, tool: Tool) -> bool:
        if tool.schema.get("required"):
            return False
        return takes_nothing(*tool.schema_under(self.policies))

    def call_parts(self, template: str, tool: Tool) -> Iterator[TextGrammar]:
        """Yield the grammars of the parts of a call, by a template of the format."""
        for kind, text in template_pieces(template):
            if kind == TEXT:
                yield self.spell_text(text)
            elif kind == "name":
                yield literal(tool.name)
            elif kind == "index":
                yield regex("[0-9]{1,6}")
            elif kind == "id":
                yield regex(self.row.ids)
            elif kind in ("gap", "line"):
                yield gap_grammar(kind, self.blank_grammar(tool))
            else:
                arguments = self.arguments_by_tool[tool.name]
                yield in_json_string(arguments) if kind == "quoted" else arguments

    def blank_grammar(self, tool: Tool) -> TextGrammar | None:
        whitespace = {**tool.policies, **self.policies}.get("whitespace", "bounded")
        return blank_of(whitespace if isinstance(whitespace, str) else "indent")

    def build_arguments(self, tool: Tool) -> TextGrammar:
        """Return the arguments of a tool, as the format writes them. Errors: those of schemas."""
        with prefix_place(f"the tool {tool.name}"):
            if self.row.member:
                texts = {INPUT: as_text(tool.input)} if tool.input is not None else {}
                return argument_grammar(*tool.schema_under(self.policies), self.row, texts=texts)
            if tool.input is not None:
                return sequence('{"', INPUT, '": ', in_json_string(tool.input), "}")
            return JsonTexts(tool.grammar_under(self.policies), place=f"the tool {tool.name}")
