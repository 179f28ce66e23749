"""Parts in any order, each once at most: the words, held to all permutations; masks, held to bytes."""

from __future__ import annotations

import itertools
import pickle

from for_each import for_each
from language_words import words_of

import structgen as sg
from structgen.grammars.text_grammars.text_grammar import TextGrammar, in_any_order

PARTS = {"a": {"a"}, "ab": {"ab", "b"}, "bb": {"bb", "ba", "aab"}, "x": {"x"}}
MOST = 6


def any_order(needed: list[str], others: list[str], between: set[str]) -> TextGrammar:
    def parts(names: list[str]) -> list[TextGrammar]:
        return [sg.choice(sorted(PARTS[name])) for name in names]

    return in_any_order(parts(needed), parts(others), sg.choice(sorted(between)))


def expected(needed: list[str], others: list[str], between: set[str]) -> set[str]:
    found = set()
    for count in range(len(others) + 1):
        for more in itertools.combinations(others, count):
            for names in itertools.permutations([*needed, *more]):
                now = {""}
                for index, name in enumerate(names):
                    ahead = between if index else {""}
                    now = {one + gap + word for one in now for gap in ahead for word in PARTS[name]}
                found |= now
    return {word for word in found if len(word) <= MOST}


@for_each("between", [{""}, {"x"}, {"", "b"}])
@for_each(
    ("needed", "others"),
    [([], ["a", "ab"]), (["a"], []), (["a"], ["ab", "bb"]), (["a", "ab"], ["x"]), (["bb", "x", "ab"], [])],
)
def test_words_are_those_of_all_permutations(needed: list[str], others: list[str], between: set[str]) -> None:
    grammar = any_order(needed, others, between)
    assert words_of(grammar, "abx", MOST) == expected(needed, others, between)
    again = pickle.loads(pickle.dumps(grammar))
    assert again.canonical == grammar.canonical
    quoted = words_of(sg.in_json_string(grammar, escapes="canonical"), 'abx"', MOST + 2)
    assert quoted == {f'"{word}"' for word in expected(needed, others, between)}


def test_of_no_parts_there_is_the_empty_text() -> None:
    assert words_of(in_any_order([], []), "ab", 2) == {""}
