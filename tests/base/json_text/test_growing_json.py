"""JSON that is still being written, against a slow reader that descends, and tries how a string may go on."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.base.json_text.events import EventLog, JsonError
from structgen.base.json_text.growing_json import MISSING, GrowingJson, value_of

words = st.text(st.sampled_from('ab"\\/ \n\u00e9\u6f22\U0001f600'), max_size=4)
scalars = st.none() | st.booleans() | st.integers(-(10**20), 99) | st.floats(-9, 1e30)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
texts = st.builds(
    lambda value, indent, escaped: json.dumps(value, indent=indent, ensure_ascii=escaped),
    values,
    st.sampled_from([None, 1]),
    st.booleans(),
)
ENDINGS = [
    "",
    *map(
        "".join,
        itertools.product(
            ("u", ""), ("d83d", "dc00", "0041", "3d", "c00", "00", "1", "0", ""), ("\\ude00", "x", "")
        ),
    ),
]
ENDINGS += ["\\", '"', "n", "\\ude00", "ude00", "de00", "e00"]


class Slow:
    """What there is of a beginning of a JSON text. `at` is None once the text has ended inside of
    something."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.is_cut = text, 0, False

    def value(self) -> Any:
        self.blanks()
        rest = self.text[self.at :]
        if rest[:1] == '"':
            return self.string()
        if rest[:1] in ("{", "["):
            return self.container(rest[0])
        for word, value in (("true", True), ("false", False), ("null", None)):
            if rest.startswith(word):
                self.at += len(word)
                return value
        end = self.at
        while end < len(self.text) and self.text[end] in "0123456789+-.eE":
            end += 1
        if end == len(self.text) or end == self.at:  # more digits may come, or letters
            self.is_cut = True
            return MISSING
        written, self.at = self.text[self.at : end], end
        return json.loads(written)

    def string(self) -> str:
        end = self.at + 1
        while end < len(self.text) and self.text[end] != '"':
            end += 2 if self.text[end] == "\\" else 1
        if end < len(self.text):
            written, self.at = self.text[self.at : end + 1], end + 1
            return str(json.loads(written))
        self.is_cut = True
        found = []
        for ending in ENDINGS:
            try:
                found.append(json.loads(self.text[self.at :] + ending + '"'))
            except ValueError:
                continue
        low, high = min(found), max(found)
        return next((low[:at] for at, char in enumerate(low) if high[at] != char), low)

    def container(self, begin: str) -> Any:
        found: Any = {} if begin == "{" else []
        self.at += 1
        while True:
            self.blanks()
            if self.at == len(self.text):
                self.is_cut = True
            if self.is_cut:
                return found
            if self.text[self.at] in "]}":
                self.at += 1
                return found
            self.at += self.text[self.at] == ","
            self.blanks()
            key: Any = None
            if begin == "{":
                key = self.string() if self.at < len(self.text) else ""
                self.blanks()
                if self.is_cut or self.at == len(self.text):
                    self.is_cut = True
                    return found
                self.at += 1
            value = self.value()
            if value is not MISSING and begin == "{":
                found[key] = value
            elif value is not MISSING:
                found.append(value)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \n":
            self.at += 1


@given(texts)
def test_every_beginning_has_what_the_slow_reader_finds(text: str) -> None:
    for end in range(len(text)):
        reader = GrowingJson()
        reader.feed(text[:end])
        assert reader.value == Slow(text[:end]).value() or reader.value is Slow(text[:end]).value()
    assert value_of(text) == json.loads(text)


def grows(before: Any, after: Any) -> bool:
    if before is MISSING:
        return True
    if isinstance(before, dict):
        return all(key in after and grows(one, after[key]) for key, one in before.items())
    if isinstance(before, list):
        return len(before) <= len(after) and all(map(grows, before, after))
    return bool(after.startswith(before)) if isinstance(before, str) else bool(before == after)


@given(texts)
def test_bytes_one_by_one_make_values_that_grow_and_never_change(text: str) -> None:
    reader, before = GrowingJson(), MISSING
    for byte in text.encode():
        reader.feed(bytes((byte,)))
        after = reader.value
        assert grows(before, after)
        before = after
    assert reader.finish() == json.loads(text)


@given(texts, st.sampled_from('{}[],:"\\0-+.eEtfnu x\n\x01'), st.integers(0, 99))
def test_exactly_what_the_standard_library_refuses_is_refused(text: str, char: str, at: int) -> None:
    broken = text[: at % (len(text) + 1)] + char + text[at % (len(text) + 1) :]
    try:
        wanted = json.loads(broken)
    except ValueError:
        with pytest.raises(JsonError):
            value_of(broken)
    else:
        assert value_of(broken) == wanted


@pytest.mark.parametrize("text", ["[1,2}", '{"a": tru ', "[nulk", "[-a", '["\\u00g', "{1", "[1}", "[}"])
def test_a_fault_is_told_at_its_first_byte(text: str) -> None:
    reader = GrowingJson()
    reader.feed(text[:-1])
    with pytest.raises(JsonError):
        reader.feed(text[-1:])
    assert reader.value is not MISSING


@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_ten_thousand_levels_are_read_in_any_pieces(cut: int) -> None:
    text = '{"a":[' * 10_000 + "]}" * 10_000
    reader = GrowingJson()
    for at in range(0, len(text), cut):
        reader.feed(text[at : at + cut])
    depth, value = 0, reader.finish()
    while value:
        depth, value = depth + 1, value["a"] if isinstance(value, dict) else value[0]
    assert depth == 19_999


def test_what_follows_a_value_is_left_to_others() -> None:
    for text, value, end in (('{"a": 1}</x>', {"a": 1}, 8), ('"é" x', "é", 3), ("12, 3", 12, 2)):
        reader = GrowingJson()
        assert (reader.feed(text), reader.value) == (end, value)


def test_the_work_is_linear_in_the_pieces() -> None:
    """Counted in bytes that the scanner keeps and events that it tells, whatever the pieces."""
    text = json.dumps([{"a": "x" * 50, "b": [1, 2.5, None]}] * 100)
    counts = set()
    for size in (1, 3, 64, len(text)):
        log, events = EventLog(), 0
        for at in range(0, len(text), size):
            events += len(log.feed_text(text[at : at + size].encode()))
        counts.add((len(log.text), events))
    assert len(counts) == 1
