"""Formats: their own examples, how one is found by a chat template, and one of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.format_rows import FORMATS, ROWS, format_of_tokens
from structgen.asking.tool_calls.tool_format import TAG
from structgen.tokens.tokenizer import byte_tokenizer

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
CALL = {"city": "Oslo", "days": 3}
JSON = '{"city": "Oslo", "days": 3}'
V3 = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
EXAMPLES = {
    "hermes": f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>',
    "qwen_3": f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>',
    "exaone": f'<tool_call>{{"name": "get_weather", "arguments": {JSON}}}</tool_call>',
    "llama": f'{{"name": "get_weather", "parameters": {JSON}}}',
    "openai-json": '{"tool_calls": [{"id": "call_9f", "type": "function", "function": {"name": '
    '"get_weather", "arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 3}"}}]}',
    "mistral": f"[TOOL_CALLS]get_weather[ARGS]{JSON}",
    "mistral_list": f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {JSON}}}]',
    "gemma": '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>,days:3}<tool_call|>',
    "function_gemma": "<start_function_call>call:get_weather{city:<escape>Oslo<escape>,days:3}"
    "<end_function_call>",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    f"<|tool_call_argument_begin|>{JSON}<|tool_call_end|><|tool_calls_section_end|>",
    "kimi_k3": '<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="get_weather" index="1"<|sep|>'
    '<|open|>argument key="city" type="string"<|sep|>Oslo<|close|>argument<|sep|>'
    '<|open|>argument key="days" type="number"<|sep|>3<|close|>argument<|sep|><|close|>call<|sep|>'
    "<|close|>tools<|sep|><|close|>message<|sep|>",
    "deepseek_r1": f"{V3}function<｜tool▁sep｜>get_weather\n```json\n{JSON}\n```<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>",
    "deepseek_v3_1": f"{V3}get_weather<｜tool▁sep｜>{JSON}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "qwen_3_coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
    "qwen_3_5": "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
    "mimo": "<tool_call><function=get_weather><parameter=city>Oslo</parameter>"
    "<parameter=days>3</parameter></function></tool_call>",
    "deepseek_v3_2": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
    '<｜DSML｜parameter name="city" string="true">Oslo</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
    "</｜DSML｜function_calls>",
    "deepseek_v4": '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n'
    '<｜DSML｜parameter name="city" string="true">Oslo</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
    "</｜DSML｜tool_calls>",
    "deepseek_v4_1": '<｜DSML｜ calls>\n<｜DSML｜ invoke name="get_weather">\n'
    '<｜DSML｜ parameter name="city" string="true">Oslo</｜DSML｜ parameter>\n'
    '<｜DSML｜ parameter name="days" string="false">3</｜DSML｜ parameter>\n</｜DSML｜ invoke>\n'
    "</｜DSML｜ calls>",
    "minimax": '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n'
    '<parameter name="days">3</parameter>\n</invoke>\n</minimax:tool_call>',
    "minimax_m3": ']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="get_weather">]<]minimax[>[<city>Oslo'
    "]<]minimax[>[</city>]<]minimax[>[<days>3]<]minimax[>[</days>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[</tool_call>",
    "glm_4_7": "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value>"
    "<arg_key>days</arg_key><arg_value>3</arg_value></tool_call>",
    "cohere": '<cofl:tool_calls><cofl:tool_call id="0" name="get_weather">'
    '<cofl:value name="city" type="raw">Oslo</cofl:value>'
    '<cofl:value name="days" type="json">3</cofl:value></cofl:tool_call></cofl:tool_calls>',
    "harmony": "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
    + JSON
    + "<|call|>",
}
"""What each format's page or chat template writes."""
SIGNS = {
    "hermes": '{{ \'<tool_call>\\n{"name": "\' ~ call.name ~ \'", "arguments": \' ~ args }}',
    "qwen_3": "{{ '<think>' }}{{ '<tool_call>\\n{\"name\": \"' ~ n ~ '\", \"arguments\": ' ~ a }}",
    "exaone": "{{ '<tool_call>{\"name\": \"' ~ n ~ '\", \"arguments\": ' ~ a ~ '}</tool_call>' }}",
    "llama": "{{ '{\"name\": \"' + call.name + '\", ' }}{{ '\"parameters\": ' }}",
    "mistral": "{{ '[TOOL_CALLS]' + name + '[ARGS]' + arguments }}",
    "mistral_list": "{{ '[TOOL_CALLS] [' }}",
    "gemma": "{{ '<|tool_call>call:' + name + '{' }}",
    "function_gemma": "{{ '<start_function_call>call:' + name }}",
    "kimi": "{{ '<|tool_calls_section_begin|>' }}",
    "kimi_k3": "{{ '<|open|>call tool=' }}{{ '<|sep|>' }}",
    "deepseek_r1": "{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + t + '<｜tool▁sep｜>' }}```json",
    "deepseek_v3_1": "{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + n + '<｜tool▁sep｜>' }}",
    "qwen_3_coder": "{{ '<tool_call>\\n<function=' + n + '>\\n' }}{{ '<parameter=' + k }}",
    "qwen_3_5": "{{ '<think>' }}{{ '<tool_call>\\n<function=' + n + '>\\n' }}{{ '<parameter=' + k }}",
    "mimo": "{{ '<tool_call><function=' + n + '>' }}{{ '<parameter=' + k }}{{ '<think></think>' }}",
    "deepseek_v3_2": "{{ '<｜DSML｜function_calls>' }}",
    "deepseek_v4": "{{ '<｜DSML｜tool_calls>' }}",
    "deepseek_v4_1": "{{ '<｜DSML｜ calls>' }}",
    "minimax": "{{ '<minimax:tool_call>' }}",
    "minimax_m3": "{{ ']<]minimax[>[<tool_call>' }}",
    "glm_4_7": "{{ '<tool_call>' + n }}{{ '<arg_key>' + k + '</arg_key><arg_value>' }}",
    "cohere": "{{ '<cofl:tool_calls>' }}",
    "harmony": "{{ '<|channel|>commentary to=functions.' + n }}",
    "openai-json": '{% raw %}{"tool_calls": [{% endraw %}',
}
"""Pieces of chat templates as their authors write them."""


