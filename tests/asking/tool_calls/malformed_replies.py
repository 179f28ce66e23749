"""Malformed replies, 120 of each format: the format's example, with faults that models make."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from test_call_formats import EXAMPLES

from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.grammars.text_grammars.composition.templates import TEXT, template_pieces

OTHER = {"hermes": "mistral", "mistral": "hermes", "gemma": "hermes", "harmony": "qwen_3_coder"}


def malformed(name: str) -> list[str]:
    """Return replies with faults, each another one."""
    text, row = EXAMPLES[name], FORMATS[name]
    marks = [one for one in dict.fromkeys((*row.triggers, *row.section, *row.text, *row.thinking)) if one]
    first = re.search(r"Oslo", text)
    assert first is not None
    at = first.start()
    found = [text[: len(text) * part // 12] for part in range(1, 12)]  # cut off
    found += [text[len(text) * part // 8 :] for part in range(1, 6)]  # without its beginning
    found += [
        text.replace("Oslo", said)
        for said in ('"', "\\", "{", "}}", "]", "\x00", "\n", "</", "\ud83d", marks[0])
    ]
    found += [text.replace(said, "") for said in ('"', "{", "}", ">", "\n", "get_weather", "city")]
    found += [text.replace("3", said) for said in ("NaN", "01", "3,", "three", "[1,2}", "")]
    found += [
        text.replace('"', "'"),
        text.replace("get_weather", "get weather"),
        text + text,
        text * 2 + text[:at],
    ]
    found += [
        text[:at] + text,
        text[:at] + mark_of(name) + text[at:],
        f"{marks[0]}{text}",
        f"{text}{marks[0]}",
    ]
    found += [marks[0] * 3, marks[0] + " but no call", "".join(marks), text[::-1], text.upper(), "", " \n"]
    found += [text for _, text in mark_faults(name)][::3]
    source = random.Random(name)
    while len(set(found)) < 150:
        found.append(_edited(text, marks, source))
    return [one for one in dict.fromkeys(found) if one.strip() and one != text]


def _edited(text: str, marks: list[str], source: random.Random) -> str:
    """Return a text with a part left out, written twice, moved, or a mark put in."""
    begin, end = sorted(source.sample(range(len(text) + 1), 2))
    end = min(end, begin + 12)
    part = text[begin:end]
    kind = source.randrange(4)
    if kind == 0:
        return text[:begin] + text[end:]
    if kind == 1:
        return text[:end] + part + text[end:]
    if kind == 2:
        rest = text[:begin] + text[end:]
        at = source.randrange(len(rest) + 1)
        return rest[:at] + part + rest[at:]
    return text[:begin] + source.choice(marks) + text[begin:]


def mark_of(name: str) -> str:
    """Return a call of another format."""
    return EXAMPLES[OTHER.get(name, "mistral")]


# --- marks left out, doubled, replaced ----------------------------------------------------------------------


_NAMESPACE = "]<]minimax[>["
_TAG = re.compile(rf"(?:{re.escape(_NAMESPACE)})?<[^<>\n]+>|\[[A-Z_]+\]")


def marks_of(format: str) -> list[str]:
    """Return the marks that a format's example has: its tags, and the texts of its templates."""
    row, text = FORMATS[format], EXAMPLES[format]
    found = [*_TAG.findall(text), *(one for one in (_NAMESPACE, row.quote) if one)]
    for template in (*row.section, *row.calls, row.member, row.item):
        found += [said for kind, said in template_pieces(template) if kind == TEXT] if template else []
    listed = dict.fromkeys(one for said in found for one in (said, said.strip()))
    return [one for one in listed if one in text and re.search(r"[<\[].|\w", one)]


def mark_faults(format: str) -> Iterator[tuple[str, str]]:
    """Yield what was done to a mark, and the text: each occurrence left out, doubled, replaced."""
    text, marks = EXAMPLES[format], marks_of(format)
    for mark in marks:
        for found in re.finditer(re.escape(mark), text):
            before, after = text[: found.start()], text[found.end() :]
            yield f"{mark!r} left out at {found.start()}", before + after
            yield f"{mark!r} doubled at {found.start()}", before + mark * 2 + after
            for other in marks:
                if other != mark and other not in mark and mark not in other:
                    yield f"{mark!r} replaced by {other!r} at {found.start()}", before + other + after
