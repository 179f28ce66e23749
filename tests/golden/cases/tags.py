"""Structural tags: each format, with the options that change it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import structgen as sg

from ..case import Case

ANY = {"type": "any_text"}
X = {"type": "const_string", "value": "x"}
NUMBER: Any = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tag(begin: Any, content: Any, end: Any) -> dict[str, Any]:
    """Return a tag."""
    return {"type": "tag", "begin": begin, "content": content, "end": end}


def triggered(triggers: list[str], *tags: Any, **options: Any) -> dict[str, Any]:
    """Return free text with tags in it."""
    return {"type": "triggered_tags", "triggers": triggers, "tags": list(tags), **options}


AB, BB = tag("ab", X, "b"), tag("bb", X, ["a", "b"])
CALL = tag("<call>", {"type": "json_schema", "json_schema": NUMBER}, "</call>")
FORMATS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "any": (ANY, ("ab é",)),
    "any-but": ({**ANY, "excludes": ["ab", "bb"]}, ("ba", "cab")),
    "any-so-long": ({**ANY, "max_chars": 2}, ("ab", "abc")),
    "any-tokens": (tag("<", {**ANY, "max_tokens": 2}, ">"), ("<ab>", "<abcdefghi>")),
    "tag": (tag("a", ANY, "bb"), ("axbb", "abbb", "ab")),
    "tag-ends": (tag("a", ANY, ["ab", "b"]), ("axab", "ab")),
    "tag-special": (tag({"type": "token", "token": 0}, X, {"type": "token", "token": 0}), ("x",)),
    "triggered": (triggered(["ab", "bb"], AB, BB), ("xxabxb", "abbb", "bbxax")),
    "triggered-once": (triggered(["ab", "bb"], AB, BB, stop_after_first=True), ("xabxb", "xabxbx")),
    "triggered-at-once": (triggered(["a", "bb"], AB, BB, at_least_one=True), ("abxbx", "xabxb")),
    "triggered-exactly": (
        triggered(["ab", "bb"], AB, BB, at_least_one=True, stop_after_first=True),
        ("bbxa", "bbxax"),
    ),
    "triggered-but": (triggered(["ab"], AB, excludes=["xa"]), ("abxb", "xab")),
    "triggered-self": (triggered(["aa"], tag("aab", X, "")), ("aaabx", "aax")),
    "calls": (triggered(["<call"], CALL), ('Let me see. <call>{"n":1}</call> Or', "<call me", "1 < 2")),
    "calls-first": (triggered(["<call"], CALL, at_least_one=True), ('<call>{"n":1}</call>', "text")),
    "separated": (
        {"type": "tags_with_separator", "tags": [AB, BB], "separator": "x"},
        ("abxbxbbxa", "abxbbbxa"),
    ),
    "separated-one": (
        {"type": "tags_with_separator", "tags": [AB], "separator": "", "at_least_one": True},
        ("abxbabxb", ""),
    ),
    "separated-first": (
        {"type": "tags_with_separator", "tags": [AB], "separator": ",", "stop_after_first": True},
        ("abxb", "abxb,"),
    ),
    "dispatch": ({"type": "dispatch", "rules": [["a", X], ["bb", AB]]}, ("axbbabxb", "ab")),
    "dispatch-once": (
        {"type": "dispatch", "rules": [["a", X]], "loop": False, "excludes": ["bx"]},
        ("cax", "caxa", "bx"),
    ),
    "sequence": ({"type": "sequence", "elements": [ANY, X]}, ("abx", "ab")),
    "or": (
        tag("a", {"type": "or", "elements": [{"type": "const_string", "value": "bb"}, ANY]}, "b"),
        ("abbb", "ab"),
    ),
    "optional": (tag("a", {"type": "optional", "content": X}, "b"), ("ab", "axb", "axxb")),
    "plus": ({"type": "plus", "content": {"type": "const_string", "value": "ab"}}, ("abab", "")),
    "star": ({"type": "star", "content": {"type": "regex", "pattern": "ab?"}}, ("aab", "b")),
    "repeat": (
        {
            "type": "repeat",
            "min": 1,
            "max": 2,
            "content": {"type": "grammar", "grammar": 'root ::= "a" | "b" root'},
        },
        ("aba", "aaa"),
    ),
    "repeat-open": ({"type": "repeat", "min": 2, "max": -1, "content": X}, ("xxx", "x")),
    "schema": ({"type": "json_schema", "json_schema": NUMBER}, ('{"n":1}', "{}")),
}


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, (value, texts) in FORMATS.items():
        whole = {"type": "structural_tag", "format": value}
        yield Case(f"tag/{name}", partial(sg.structural_tag, whole), texts)
    older = {"structures": [{"begin": "<f>", "schema": NUMBER, "end": "</f>"}], "triggers": ["<f"]}
    yield Case("tag/older", partial(sg.structural_tag, older), ('Look: <f>{"n": 1}</f>.', "<f", "1 < 2"))
    compact = {"format": CALL}
    yield Case(
        "tag/compact",
        partial(sg.structural_tag, compact, whitespace="compact"),
        ('<call>{"n":1}</call>', '<call>{"n": 1}'),
    )