@lru_cache(4)
def _compiled(grammar: sg.Grammar) -> sg.CompiledGrammar:
    return sg.compile(grammar, byte_tokenizer(), store=False)


def takes(grammar: sg.Grammar, text: str) -> bool:
    """Tell whether a text is one of a grammar's."""
    compiled = _compiled(grammar)
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and compiled.accepts_end(state)


def test_every_format_has_an_example_and_signs() -> None:
    assert EXAMPLES.keys() == FORMATS.keys() == SIGNS.keys()
    assert len(ROWS) == len(FORMATS)


@for_each("format", EXAMPLES)
def test_the_format_s_own_example_is_taken_and_read(format: str) -> None:
    grammar = sg.tools(TOOLS, format=format)
    assert takes(grammar, EXAMPLES[format])
    reply = sg.parse_calls(EXAMPLES[format], format, tools=TOOLS)
    assert [(call.name, call.arguments) for call in reply.calls] == [("get_weather", CALL)]
    assert reply.calls[0].value() == CALL
    assert reply.complete and not reply.problems and reply.text.strip() == ""


@for_each("format", EXAMPLES)
def test_another_name_and_another_type_are_not_taken(format: str) -> None:
    grammar = sg.tools(TOOLS, format=format, tool_choice="required")
    text = FORMATS[format].lead + EXAMPLES[format]
    assert takes(grammar, text)
    for wrong in (text.replace("get_weather", "get_wether"), text.replace("3", "true")):
        assert wrong != text and not takes(grammar, wrong)


@for_each("format", EXAMPLES)
def test_every_beginning_of_the_example_is_read_without_an_error(format: str) -> None:
    text = EXAMPLES[format]
    seen: list[Any] = []
    for length in range(len(text)):
        reply = sg.parse_calls(text[:length], format, tools=TOOLS, ended=False)
        assert not reply.problems
        if reply.partial is not None:
            assert reply.partial.name == "get_weather"
            seen.append(dict(reply.partial.arguments))
        assert reply.text.strip() == ""  # what may become a call is no text
    assert seen[0] == {}
    assert {"city": "Oslo"} in seen
    assert all(one.get("city", "Oslo") == "Oslo"[: len(one.get("city", "Oslo"))] for one in seen)


