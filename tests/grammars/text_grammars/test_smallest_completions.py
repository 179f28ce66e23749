"""Which of several shortest completions is taken, by the list of all texts of random small grammars."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from for_each import for_each

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

TOKENIZER = byte_tokenizer()
LETTERS = ("a", "b", "\n", "\t", '"', "\\", " ", "\x01", "\x7f", "A", "é", "_", "-")


class Drawn(NamedTuple):
    """A grammar in the syntax of regular expressions and of rules, and all of its texts."""

    pattern: str
    rules: str
    texts: frozenset[str]


def drawn(chance: random.Random, depth: int) -> Drawn:
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        letter = chance.choice(LETTERS)
        rules = f'"\\x{ord(letter):02x}"' if ord(letter) < 128 else f'"{letter}"'
        return Drawn(re.escape(letter), rules, frozenset((letter,)))
    if kind < 0.9:
        one, two = drawn(chance, depth - 1), drawn(chance, depth - 1)
        if kind < 0.6:
            return Drawn(
                f"(?:{one.pattern}|{two.pattern})", f"({one.rules} | {two.rules})", one.texts | two.texts
            )
        joined = frozenset(first + last for first in one.texts for last in two.texts)
        return Drawn(one.pattern + two.pattern, f"({one.rules} {two.rules})", joined)
    some = drawn(chance, depth - 1)
    return Drawn(f"(?:{some.pattern})?", f"({some.rules})?", some.texts | {""})


def in_order_of_json(rest: str) -> tuple[int, list[tuple[bool, bytes]]]:
    """The order in regular expressions: bytes; then character by character those first that JSON writes as
    they are."""
    written = [json.dumps(letter, ensure_ascii=False)[1:-1] for letter in rest]
    return len(rest.encode()), [(len(text) > 1, text.encode()) for text in written]


def in_order_of_bytes(rest: str) -> tuple[int, bytes]:
    return len(rest.encode()), rest.encode()


Kind = tuple[Callable[[Drawn], sg.Grammar], Callable[[str], str], Callable[[str], Any]]
SAME: Callable[[str], str] = str
KINDS: dict[str, Kind] = {
    "regular expression": (lambda of: sg.regex(of.pattern), SAME, in_order_of_json),
    "choice": (lambda of: sg.choice(sorted(of.texts)), SAME, in_order_of_bytes),
    "rules": (lambda of: sg.ebnf(f"root ::= {of.rules}"), SAME, in_order_of_bytes),
    "listed strings": (
        lambda of: sg.json_schema({"enum": sorted(of.texts)}, escapes="utf8"),
        lambda text: json.dumps(text, ensure_ascii=False),
        in_order_of_bytes,
    ),
    "strings of a pattern": (
        lambda of: sg.json_schema({"type": "string", "pattern": f"^({of.pattern})$"}, escapes="utf8"),
        lambda text: json.dumps(text, ensure_ascii=False),
        in_order_of_bytes,
    ),
}


def faults(kind: str, seed: int) -> list[str]:
    """Return what is completed otherwise of a random grammar, behind each beginning of each of its texts."""
    made, written, order = KINDS[kind]
    of = drawn(random.Random(seed), 4)
    if of.texts == {""}:
        return []
    compiled = sg.compile(made(of), TOKENIZER, store=False)
    texts = [written(text) for text in of.texts]
    found = []
    for begun in {text[:size] for text in texts for size in range(len(text) + 1)}:
        state = compiled.step_bytes(compiled.start, begun.encode())
        rests = [text.removeprefix(begun) for text in texts if text.startswith(begun)]
        if state is None or compiled.completion(state) != min(rests, key=order).encode():
            found.append(f"{of.pattern!r} behind {begun!r}")
    return found


@for_each("kind", KINDS)
def test_the_smallest_of_the_shortest_completions_is_taken(kind: str) -> None:
    assert [fault for seed in range(60) for fault in faults(kind, seed)] == []


@pytest.mark.slow
@for_each("kind", KINDS)
def test_the_smallest_of_the_shortest_completions_is_taken_whole(kind: str) -> None:
    assert [fault for seed in range(2_000) for fault in faults(kind, seed)] == []


def test_a_regular_expression_is_completed_with_what_can_be_seen() -> None:
    for grammar, rest in ((sg.regex("a(\n|b)"), b"b"), (sg.ebnf('root ::= "a" ("\\n" | "b")'), b"\n")):
        compiled = sg.compile(grammar, TOKENIZER, store=False)
        state = compiled.step_bytes(compiled.start, b"a")
        assert state is not None and compiled.completion(state) == rest
