"""Cases for the laws: a schema, its policies, a vocabulary, and places in its language to look at."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from effort import MODEST
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from language import Automaton, Language, Unclear, finite_language
from policy_oracle import COMPACT, Options
from shapes import SHAPE_OPTIONS, automaton_of, shapes
from strategies import Bounded, bounded_schemas, bounded_strings, schema_text, vocabulary

# Spellings of numbers under "bounded" depend on the schema: tests/schema/test_read_numbers.py.
FLAT_OPTIONS = (
    COMPACT,
    Options(numbers="plain"),
    Options("any", "any", "plain", "any"),
    Options("oneline", "any", "plain", "any"),
    Options(2, "declared", "plain", "canonical"),
    Options("\t", "any", "plain", "canonical"),
)
DEEP_OPTIONS = (
    COMPACT,
    Options("oneline", "any", "plain", "canonical"),
    Options(1, "declared", "plain", "canonical"),
)


@dataclass(frozen=True)
class Case:
    """A finite language with its automaton, tokens, and a source of chance."""

    schema: Any
    options: Options
    automaton: Automaton
    tokens: tuple[bytes | None, ...]
    eos: tuple[int, ...]
    chance: random.Random

    def __repr__(self) -> str:
        """Return the schema and the policies: the rest would fill pages."""
        return f"Case({schema_text(self.schema)} under {self.options})"

    @property
    def language(self) -> Language:
        """The judge of the same language."""
        return Language(self.schema, self.options)

    def prefixes(self, count: int) -> list[bytes]:
        """Return random prefixes of random words, whole words and the empty one among them."""
        found = [b""]
        for _ in range(count - 1):
            word = self.automaton.sample(self.chance)
            found.append(word[: self.chance.randint(0, len(word))] if self.chance.random() < 0.7 else word)
        return found

    def words(self, count: int) -> list[bytes]:
        """Return random words (fewer than `count` where samples grew too long)."""
        samples = [self.automaton.sample(self.chance) for _ in range(count)]
        return [word for word in samples if self.automaton.accepts(self.automaton.step(0, word))]


def case_of(bounded: Bounded, options: Options, seed: int) -> Case:
    """Return the case of a bounded schema; `Unclear` where the policies leave a word open."""
    automaton = finite_language(
        bounded.schema, bounded.universe, options, named_strings=bounded.named_strings
    )
    chance = random.Random(seed)
    samples = [] if automaton.empty else [automaton.sample(chance) for _ in range(8)]
    tokens = vocabulary(chance, samples)
    eos = [t for t, data in enumerate(tokens) if data is None][: chance.randint(1, 2)]
    return Case(bounded.schema, options, automaton, tuple(tokens), tuple(eos), chance)


@st.composite
def cases(draw: st.DrawFn, empty: bool = False) -> Case:
    """Return random cases; `empty`: with those whose language has no word, which is refused when compiled."""
    bounded, options = draw(
        st.one_of(
            st.tuples(bounded_schemas(depth=1), st.sampled_from(FLAT_OPTIONS)),
            st.tuples(bounded_schemas(depth=2), st.sampled_from(DEEP_OPTIONS)),
            st.tuples(bounded_strings(), st.sampled_from(FLAT_OPTIONS)),
        )
    )
    seed = draw(st.integers(0, 2**32))
    try:
        case = case_of(bounded, options, seed)
    except Unclear:
        assume(False)
    assume(empty or not case.automaton.empty)
    return case


@st.composite
def regular_cases(draw: st.DrawFn) -> Case:
    """Return random cases of infinite languages that are regular: free strings and numbers in containers."""
    options = draw(st.sampled_from(SHAPE_OPTIONS))
    shape = draw(shapes(options))
    chance = random.Random(draw(st.integers(0, 2**32)))
    automaton = automaton_of(shape, options)
    tokens = vocabulary(chance, [automaton.sample(chance, 60) for _ in range(8)])
    eos = [t for t, data in enumerate(tokens) if data is None][: chance.randint(1, 2)]
    return Case(shape.schema(), options, automaton, tuple(tokens), tuple(eos), chance)


def any_cases() -> st.SearchStrategy[Case]:
    """Return random cases of both kinds: finite and regular languages."""
    finite = shared(cases)
    return st.one_of(finite, finite, shared(regular_cases))


SHARED = 12
"""Cases of a kind that all laws of a process share: as many as a law of `make test` sees of both kinds."""


def shared(make: Callable[[], st.SearchStrategy[Case]]) -> st.SearchStrategy[Case]:
    """Return cases that are drawn once in a process, as the automaton of a language takes longer than a law
    over it; each time with another source of chance. Under the profile "deep" all are new."""
    if not settings().derandomize:
        return make()
    some = st.deferred(lambda: st.sampled_from(_drawn(make)))
    chances = st.integers(0, 2**32).map(random.Random)
    return st.builds(lambda case, chance: replace(case, chance=chance), some, chances)


@cache
def _drawn(make: Callable[[], st.SearchStrategy[Case]]) -> list[Case]:
    found = []

    @settings(MODEST, max_examples=SHARED)
    @given(make())
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found
