"""Disjunctions of conditions on one string: what lives, what ends, and what is refused."""

from __future__ import annotations

import itertools
import re

from formula_twin import holds as twin
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Walker

from structgen.base.language.ir import DEAD, All, Any_, Formula, Length, Not, Pattern

PATTERNS = ["^.{2}$", "^[ab]{3}", "a", "b$", "^a", "^(ab|1)*$", "a.*b", "^[^b]*$", "1.*1"]
TEXTS = ["".join(text) for size in range(6) for text in itertools.product("ab1", repeat=size)]


def holds(formula: Formula, text: str) -> bool:
    """What a formula says of a text of a, b and 1, by Python's matcher."""

    def found(atom: Formula) -> bool:
        assert isinstance(atom, Pattern)
        return re.search(atom.source.replace("$", r"\Z"), text) is not None

    return twin(formula, text, found)


LEAVES = st.one_of(
    st.sampled_from(PATTERNS).map(Pattern),
    st.tuples(st.integers(0, 3), st.integers(3, 5)).map(lambda pair: Length(*pair)),
)
FORMULAS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        parts.map(Not),
        st.lists(parts, min_size=2, max_size=3).map(lambda found: All(tuple(found))),
        st.lists(parts, min_size=2, max_size=3).map(lambda found: Any_(tuple(found))),
    ),
    max_leaves=8,
)


@settings(max_examples=2 * settings().max_examples)
@given(parts=st.lists(FORMULAS, min_size=2, max_size=3), beside=LEAVES)
def test_parts_of_a_disjunction_live_and_end_as_all_their_texts_say(
    parts: list[Formula], beside: Formula
) -> None:
    # no text is longer than 5 characters of a, b and 1, so that all of them are listed
    formula = All((Any_(tuple(parts)), beside, Pattern("^[ab1]*$"), Length(0, 5)))
    words = [text for text in TEXTS if holds(formula, text)]
    walker = Walker(formula)
    beginnings = {word[:size] for word in words for size in range(len(word) + 1)}
    for text in TEXTS:
        state = walker.run(text)
        assert (state != DEAD) == (text in beginnings)
        assert walker.accepts(text) == (text in words)
        if state != DEAD and len(text) < 3:
            rests = sorted(
                (word[len(text) :] for word in words if word.startswith(text)), key=lambda w: (len(w), w)
            )
            assert walker.pool.shortest_rests(state)[0] == rests[0].encode()


def test_fifty_patterns_of_several_parts_make_few_states() -> None:
    sources = [f"^.*{a}.*{b}.*{c}$" for a, b, c in itertools.islice(itertools.permutations("abcdefg", 3), 50)]
    walker = Walker(Any_(tuple(map(Pattern, sources))))
    for text in ("abcdefgabc", "gfedcba", "zzz", "aabbccddee"):
        assert walker.run(text) != DEAD
    assert walker.pool.count < 2_000
    assert walker.accepts("xaxbxc") and not walker.accepts("xaxbx")
