"""The table of known formats, one row each, and the search for a format by a chat template.

A *row* is a `ToolFormat`: the texts that one family of models writes around calls. A *chat template* is the
program (in Jinja) that turns messages into the prompt of a model. The *signs* of a row are texts that all
stand in the chat templates of its family. A *sibling* of a row is a row whose calls the same family may also
write. `tool_format.py` describes each field.

For example the row "llama" writes the call `{"name": "add", "parameters": {"a": 1}}`. `format_of` finds it by
that name, or for a chat template with the texts `{"name": "` and `"parameters": `.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.tool_format import TAG, ToolFormat
from structgen.base.errors import OptionError
from structgen.grammars.text_grammars.composition.argument_styles import ARGUMENT_STYLES, TAGGED

_THINK: Final = ("<think>", "</think>")
_HERMES: Final = '<tool_call>\n{"name": "$name", "arguments": $arguments}\n</tool_call>'
_OBJECT: Final = '{"name": "$name", "arguments": $arguments}'
_QWEN: Final = "<tool_call>\n<function=$name>\n"
_M3: Final = "]<]minimax[>["
_GLM: Final = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
_FUNCTIONS: Final = "functions.$name"
_MISTRAL: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "thinking": ("[THINK]", "[/THINK]"),
        "opened": False,
        "ids": "[A-Za-z0-9]{9}",
        "id": "call0000$index",
    }
)
_GEMMA: Final[Mapping[str, Any]] = MappingProxyType({**ARGUMENT_STYLES["gemma"], "blanks": False})
_DEEPSEEK: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "section": ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
        "thinking": _THINK,
        "history": "text",
    }
)
"""The fields that rows of one family share: `_MISTRAL`, `_GEMMA` and `_DEEPSEEK`. The constants above are
texts that several rows share."""

ROWS: Final = (
    ToolFormat("hermes", _HERMES, siblings=("qwen_3_coder",), signs=("<tool_call>", '"arguments": ')),
    ToolFormat(
        "qwen_3",
        _HERMES,
        siblings=("qwen_3_coder",),
        thinking=_THINK,
        after_thinking="\n\n",
        signs=("<tool_call>", '"arguments": ', "think>"),
    ),
    ToolFormat(
        "exaone",
        '<tool_call>{"name": "$name", "arguments": $arguments}</tool_call>',
        siblings=("qwen_3_coder",),
        thinking=_THINK,
        after_thinking="\n\n",
        trigger="<tool_call>",
        signs=('<tool_call>{"name"', '"arguments": '),
    ),
    ToolFormat(
        "llama",
        '{"name": "$name", "parameters": $arguments}',
        trigger='{"name": ',
        also=('{"type": "function", "name": "$name", "parameters": $arguments}',),
        signs=('{"name": "', '"parameters": '),
    ),
    ToolFormat(
        "openai-json",
        '{"id": "$id", "type": "function", "function": {"name": "$name", "arguments": $quoted}}',
        section=('{"tool_calls": [', "]}"),
        trigger='{"tool_calls": ',
        separator=", ",
        ids="call_[A-Za-z0-9]{1,40}",
        history="text",
        signs=('{"tool_calls": [',),
    ),
    ToolFormat(
        "mistral",
        "[TOOL_CALLS]$name[ARGS]$arguments",
        siblings=("mistral_list",),
        **_MISTRAL,
        signs=("[TOOL_CALLS]", "[ARGS]"),
    ),
    ToolFormat(
        "mistral_list",
        (
            _OBJECT,
            '{"name": "$name", "arguments": $arguments, "id": "$id"}',
        ),
        section=("[TOOL_CALLS] [", "]"),
        separator=", ",
        siblings=("mistral",),
        **_MISTRAL,
        signs=("[TOOL_CALLS]",),
    ),
    ToolFormat(
        "gemma",
        "<|tool_call>call:$name$arguments<tool_call|>",
        trigger="<|tool_call>",
        thinking=("<|channel>thought\n", "<channel|>"),
        opened=False,
        **_GEMMA,
        signs=("<|tool_call>call:",),
    ),
    ToolFormat(
        "function_gemma",
        "<start_function_call>call:$name$arguments<end_function_call>",
        trigger="<start_function_call>",
        **{**_GEMMA, "quote": "<escape>"},
        signs=("<start_function_call>",),
    ),
    ToolFormat(
        "kimi",
        f"<|tool_call_begin|>{_FUNCTIONS}:$index<|tool_call_argument_begin|>$arguments<|tool_call_end|>",
        section=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
        heads=("<|tool_call_begin|>$name<|tool_call_argument_begin|>$arguments<|tool_call_end|>",),
        head=r"\s*(?:functions?[._:/])?$name(?:[:._\-\s]?[0-9]+)?\s*",
        thinking=_THINK,
        ids=r"functions\.$name:[0-9]+",
        id=f"{_FUNCTIONS}:$index",
        history="text",
        signs=("<|tool_calls_section_begin|>",),
    ),
    ToolFormat(
        "kimi_k3",
        '<|open|>call tool="$name" index="$index"<|sep|>$arguments$gap<|close|>call<|sep|>',
        section=("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
        thinking=("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
        text=("<|open|>response<|sep|>", "<|close|>response<|sep|>"),
        end="<|close|>message<|sep|>",
        never=("<|open|>", "<|close|>"),
        stops=("<|open|>", "<|close|>", "<|sep|>"),
        **ARGUMENT_STYLES["kimi_k3_xml"],
        signs=("<|open|>", "<|sep|>"),
    ),
    ToolFormat(
        "deepseek_r1",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>$name\n```json\n$arguments\n```<｜tool▁call▁end｜>",
        separator="\n",
        **_DEEPSEEK,
        signs=("<｜tool▁calls▁begin｜>", "```json"),
    ),
    ToolFormat(
        "deepseek_v3_1",
        "<｜tool▁call▁begin｜>$name<｜tool▁sep｜>$arguments<｜tool▁call▁end｜>",
        **_DEEPSEEK,
        signs=("<｜tool▁calls▁begin｜>",),
    ),
    *(
        ToolFormat(
            name,
            (_QWEN + "$arguments$gap\n</function>\n</tool_call>", _QWEN + "</function>\n</tool_call>"),
            trigger="<tool_call>",
            siblings=("hermes",),
            thinking=_THINK,
            after_thinking="\n\n",
            signs=("<function=", "<parameter=", *signs),
            **ARGUMENT_STYLES["qwen_xml"],
        )
        for name, signs in (("qwen_3_coder", ()), ("qwen_3_5", ("think>",)))
    ),
    ToolFormat(
        "mimo",
        "<tool_call><function=$name>$arguments$gap</function></tool_call>",
        trigger="<tool_call>",
        siblings=("qwen_3_coder", "hermes"),
        thinking=_THINK,
        opened=False,
        never=("</tool_call>", "<function="),
        member="<parameter=$key>$value</parameter>",
        between="",
        keys=TAGGED,
        signs=("<tool_call><function=", "<parameter="),
    ),
    *(
        ToolFormat(
            name,
            f'<｜DSML｜{blank}invoke name="$name">\n$arguments$line</｜DSML｜{blank}invoke>\n',
            section=(f"<｜DSML｜{section}>\n", f"</｜DSML｜{section}>"),
            trigger=f"<｜DSML｜{section}>",
            lead="\n\n",
            thinking=_THINK,
            names=r"[A-Za-z0-9_.\-]{1,128}(?:::[A-Za-z0-9_.\-]{1,128})?",
            signs=(f"｜DSML｜{section}",),
            **ARGUMENT_STYLES["deepseek_v4_1_xml" if blank else "deepseek_xml"],
        )
        for name, section, blank in (
            ("deepseek_v3_2", "function_calls", ""),
            ("deepseek_v4", "tool_calls", ""),
            ("deepseek_v4_1", " calls", " "),
        )
    ),
    ToolFormat(
        "minimax",
        '<invoke name="$name">\n$arguments$line</invoke>\n',
        section=("<minimax:tool_call>\n", "</minimax:tool_call>"),
        lead="\n",
        thinking=_THINK,
        after_thinking="\n\n",
        signs=("<minimax:tool_call>",),
        **ARGUMENT_STYLES["minimax_xml"],
    ),
    ToolFormat(
        "minimax_m3",
        f'{_M3}<invoke name="$name">$arguments$gap{_M3}</invoke>\n',
        section=(f"{_M3}<tool_call>\n", f"{_M3}</tool_call>"),
        trigger=_M3,
        thinking=("<mm:think>", "</mm:think>"),
        never=(f"{_M3}</tool_call>", f"{_M3}<invoke", f"{_M3}</invoke>"),
        signs=(_M3,),
        **ARGUMENT_STYLES["minimax_m3_xml"],
    ),
    ToolFormat(
        "glm_4_7",
        "<tool_call>$name$arguments$gap</tool_call>",
        thinking=_THINK,
        never=("</tool_call>", *_GLM),
        signs=("<arg_key>", "<arg_value>"),
        **ARGUMENT_STYLES["glm_xml"],
    ),
    ToolFormat(
        "cohere",
        '<cofl:tool_call id="$index" name="$name">$arguments$gap</cofl:tool_call>',
        section=("<cofl:tool_calls>", "</cofl:tool_calls>"),
        thinking=("<|START_THINKING|>", "<|END_THINKING|>"),
        ids="[0-9]+",
        id="$index",
        signs=("<cofl:tool_calls>",),
        **ARGUMENT_STYLES["cohere_xml"],
    ),
    ToolFormat(
        "harmony",
        (
            f" to={_FUNCTIONS}<|channel|>commentary json<|message|>$arguments<|call|>",
            f" to={_FUNCTIONS}<|channel|>commentary <|constrain|>json<|message|>$arguments<|call|>",
            f"<|channel|>commentary to={_FUNCTIONS}<|constrain|>json<|message|>$arguments<|call|>",
            f"<|channel|>commentary to={_FUNCTIONS} <|constrain|>json<|message|>$arguments<|call|>",
        ),
        thinking=("<|channel|>analysis<|message|>", "<|end|>"),
        opened=False,
        text=("<|channel|>final<|message|>", "<|end|>", "<|return|>"),
        preamble="<|channel|>commentary<|message|>",
        blocks="<|start|>assistant",
        heads=("<|channel|>$name<|message|>$arguments<|call|>", " to=$name<|message|>$arguments<|call|>"),
        head=r"(?:\s*(?:analysis|commentary|final)?\s+to=|\s*)(?:functions?[._:/])?$name"
        r"\s*(?:<\|channel\|>\s*(?:analysis|commentary|final))?\s*(?:<\|constrain\|>)?\s*(?:json|code)?\s*",
        signs=("<|channel|>", "to=functions."),
    ),
)
"""The formats, one row each. Where a chat template has the signs of several rows, the row with the longest
signs is taken (`format_of`)."""

FORMATS: Final = MappingProxyType({row.name: row for row in ROWS})
_ALSO: Final = MappingProxyType(
    {
        "<tool_call>": tuple(
            ToolFormat(
                name, _OBJECT, section=(f"<tool_call>\n{begin}", f"{end}\n</tool_call>"), separator=", "
            )
            for name, begin, end in (("a list in <tool_call>", "[", "]"), ("JSON in <tool_call>", "", ""))
        ),
        "[TOOL_CALLS]": (ToolFormat("one object after [TOOL_CALLS]", f"[TOOL_CALLS] {_OBJECT}"),),
    }
)
"""Further formats of calls that are read, by the trigger of a row with siblings. They have no row of their
own: `format_of` does not find them."""


def siblings_of(row: ToolFormat) -> tuple[ToolFormat, ...]:
    """Return the formats whose calls a reader takes besides those of `row`: `_ALSO` first, then its siblings.

    Raises the errors of `format_of`.
    """
    return (*_ALSO.get(row.triggers[0], ()), *map(format_of, row.siblings)) if row.siblings else ()


def format_of(format: Any, where: str = "format") -> ToolFormat:
    """Return the row that `format` names.

    `format` is one of four: a `ToolFormat`; the name of a row; the text of a chat template; or an object with
    a chat template as `chat_template`, such as a tokenizer of transformers. `where` is the name of the
    option, for errors.

    Raises `OptionError`, which lists the names, for a name that is not known and for a chat template without
    the signs of any row.
    """
    if isinstance(format, ToolFormat):
        return format
    names = ", ".join(FORMATS)
    if isinstance(format, str) and "{%" not in format and "{{" not in format:
        if format not in FORMATS:
            # The one most similar name, if the similarity is 0.7 of 1 or more.
            close = get_close_matches(format, FORMATS, 1, 0.7)
            raise OptionError(
                f"The format {format!r} is not known.",
                where=where,
                cure=f"Did you mean {close[0]!r}?"
                if close
                else (f"The known formats are {names}; or make an sg.ToolFormat."),
            )
        return FORMATS[format]
    template = format if isinstance(format, str) else getattr(format, "chat_template", None)
    if isinstance(template, dict):  # transformers: several templates, by name
        template = template.get("tool_use", template.get("default"))
    template_text = template if isinstance(template, str) else ""
    fits = [row for row in ROWS if all(sign in template_text for sign in row.signs)]
    if not fits:
        raise OptionError(
            "The chat template does not contain any of the known formats."
            if template_text
            else f"{type(format).__name__} has no chat template.",
            where=where,
            cure=f"Name the format: {names}; or pass an sg.ToolFormat, or a tokenizer with a chat template.",
        )
    # Of several rows, the one whose signs are longest together is the most specific.
    return max(fits, key=lambda row: sum(map(len, row.signs)))


def format_of_tokens(has_token: Callable[[str], bool]) -> ToolFormat | None:
    """Return the row all of whose tags are tokens of a vocabulary; None if there is none. Of several rows it
    is the one with the most tags. `has_token` says whether a text is a token."""
    tags_of_rows = {row.name: set(TAG.findall(" ".join(marks_of(row).all))) for row in ROWS}
    names = [name for name, tags in tags_of_rows.items() if tags and all(map(has_token, tags))]
    return FORMATS[max(names, key=lambda name: len(tags_of_rows[name]))] if names else None


def check_name(
    name: str,
    pattern: str,
    row: ToolFormat,
    where: str,
) -> None:
    """Raise `OptionError` for a name of a tool or an argument that the format cannot write.

    `pattern` is the pattern (`re`) of the names that the format can write and a reader finds again. `row` is
    the format, and `where` the place of the name, both for the error.
    """
    if re.fullmatch(pattern, name) is None:
        raise OptionError(
            f"The format {row.name} cannot write the name {name!r}.",
            where=where,
            cure=f"Rename it: names match {pattern}.",
        )
