"""Disjunctions of patterns are one program: it accepts what some of them accept, and completes as shortly."""

from __future__ import annotations

import itertools
import json

import pytest
from reading import Walker

from structgen.language.ir import DEAD, All, Any_, Length, Not, Pattern, Words

GROUPS = [
    ("ab", "^b*$", "a{2,3}c"),
    ("^(?:a{2}){1,2}b", "c$", "^(?:b|ca)+$"),
    ("^a.*b.*c$", "^b.*a.*a$", "^c.*c"),
    ("a", "^(?!b)c", "^bb$"),  # the look-ahead stays apart
    ("^$", "cab", "^(?:ab?){2,}$", "b{3}"),
    ("a", "a"),
]


def texts(most: int) -> list[str]:
    return ["".join(chars) for size in range(most + 1) for chars in itertools.product("abc", repeat=size)]


def written(text: str) -> tuple[int, bytes]:
    data = json.dumps(text).encode()
    return len(data), data


@pytest.mark.parametrize("sources", GROUPS, ids=" or ".join)
def test_a_disjunction_of_patterns_accepts_what_some_of_them_accept(sources: tuple[str, ...]) -> None:
    parts = tuple(map(Pattern, sources))
    either, none = Walker(Any_(parts)), Walker(Not(Any_(parts)))
    short = Walker(All((Any_((*parts, Words(frozenset(("cc",))))), Length(1, 4))))
    alone = [Walker(part) for part in parts]
    for text in texts(5):
        accepted = any(one.accepts(text) for one in alone)
        assert either.accepts(text) == accepted, text
        assert none.accepts(text) == (not accepted), text
        assert short.accepts(text) == ((accepted or text == "cc") and 1 <= len(text) <= 4), text


@pytest.mark.parametrize("sources", GROUPS, ids=" or ".join)
def test_what_is_begun_is_completed_as_by_the_pattern_that_needs_least(sources: tuple[str, ...]) -> None:
    parts = tuple(map(Pattern, sources))
    either, alone = Walker(Any_(parts)), [Walker(part) for part in parts]
    for text in texts(4):
        rests = [one.pool.finish(state)[0].decode() for one in alone if (state := one.run(text)) != DEAD]
        state = either.run(text)
        assert (state == DEAD) == (not rests), text
        if rests:
            assert either.pool.finish(state)[0].decode() == min(rests, key=written), text


def test_fifty_patterns_of_several_parts_make_few_states() -> None:
    sources = [f"^.*{a}.*{b}.*{c}$" for a, b, c in itertools.islice(itertools.permutations("abcdefg", 3), 50)]
    walker = Walker(Any_(tuple(map(Pattern, sources))))
    for text in ("abcdefgabc", "gfedcba", "zzz", "aabbccddee"):
        assert walker.run(text) != DEAD
    assert walker.pool.count < 2_000
    assert walker.accepts("xaxbxc") and not walker.accepts("xaxbx")
