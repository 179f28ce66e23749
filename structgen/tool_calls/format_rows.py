"""The formats that are known, one row each, and how one is found by a chat template."""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from structgen.errors import OptionError
from structgen.tool_calls.tool_format import JSON_TYPES, ToolFormat

_THINK: Final = ("<think>", "</think>")
_STRING: Final = MappingProxyType({one: str(one == "string").lower() for one in JSON_TYPES})
_NAMES: Final = MappingProxyType({one: "number" if one == "integer" else one for one in JSON_TYPES})
_COHERE: Final = MappingProxyType(
    {**dict.fromkeys(JSON_TYPES, "json"), "string": "raw", "object": "dict", "array": "list"}
)
_HERMES: Final = '<tool_call>\n{"name": "$name", "arguments": $arguments}\n</tool_call>'
_QWEN: Final = "<tool_call>\n<function=$name>\n"
_M3: Final = "]<]minimax[>["
_GLM: Final = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
_FUNCTIONS: Final = "functions.$name"

ROWS: Final = (
    ToolFormat("hermes", _HERMES, signs=("<tool_call>", '"arguments": ')),
    ToolFormat(
        "qwen_3",
        _HERMES,
        thinking=_THINK,
        after_thinking="\n\n",
        signs=("<tool_call>", '"arguments": ', "think>"),
    ),
    ToolFormat(
        "exaone",
        '<tool_call>{"name": "$name", "arguments": $arguments}</tool_call>',
        thinking=_THINK,
        after_thinking="\n\n",
        trigger="<tool_call>",
        signs=('<tool_call>{"name"', '"arguments": '),
    ),
    ToolFormat(
        "llama",
        '{"name": "$name", "parameters": $arguments}',
        trigger='{"name": ',
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
        "mistral", "[TOOL_CALLS]$name[ARGS]$arguments", id="call0000$index", signs=("[TOOL_CALLS]", "[ARGS]")
    ),
    ToolFormat(
        "mistral_list",
        (
            '{"name": "$name", "arguments": $arguments}',
            '{"name": "$name", "arguments": $arguments, "id": "$id"}',
        ),
        section=("[TOOL_CALLS] [", "]"),
        separator=", ",
        ids="[A-Za-z0-9]{9}",
        id="call0000$index",
        signs=("[TOOL_CALLS]",),
    ),
    ToolFormat(
        "gemma",
        "<|tool_call>call:$name$arguments<tool_call|>",
        trigger="<|tool_call>",
        thinking=("<|channel>thought\n", "<channel|>"),
        opened=False,
        member="$key:$value",
        item="$value",
        brackets=("{", "}", "[", "]"),
        between=",",
        quote='<|"|>',
        blanks=False,
        signs=("<|tool_call>call:",),
    ),
    ToolFormat(
        "function_gemma",
        "<start_function_call>call:$name$arguments<end_function_call>",
        trigger="<start_function_call>",
        member="$key:$value",
        item="$value",
        brackets=("{", "}", "[", "]"),
        between=",",
        quote="<escape>",
        blanks=False,
        signs=("<start_function_call>",),
    ),
    ToolFormat(
        "kimi",
        f"<|tool_call_begin|>{_FUNCTIONS}:$index<|tool_call_argument_begin|>$arguments<|tool_call_end|>",
        section=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
        thinking=_THINK,
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
        member='<|open|>argument key="$key" type="$type"<|sep|>$value<|close|>argument<|sep|>',
        between="",
        stops=("<|open|>", "<|close|>", "<|sep|>"),
        types=_NAMES,
        signs=("<|open|>", "<|sep|>"),
    ),
    ToolFormat(
        "deepseek_r1",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>$name\n```json\n$arguments\n```<｜tool▁call▁end｜>",
        section=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
        separator="\n",
        thinking=_THINK,
        history="text",
        signs=("<｜tool▁calls▁begin｜>", "```json"),
    ),
    ToolFormat(
        "deepseek_v3_1",
        "<｜tool▁call▁begin｜>$name<｜tool▁sep｜>$arguments<｜tool▁call▁end｜>",
        section=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
        thinking=_THINK,
        history="text",
        signs=("<｜tool▁calls▁begin｜>",),
    ),
    *(
        ToolFormat(
            name,
            (_QWEN + "$arguments$gap\n</function>\n</tool_call>", _QWEN + "</function>\n</tool_call>"),
            trigger="<tool_call>\n<function=",
            thinking=_THINK,
            after_thinking="\n\n",
            member="<parameter=$key>$value</parameter>",
            frame="\n",
            signs=("<function=", "<parameter=", *signs),
        )
        for name, signs in (("qwen_3_coder", ()), ("qwen_3_5", ("think>",)))
    ),
    ToolFormat(
        "mimo",
        "<tool_call><function=$name>$arguments$gap</function></tool_call>",
        trigger="<tool_call>",
        thinking=_THINK,
        opened=False,
        never=("</tool_call>", "<function="),
        member="<parameter=$key>$value</parameter>",
        between="",
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
            member=f'<｜DSML｜{blank}parameter name="$key" string="$type">$value</｜DSML｜{blank}parameter>',
            types=_STRING,
            names=r"[A-Za-z0-9_.\-]{1,128}(?:::[A-Za-z0-9_.\-]{1,128})?",
            signs=(f"｜DSML｜{section}",),
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
        member='<parameter name="$key">$value</parameter>',
        signs=("<minimax:tool_call>",),
    ),
    ToolFormat(
        "minimax_m3",
        f'{_M3}<invoke name="$name">$arguments$gap{_M3}</invoke>\n',
        section=(f"{_M3}<tool_call>\n", f"{_M3}</tool_call>"),
        thinking=("<mm:think>", "</mm:think>"),
        never=(f"{_M3}</tool_call>", f"{_M3}<invoke", f"{_M3}</invoke>"),
        member=f"{_M3}<$key>$value{_M3}</$key>",
        item=f"{_M3}<item>$value{_M3}</item>",
        stops=(_M3,),
        between="",
        blanks=False,
        keys=r"[A-Za-z_][A-Za-z0-9_.\-]{0,255}",
        signs=(_M3,),
    ),
    ToolFormat(
        "glm_4_7",
        "<tool_call>$name$arguments$gap</tool_call>",
        thinking=_THINK,
        never=("</tool_call>", *_GLM),
        member="<arg_key>$key</arg_key>$gap<arg_value>$value</arg_value>",
        between="",
        signs=("<arg_key>", "<arg_value>"),
    ),
    ToolFormat(
        "cohere",
        '<cofl:tool_call id="$index" name="$name">$arguments$gap</cofl:tool_call>',
        section=("<cofl:tool_calls>", "</cofl:tool_calls>"),
        thinking=("<|START_THINKING|>", "<|END_THINKING|>"),
        id="$index",
        member='<cofl:value name="$key" type="$type">$value</cofl:value>',
        item='<cofl:value type="$type">$value</cofl:value>',
        between="",
        types=_COHERE,
        signs=("<cofl:tool_calls>",),
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
        blocks="<|start|>assistant",
        signs=("<|channel|>", "to=functions."),
    ),
)
"""The formats, one row each; of two whose signs a template has, the one with more of them."""

