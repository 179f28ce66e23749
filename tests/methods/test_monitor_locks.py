"""Under monitors, whose suggestions are compiled while locks are held, locks are taken in one order, too."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import checked_locks
import pytest
from for_each import for_each
from methods.monitored_text import Monitor, Monitored

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
NUMBERS = {"type": "array", "items": {"type": "integer"}}
TAG = {"type": "tag", "begin": "<", "content": {"type": "json_schema", "json_schema": NUMBERS}, "end": ">"}
TAGS = {"type": "triggered_tags", "triggers": ["<"], "tags": [TAG]}
SUGGESTED: dict[str, Callable[[], Any]] = {
    "texts": lambda: ["ab", "aa"],
    "lark": lambda: sg.lark('start: "[" start* "]"\n'),
    "composed": lambda: "ab" + sg.json_schema(NUMBERS),
    "tags": lambda: sg.structural_tag({"type": "structural_tag", "format": TAGS}),
}
TEXTS: dict[str, Callable[[], Any]] = {
    "regex": lambda: sg.regex("[a-c ]*"),
    "text": sg.text,
    "json": lambda: sg.json_schema({"type": "string"}),
    "composed": lambda: "aa" + sg.json_schema(NUMBERS).optional(),
}


class Says(Monitor):
    name, trigger_characters = "says", "a"

    def __init__(self, suggested: Any) -> None:
        self.suggested = suggested

    def trigger(self, text: str) -> bool:
        return text.endswith("a")

    def suggest(self, text: str) -> Any:
        return self.suggested


@for_each("text", TEXTS)
@for_each("suggested", SUGGESTED)
def test_suggestions_keep_the_order(monkeypatch: pytest.MonkeyPatch, suggested: str, text: str) -> None:
    faults = checked_locks.put(monkeypatch)
    store = sg.MaskStore(memory=1 << 22)
    for seed in range(2):
        monitored = Monitored(TEXTS[text](), Says(SUGGESTED[suggested]()), Says(["a"]))
        checked_locks.ask_all(sg.compile(monitored, BYTES, store=store), random.Random(seed))
    assert not faults
