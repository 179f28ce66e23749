"""Parts in any order, each once at most: the words, held to all permutations; masks, held to bytes."""

from __future__ import annotations

import itertools
import pickle
import random

import pytest
from for_each import for_each
from language_words import words_of

import structgen as sg
from structgen.text_grammars.text_grammar import TextGrammar, as_text, in_any_order

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


@pytest.mark.parametrize("behind", ["", ">"], ids=["alone", "followed"])
def test_masks_of_schemas_in_any_order_are_what_bytes_say(behind: str) -> None:
    # all bytes: else a grammar is read byte by byte, without parts that have masks
    texts = [bytes((byte,)) for byte in range(256)]
    texts += [b"true", b"<n>", b"1<", b'"<s>"', b"1<s>", b'"><', b"1>", b'">']
    tokenizer = sg.Tokenizer.from_bytes([*texts, None], eos_token_id=len(texts))
    parts = [
        sg.literal(f"<{name}>") + as_text(sg.json_schema(schema))
        for name, schema in (("n", {"type": "integer"}), ("s", {"type": "string"}), ("t", {"const": True}))
    ]
    compiled = sg.compile(in_any_order(parts[:2], parts[2:]) + behind, tokenizer, store=False)
    mask, source = sg.allocate_mask(1, len(texts) + 1), random.Random(1)
    ended = 0
    for _ in range(40):
        matcher = sg.Matcher(compiled)
        for _ in range(30):
            matcher.fill_mask(mask, 0)
            allowed = mask.allowed(0).tolist()
            taken = [
                token
                for token, text in enumerate(texts)
                if compiled.step_bytes(matcher.state, text) is not None
            ]
            ends = [len(texts)] if compiled.accepts_end(matcher.state) else []
            assert allowed == taken + ends
            ended += len(ends)
            left = compiled.completion(matcher.state).decode()
            rest = compiled.step_bytes(matcher.state, left.encode())
            assert rest is not None and compiled.accepts_end(rest) and bool(left) is not bool(ends)
            likely = [one for one in allowed if one > 255 or chr(one) in '<>nst"1-rue ']
            token = source.choice(likely)
            if token == len(texts):
                break
            matcher.advance(token)
    assert ended
    matcher = sg.Matcher(compiled)
    for text in (b"<", b"s", b">", b'"', b'"'):
        matcher.fill_mask(mask, 0)
        found = compiled.tokens_to_finish(matcher.state)
        matcher.advance(texts.index(text))
    assert found == len(['"', "<n>", "1", *behind])