FORMATS: Final = MappingProxyType({row.name: row for row in ROWS})


def format_of(format: Any) -> ToolFormat:
    """Return a format: a `ToolFormat`, the name of a row, the text of a chat template (Jinja), or what holds
    one as `chat_template`, such as a tokenizer of transformers.

    Raises `OptionError`, which lists the names, for a name that is not known and for a template that shows
    none of the formats.
    """
    if isinstance(format, ToolFormat):
        return format
    known = ", ".join(FORMATS)
    if isinstance(format, str) and "{%" not in format and "{{" not in format:
        if format not in FORMATS:
            close = get_close_matches(format, FORMATS, 1, 0.7)
            raise OptionError(
                f"The format {format!r} is not known.",
                where="format",
                cure=f"Write {close[0]!r}." if close else f"Known are {known}; or make an sg.ToolFormat.",
            )
        return FORMATS[format]
    template = format if isinstance(format, str) else getattr(format, "chat_template", None)
    if isinstance(template, dict):  # transformers: several templates, by name
        template = template.get("tool_use", template.get("default"))
    if not isinstance(template, str):
        raise OptionError(
            f"A {type(format).__name__} has no chat template.",
            where="format",
            cure=f"Name a format ({known}), or pass an sg.ToolFormat or a tokenizer with a chat template.",
        )
    fits = [row for row in ROWS if all(sign in template for sign in row.signs)]
    if not fits:
        raise OptionError(
            "The chat template shows none of the formats that are known.",
            where="format",
            cure=f"Name the format: {known}; or make an sg.ToolFormat.",
        )
    return max(fits, key=lambda row: sum(map(len, row.signs)))
