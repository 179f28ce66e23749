"""Every keyword of every draft: the masks are the live prefixes of the language, enumerated."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from dialects import DRAFTS, Dialect, dialects, judge_of, texts
from effort import DEEP, MODEST
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg

PIECES = [
    *(bytes((byte,)) for byte in range(256)),
    *b'{" ": "," "] "} }, ,{ [[ ]] ],[ [] {} }} null'.split(),
    *b'"a":0 a": "b": x1": 0, ," ,0 0] 10 -1 true a" 2024 /a~ ]}'.split(),
]
TOKENIZER = sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=len(PIECES))
POLICIES: dict[str, Any] = {
    "whitespace": "compact",
    "numbers": "plain",
    "escapes": "utf8",
    "property_order": "any",
}


def hold_to_the_enumeration(dialect: Dialect, most: int) -> None:
    """Compare the masks after at most `most` live prefixes with what the enumeration says."""
    judge = judge_of(dialect)
    words = {text.encode() for value in dialect.universe if judge.valid(value) for text in texts(value)}
    grammar = sg.json_schema(dialect.schema, draft=dialect.draft, **POLICIES)
    if not words:
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            sg.compile(grammar, TOKENIZER, store=False)
        return
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    live = {word[:end] for word in words for end in range(len(word) + 1)}
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    drawn = sorted(live) if len(live) <= most else random.Random(len(live)).sample(sorted(live), most)
    for prefix in drawn:
        state = compiled.step_bytes(compiled.start, prefix)
        assert state is not None, prefix
        matcher = sg.Matcher(compiled, state)
        matcher.fill_mask(mask)
        expected = {token for token, piece in enumerate(PIECES) if prefix + piece in live}
        assert set(mask.allowed().tolist()) - {len(PIECES)} == expected, prefix
        assert matcher.is_complete == (prefix in words), prefix
        assert (matcher.tokens_to_finish() == 0) == (prefix in words), prefix


@MODEST
@given(st.sampled_from(DRAFTS).flatmap(dialects))
def test_masks_are_the_live_prefixes_in_every_draft(dialect: Dialect) -> None:
    hold_to_the_enumeration(dialect, 150)


@pytest.mark.slow
@pytest.mark.parametrize("draft", DRAFTS)
def test_masks_are_the_live_prefixes_of_many_schemas(draft: str) -> None:
    @DEEP
    @given(dialects(draft))
    def check(dialect: Dialect) -> None:
        hold_to_the_enumeration(dialect, 1_000)

    check()


@pytest.mark.slow
def test_every_keyword_of_the_page_is_drawn() -> None:
    page = (Path(__file__).parent.parent.parent / "docs/json-schema.md").read_text(encoding="utf-8")
    table = page.partition("## Keywords\n")[2].partition("\n\n")[0]
    rows = [row.split("|")[2] for row in table.splitlines() if row.startswith("|")][2:]
    listed = {name for row in rows for name in re.findall(r"`([$\w]+)`", row)}
    met: set[str] = set()

    @settings(MODEST, max_examples=1000)
    @given(st.sampled_from(DRAFTS).flatmap(dialects))
    def collect(dialect: Dialect) -> None:
        pending = [dialect.schema]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                met.update(item)
                pending += item.values()
            elif isinstance(item, list):
                pending += item

    collect()
    assert len(listed) > 50
    # That one takes a meta-schema among the resources.
    assert listed - met == {"$vocabulary"}