@for_each("format", SIGNS)
def test_a_format_is_found_by_the_chat_template(format: str) -> None:
    template = "{% for message in messages %}" + SIGNS[format] + "{% endfor %}"

    class Tokenizer:
        chat_template = template

    grammar = sg.tools(TOOLS, format=FORMATS[format])
    for given in (template, Tokenizer()):
        assert sg.tools(TOOLS, format=given).canonical == grammar.canonical  # type: ignore[attr-defined]
        assert sg.parse_calls(EXAMPLES[format], given).calls[0].format is FORMATS[format]


def test_an_unknown_template_or_name_lists_the_formats() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"does not contain any .* hermes, qwen_3, .*ToolFormat"):
        sg.tools(TOOLS, format="{{ messages }}")
    with pytest.raises(sg.errors.OptionError, match=r"'nope' is not known.*hermes"):
        sg.tools(TOOLS, format="nope")
    with pytest.raises(sg.errors.OptionError, match=r"Did you mean 'qwen_3_coder'"):
        sg.tools(TOOLS, format="qwen3_coder")
    with pytest.raises(sg.errors.OptionError, match=r"int has no chat template"):
        sg.tools(TOOLS, format=3)


def test_a_format_of_the_user_s_own() -> None:
    mine = sg.ToolFormat("mine", "CALL $name WITH $arguments END")
    text = f"Let me see. CALL get_weather WITH {JSON} END Done."
    assert takes(sg.tools(TOOLS, format=mine), text)
    reply = sg.parse_calls(text, mine)
    assert reply.calls[0].arguments == CALL and reply.texts == ["Let me see. ", " Done."]


def test_a_format_of_the_user_s_own_with_raw_strings() -> None:
    mine = sg.ToolFormat("mine", "@$name\n$arguments$line@end", member="- $key = $value;", between="\n")
    text = "@get_weather\n- city = Oslo, not 5;\n- days = 3;\n@end"
    assert takes(sg.tools(TOOLS, format=mine), text)
    assert sg.parse_calls(text, mine, tools=TOOLS).calls[0].arguments == {"city": "Oslo, not 5", "days": 3}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"calls": "<call>$arguments</call>"}, "does not contain .name"),
        (
            {"calls": ("<a>$name$arguments", "<a><b>$name$arguments"), "trigger": "<b>"},
            "does not begin a call",
        ),
        ({"calls": ("[f]$name: $arguments", "[[f]$name: $arguments")}, "contains '\\[f\\]'"),
        ({"calls": "$name: $arguments"}, "No text marks where a call begins"),
        ({"calls": "<c>$name$id:$arguments"}, "are not separated"),
        ({"calls": "<c>$name$arguments</c>", "member": "<p>$value</p>"}, "lacks a place"),
        (
            {"calls": "<c>$name$arguments</c>", "member": "$key>$value."},
            "beginning of an argument is not marked",
        ),
        ({"calls": "<c>$name$arguments</c>", "member": "<$key>$value"}, "end of a raw string is not marked"),
        ({"calls": "<c>$name$arguments</c>", "member": "<$key>$value||x||"}, "can overlap itself"),
        ({"calls": "<c>$name$arguments</c>", "member": "<$key $type>$value<>"}, "Some types have no word"),
        ({"calls": "<c>$name: $arguments", "thinking": ("<think>",)}, "beginning and an end"),
    ],
)
def test_a_wrong_format_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        sg.ToolFormat("mine", **fields)


def following(format: str, specials: dict[str, int]) -> Callable[..., bool]:
    """Return what tells whether texts and special tokens are a whole reply."""
    tokens: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None, None, None], eos_token_id=256)
    compiled = sg.compile(sg.tools(TOOLS, format=format, specials=specials), tokenizer, store=False)

    def follows(*parts: str | int) -> bool:
        matcher = sg.Matcher(compiled)
        try:
            for part in parts:
                for token in part.encode() if isinstance(part, str) else (part,):
                    matcher.advance(token)
        except sg.errors.TokenError:
            return False
        return matcher.is_complete

    return follows


def test_special_tokens_stand_for_themselves() -> None:
    """`[TOOL_CALLS]` as a token of its own: text that looks like it is text."""
    follows = following("mistral", {"[TOOL_CALLS]": 257, "[ARGS]": 258})
    assert follows("See: ", 257, "get_weather", 258, JSON)
    assert follows("[TOOL_CALLS]nothing")
    assert not follows(257, "get_wether")
    assert not follows(257, "get_weather[ARGS]")


