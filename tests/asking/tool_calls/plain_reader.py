"""A reader of calls written apart from structgen's: regular expressions, `json`, and the schema's types."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

JSON = json.JSONDecoder()


@dataclass
class Spec:
    """How calls are told in one format."""

    call: str
    """A pattern up to the arguments, with a group `name`."""
    section: str = ""
    """The text before the calls, where they stand together; `end` follows them. Calls that begin with a tag
    are found without it."""
    end: str = ""
    head: str = ""
    """A pattern before an argument, with a group `key`. "": the arguments are JSON."""
    tail: str = ""
    item: tuple[str, str] = ("", "")
    """A pattern before an item, and the text behind it, where arrays are no JSON."""
    around: tuple[str, str, str, str] = ("", "", "", "")
    quote: str = ""
    line: bool = False
    """A line break on each side of a string belongs to the format."""
    quoted: bool = False


def dsml(blank: str) -> dict[str, Any]:
    return {
        "call": rf'<｜DSML｜{blank}invoke name="(?P<name>[^"]+)">\n',
        "head": rf'\s*<｜DSML｜{blank}parameter name="(?P<key>[^"]+)" string="(?:true|false)">',
        "tail": f"</｜DSML｜{blank}parameter>",
    }


HERMES = r'<tool_call>\n\{"name": "(?P<name>[^"]+)", "arguments": '
QWEN: dict[str, Any] = {"head": r"\s*<parameter=(?P<key>[^>]+)>", "tail": "</parameter>"}
GEMMA: dict[str, Any] = {
    "head": r"(?P<key>\w+):",
    "item": ("", ""),
    "around": ("{", "}", "[", "]"),
}
NS = r"\]<\]minimax\[>\["
SPECS = {
    "hermes": Spec(HERMES),
    "qwen_3": Spec(HERMES),
    "exaone": Spec(r'<tool_call>\{"name": "(?P<name>[^"]+)", "arguments": '),
    "llama": Spec(r'\{"name": "(?P<name>[^"]+)", "parameters": '),
    "openai-json": Spec(
        r'(?:, )?\{"id": "\w+", "type": "function", "function": \{"name": "(?P<name>[^"]+)", "arguments": ',
        '{"tool_calls": [',
        "]}",
        quoted=True,
    ),
    "mistral": Spec(r"\[TOOL_CALLS\](?P<name>\w+)\[ARGS\]"),
    "mistral_list": Spec(r'(?:, )?\{"name": "(?P<name>[^"]+)", "arguments": ', "[TOOL_CALLS] [", "]"),
    "gemma": Spec(r"<\|tool_call>call:(?P<name>\w+)(?=\{)", quote='<|"|>', **GEMMA),
    "function_gemma": Spec(r"<start_function_call>call:(?P<name>\w+)(?=\{)", quote="<escape>", **GEMMA),
    "kimi": Spec(
        r"<\|tool_call_begin\|>functions\.(?P<name>\w+):\d+<\|tool_call_argument_begin\|>",
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
    ),
    "kimi_k3": Spec(
        r'<\|open\|>call tool="(?P<name>[^"]+)" index="\d+"<\|sep\|>',
        "<|open|>tools<|sep|>",
        "<|close|>tools<|sep|>",
        r'\s*<\|open\|>argument key="(?P<key>[^"]+)" type="\w+"<\|sep\|>',
        "<|close|>argument<|sep|>",
    ),
    "deepseek_r1": Spec(
        r"\s*<｜tool▁call▁begin｜>function<｜tool▁sep｜>(?P<name>\w+)\n```json\n",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
    ),
    "deepseek_v3_1": Spec(
        r"<｜tool▁call▁begin｜>(?P<name>\w+)<｜tool▁sep｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
    ),
    "qwen_3_coder": Spec(r"<tool_call>\n<function=(?P<name>\w+)>\n", line=True, **QWEN),
    "qwen_3_5": Spec(r"<tool_call>\n<function=(?P<name>\w+)>\n", line=True, **QWEN),
    "mimo": Spec(r"<tool_call><function=(?P<name>\w+)>", **QWEN),
    "deepseek_v3_2": Spec(section="<｜DSML｜function_calls>\n", end="</｜DSML｜function_calls>", **dsml("")),
    "deepseek_v4": Spec(section="<｜DSML｜tool_calls>\n", end="</｜DSML｜tool_calls>", **dsml("")),
    "deepseek_v4_1": Spec(section="<｜DSML｜ calls>\n", end="</｜DSML｜ calls>", **dsml(" ")),
    "minimax": Spec(
        r'\s*<invoke name="(?P<name>[^"]+)">\n',
        "<minimax:tool_call>\n",
        "</minimax:tool_call>",
        r'\s*<parameter name="(?P<key>[^"]+)">',
        "</parameter>",
    ),
    "minimax_m3": Spec(
        rf'\s*{NS}<invoke name="(?P<name>[^"]+)">',
        "]<]minimax[>[<tool_call>\n",
        "]<]minimax[>[</tool_call>",
        rf"\s*{NS}<(?P<key>[a-z]+)>",
        "]<]minimax[>[</{key}>",
        (rf"\s*{NS}<item>", "]<]minimax[>[</item>"),
    ),
    "glm_4_7": Spec(
        r"<tool_call>(?P<name>\w+)",
        head=r"\s*<arg_key>(?P<key>\w+)</arg_key>\s*<arg_value>",
        tail="</arg_value>",
    ),
    "cohere": Spec(
        r'<cofl:tool_call id="\d+" name="(?P<name>[^"]+)">',
        "<cofl:tool_calls>",
        "</cofl:tool_calls>",
        r'\s*<cofl:value name="(?P<key>[^"]+)" type="\w+">',
        "</cofl:value>",
        (r'\s*<cofl:value type="\w+">', "</cofl:value>"),
    ),
    "harmony": Spec(
        r"(?:<\|channel\|>commentary to=functions\.(?P<name>\w+) ?<\|constrain\|>json"
        r"|<\|start\|>assistant to=functions\.(?P<again>\w+)<\|channel\|>commentary (?:<\|constrain\|>)?json"
        r"|^ to=functions\.(?P<first>\w+)<\|channel\|>commentary (?:<\|constrain\|>)?json)<\|message\|>"
    ),
}


class PlainReader:
    """Reads calls of one text."""

    def __init__(self, text: str, format: str, schemas: dict[str, Any]) -> None:
        self.text, self.spec, self.schemas, self.at = text, SPECS[format], schemas, 0

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        pattern = re.compile(self.spec.call)
        while True:
            if self.spec.section and self.spec.section.startswith(("{", "[")):
                start = self.text.find(self.spec.section, self.at)
                if start < 0:
                    return found
                self.at = start + len(self.spec.section)
                while call := self.next_call(pattern.match(self.text, self.at)):
                    found.append(call)
            else:
                call = self.next_call(pattern.search(self.text, self.at))
                if call is None:
                    return found
                found.append(call)

    def next_call(self, begin: re.Match[str] | None) -> tuple[str, dict[str, Any]] | None:
        if begin is None:
            return None
        name = next(one for one in begin.groups() if one)
        self.at = begin.end()
        schema = self.schemas[name]
        arguments = self.members(schema) if self.spec.head else self.json()
        more = re.compile(
            r"\s*(?:, \"id\": \"\w+\"\}|\}\}|\}(?:\s*</tool_call>)?|</function>\s*</tool_call>|</tool_call>|"
            r"</cofl:tool_call>|</invoke>\n|</｜DSML｜ ?invoke>\n|"
            r"\]<\]minimax\[>\[</invoke>\n|<\|close\|>call<\|sep\|>|"
            r"<\|tool_call_end\|>|(?:\n```)?<｜tool▁call▁end｜>|<tool_call\|>|<end_function_call>|<\|call\|>)"
        ).match(self.text, self.at)
        assert more or self.spec.call.startswith(r"\[TOOL"), self.text[self.at :]
        self.at = more.end() if more else self.at
        return name, arguments

    def json(self) -> Any:
        value, self.at = JSON.raw_decode(self.text, self.blanks())
        return json.loads(value) if self.spec.quoted else value

    def members(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = {}
        self.expect(self.spec.around[0])
        while True:
            if self.text.startswith(",", self.at) and self.spec.quote:
                self.at += 1
            head = re.compile(self.spec.head).match(self.text, self.at)
            if head is None:
                self.expect(self.spec.around[1])
                return found
            self.at = head.end()
            tail = self.spec.tail.replace("{key}", head["key"])
            found[head["key"]] = self.value(schema["properties"][head["key"]], tail)
            self.blanks()
            self.expect(tail)

    def value(self, schema: dict[str, Any], tail: str) -> Any:
        nested = bool(self.spec.item[0] or self.spec.around[0])
        kind = schema["type"]
        if kind == "string":
            return self.string(tail)
        if kind == "object" and nested:
            return self.members(schema)
        if kind == "array" and nested:
            return self.items(schema)
        value, self.at = JSON.raw_decode(self.text, self.blanks())
        return value

    def string(self, tail: str) -> str:
        self.expect(self.spec.quote)
        end = self.text.index(self.spec.quote or tail, self.at)
        found, self.at = self.text[self.at : end], end + len(self.spec.quote)
        if self.spec.line:
            found = found.removeprefix("\n").removesuffix("\n")
        return found

    def items(self, schema: dict[str, Any]) -> list[Any]:
        found = []
        self.expect(self.spec.around[2])
        while True:
            if self.spec.quote:
                if self.text.startswith("]", self.at):
                    break
                if found:
                    self.expect(",")
            else:
                head = re.compile(self.spec.item[0]).match(self.text, self.at)
                if head is None:
                    break
                self.at = head.end()
            found.append(self.value(schema["items"], self.spec.item[1]))
            self.expect(self.spec.item[1])
        self.expect(self.spec.around[3])
        return found

    def blanks(self) -> int:
        while self.text[self.at : self.at + 1] in (" ", "\n", "\t", "\r"):
            self.at += 1
        return self.at

    def expect(self, said: str) -> None:
        assert self.text.startswith(said, self.at), (said, self.text[self.at :])
        self.at += len(said)
