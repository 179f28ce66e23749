"""Where an error is in a body, as it was sent, and how an answer repeats what was sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from structgen.asking.request_reading.request_members import TOOL_ITEMS
from structgen.base.json_text.exact_json import JsonObject, unescape_segment

MOST_SHOWN: Final = 200
"""Characters of what was sent that a refusal repeats."""
MOST_PLACE: Final = 100
"""Those of them in the place that begins a message."""
_SHORT: Final = 30
"""Characters of a quotation that is never cut: our own messages quote such names."""
_CONTROL: Final = re.compile(
    r"(?<!\\)\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))"
    r"|([\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff])"
)
"""What `repr` and `printable` write for a character (`\\x1b`), and the characters that a terminal obeys."""
_REPEATED: Final = re.compile(
    r"""(?<!\w)'(?:(?!\.\.\.)[^'\\]|\\.)*(?:'|\.\.\.)|"(?:(?!\.\.\.)[^"\\]|\\.)*(?:"|\.\.\.)"""
    r"""|[\[{].*(?:[\]}]|\.\.\.)|\S{60,}""",
    re.DOTALL,
)
"""How messages repeat what was sent: in quotes or in brackets, perhaps cut, or as a long word."""
_FORMS: Final = (
    *("response_format", "text", "output_config", "output_format", "structured_outputs"),
    *("json_schema", "regex", "ebnf", "structural_tag", "tools", "functions"),
)
"""Members that ask for a grammar."""
_INSIDE: Final = (
    *("format", "json_schema", "grammar", "definition", "schema", "json", "regex", "choice"),
    "structural_tag",
)
"""Members in which a form says its grammar, from the outside to the inside."""
_OF_TOOLS: Final = ("parameters", "input_schema", "inputSchema", "format")


def make_readable(text: str) -> str:
    """Return a text that repeats what was sent, its letters as they are. The characters that a terminal obeys
    are written as U+202E."""

    def spell_letter(match: re.Match[str]) -> str:
        code = int(match[1] or match[2] or match[3], 16) if match[4] is None else ord(match[4])
        return f"U+{code:04X}" if _CONTROL.fullmatch(chr(code)) else chr(code)

    return _CONTROL.sub(spell_letter, text)


def abridge_text(text: str, max_length: int) -> str:
    """Return a text, without its middle where it has more than so many characters."""
    head = max(max_length, 1) // 2
    # one character: "..." is where a value was cut before, at which a quotation ends
    return (
        text
        if len(text) <= max_length
        else f"{text[:head]}\u2026{text[len(text) + 1 + head - max(max_length, 1) :]}"
    )


def shorten_repeats(message: str, max_length: int) -> str:
    """Return a message that repeats at most so many characters of what was sent, in all places together."""

    def shorten_match(match: re.Match[str]) -> str:
        nonlocal max_length
        quotation = match[0] if len(match[0]) <= _SHORT else abridge_text(match[0], max_length)
        max_length -= len(quotation)
        return quotation

    return _REPEATED.sub(shorten_match, message)


def _place_members(place: str) -> list[str]:
    """Return the members that a place leads through: `messages/0/content`, or `prompt[0]`."""
    pointer = re.sub(r"^([a-z_]+)\['?([^\]']*)'?\]", r"\1/\2", place.partition(": ")[0])
    return [unescape_segment(part) for part in pointer.split("/")]


def path_of(place: str) -> str:
    """Return a place as clients have it: `messages.0.content`."""
    return make_readable(".".join(_place_members(place)))


def place_in(body: Mapping[str, Any], place: str, known_members: Collection[str]) -> str:
    """Return the place of an error as in the body that was sent. If the error is about a tool, or inside the
    grammar, return the member that holds it; "" if none does. `known_members`: members that a body may
    have."""
    extra_body = body.get("extra_body")
    inner = extra_body if isinstance(extra_body, Mapping) else {}
    whole = {**body, **inner}
    first = _place_members(place)[0]
    # grammars know a tool by its name, and clients by its index
    if tool := re.match(r"the tool (.+?)(?:: (its name)?|$)", place):
        place = _tool_place(whole, tool[1], is_name=bool(tool[2]))
    elif whole and first not in whole and (first not in known_members or first in _FORMS):
        form_names = (name for name in whole if name in _FORMS or name.startswith("guided_"))
        place = next(filter(None, (_form_place(name, whole[name]) for name in form_names)), "")
    return f"extra_body/{place}" if _place_members(place)[0] in inner else place


def _tool_place(body: JsonObject, tool: str, *, is_name: bool) -> str:
    """Return the place of a tool, by its name, in a body: of its name, or of its schema."""
    # responses have tools in items of their input, too
    items = body.get("input")
    lists = {name: body.get(name) or () for name in ("tools", "functions")}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if item.get("type") in TOOL_ITEMS:
            lists[f"input/{index}/tools"] = item["tools"]
    for place, namespace, definition in _tool_definitions(lists):
        kind = definition.get("type") or "function"
        path, members = "", definition
        # chat completions have the members one dict deeper
        if isinstance(definition.get(kind), Mapping):
            path, members = f"/{kind}", definition[kind]
        name = members.get("name") or kind
        # a model knows some tools of namespaces by longer names
        if tool in (name, f"{namespace}__{name}"):
            member = next((each for each in _OF_TOOLS if members.get(each) is not None), "name")
            return f"{place}{path}/{'name' if is_name else member}"
    return "tools"


def _tool_definitions(lists: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield the tools of some lists, which have their places as keys: the place of each, the name of its
    namespace ("": none), and its definition."""
    for place, definitions in lists.items():
        for index, definition in enumerate(definitions):
            if definition.get("type") != "namespace":
                yield f"{place}/{index}", "", definition
                continue
            for inner_index, inner_definition in enumerate(definition["tools"]):
                yield f"{place}/{index}/tools/{inner_index}", definition["name"], inner_definition


def _form_place(place: str, value: Any) -> str:
    """Return where a form, the value of one of _FORMS at a place, says its grammar; "" where it says none:
    `response_format/json_schema/schema`."""
    is_whole = place.endswith(("/schema", "/json")) or place.startswith("guided_") or place == "json_schema"
    inside = value if isinstance(value, Mapping) and not is_whole else {}
    key = next((name for name in _INSIDE if inside.get(name) is not None), "")
    if key:
        return _form_place(f"{place}/{key}", inside[key])
    return "" if value is None or place in ("text", "output_config") else place