def test_auto_takes_text_that_holds_a_part_of_a_trigger() -> None:
    for format, row in FORMATS.items():
        if row.text:
            continue
        grammar = sg.tools(TOOLS, format=format)
        for trigger in row.triggers:
            for length in range(1, len(trigger)):
                text = f"{trigger[:length]} and {trigger[:length]}"
                assert trigger in text or takes(grammar, text), (format, text)


def test_special_tokens_and_texts_open_calls_beside_one_another() -> None:
    """`<tool_call>` is a token, `<function=` is text: both begin calls of the tools."""
    follows = following("qwen_3_coder", {"<tool_call>": 257})
    call = EXAMPLES["qwen_3_coder"].removeprefix("<tool_call>").removesuffix("</tool_call>")
    assert follows("See: ", 257, call + "</tool_call>") and follows("See: ", call.strip() + "\n</tool_call>")
    assert not follows(257, call.replace("weather", "wether")) and not follows("<function=get_wether")


ODD = (
    *"x:y filter[created] $filter größe a,b a{ a} x\"y x'y a>b a<b a=b a&b a|b item /a a/b @x x.y -1".split(),
    *"日本 # a(b) x;y </a> ~ a\\b a%b parameter arg_key * ]<]minimax[>[ <|close|>".split(),
    *("a b", " a", "a\n", "", "a\u2028b", "x" * 300),
)
"""Names of arguments."""


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_calls_are_written_exactly_where_the_grammar_writes_them_and_read_back(
    format: str, step: int
) -> None:
    """Each format has a fifth of the names; with the slow tests all."""
    row = FORMATS[format]
    refused = set()
    for key in ODD[[*FORMATS].index(format) % step :: step]:
        tool = sg.Tool("f", "", {"properties": {key: {"type": "string"}}, "required": [key]})
        try:
            grammar = sg.tools([tool], format=format, tool_choice="required")
        except sg.errors.UnsupportedError as error:
            assert error.where.startswith("the tool f: #/")
            refused.add(key)
        try:
            text = write_calls([sg.Call("f", {key: "v"}, "call_0")], row)
        except sg.errors.OptionError as error:
            assert key in refused and "cannot write the name" in str(error), key
            continue
        assert key not in refused, key
        whole = row.text[1] + text + row.end if row.text and not row.blocks else row.lead + text
        assert takes(grammar, whole), key
        for tools in (None, [tool]):
            reply = sg.parse_calls(whole, format, tools=tools)
            assert [dict(call.arguments) for call in reply.calls] == [{key: "v"}] and not reply.problems, key
    assert row.member or not refused, "JSON writes every key"
    assert refused.isdisjoint({"$filter", "größe", *(() if row.quote else ("filter[created]",))})
    with pytest.raises(sg.errors.OptionError, match="cannot write the name 'f g'"):
        write_calls([sg.Call("f g", {}, "call_0")], row)


def test_half_a_closing_mark_and_the_blank_before_an_address_in_harmony() -> None:
    message = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}"
    for end, is_whole in (("", True), ("<|call|>", True), ("<", False), ("<|ca", False), ("<|call|", False)):
        reply = sg.parse_calls(message + end, "harmony")
        assert [call.name for call in reply.calls] == ["f"]
        assert (reply.complete, not reply.problems) == (is_whole, is_whole), end
    for before in ("", " ", "<|start|>assistant", "<|start|>assistant "):
        text = f"{before}to=functions.f<|channel|>commentary json<|message|>{{}}<|call|>"
        reply = sg.parse_calls(text, "harmony")
        assert reply.texts == ["", ""] and [call.name for call in reply.calls] == ["f"]
        for at in range(len(text)):
            assert sg.parse_calls(text[:at], "harmony", ended=False).text == ""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_tokens_of_a_vocabulary_name_a_format_with_these_tags(row: sg.ToolFormat) -> None:
    tags = set(TAG.findall(" ".join(marks_of(row).all)))
    found = format_of_tokens({*tags, "<s>", "the"}.__contains__)
    assert (found is None) == (not tags)
    if found is not None:
        assert set(TAG.findall(" ".join(marks_of(found).all))) == tags
    assert format_of_tokens((tags - {min(tags, default="")}).__contains__) is not row
