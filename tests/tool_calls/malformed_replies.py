"""Malformed replies, forty of each format: the format's example, with faults that models make."""

from __future__ import annotations

import re

from test_call_formats import EXAMPLES

from structgen.tool_calls.format_rows import FORMATS

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
    listed = [one for one in dict.fromkeys(found) if one.strip() and one != text]
    return listed


def mark_of(name: str) -> str:
    """Return a call of another format."""
    return EXAMPLES[OTHER.get(name, "mistral")]
