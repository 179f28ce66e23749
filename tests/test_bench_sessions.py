"""Benches that replay texts by our engine's sessions: of tools, of strings and of Lark grammars."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from for_each import for_each

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_grammars
import bench_strings
import bench_tools as bench
from grammar_cases import Case

TOOLS = [("f", '{"type": "integer"}')]


@for_each(
    ("way", "text", "taken"),
    [
        ("alone", "17", True),
        ("alone", "1x", 1),
        ("tool", "so <call=f>17</call> yes", True),
        ("tool", "<call=f>x", 8),
    ],
)
def test_our_engine_takes_a_document_alone_and_in_a_call(way: str, text: str, taken: int) -> None:
    ticks = count()
    case = way, TOOLS, list(text.encode())
    (found,) = bench.documents(bench.ours(byte_tokenizer()), [case], lambda: next(ticks))
    assert found == ((2, 1) if taken is True else taken)


def test_a_tool_that_is_refused_has_no_time() -> None:
    refused = "tool", [("f", '{"$ref": "urn:far"}')], [0]
    assert bench.documents(bench.ours(byte_tokenizer()), [refused], lambda: 0) == [None]


def test_a_string_is_written_along_the_masks_of_our_engine() -> None:
    times = bench_strings.Times()
    session = bench_strings.ours(sg.regex("a+"), byte_tokenizer(), times)()
    session.fill()
    assert session.allows_token(ord("a")) and not session.allows_token(ord("b")) and len(times.compile) == 1


def test_a_text_of_a_lark_grammar_is_replayed_until_a_token_is_not_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.lark"
    path.write_text('start: "a"+', encoding="utf-8")
    served = bench_grammars.Served("structgen", Case("a", path, {}), "bytes", None)
    for question in (["load"], ["compile"], ["replay", [*b"aaba"]]):
        assert served(*question) is served.times
    assert (len(served.times.masks), len(served.times.commits), served.times.refused) == (2, 2, 1)
