"""Grammars of EBNF, held to all short words, worked out from trees; and beside regular expressions."""

from __future__ import annotations

import ast
import itertools
import pickle
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import power, product, texts, words_of

import structgen as sg
from structgen.base.native.typed_blocks import word_of
from structgen.errors import LimitError
from structgen.grammars.text_grammars.machine.stepping import TextContext
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.tokens.tokenizer import byte_tokenizer

MOST = 4
Tree = tuple[str, set[str]]
"""An expression in writing, and its words of at most MOST letters."""


COUNTS = {"*": (0, MOST), "+": (1, MOST + 1), "?": (0, 1), "{2}": (2, 2), "{1,}": (1, MOST + 1),
          "{,2}": (0, 2), "{1,3}": (1, 3)}  # fmt: skip
LEAF: st.SearchStrategy[Tree] = st.sampled_from(
    [('"a"', {"a"}), ('"ab"', {"ab"}), ("'b'", {"b"}), ('""', {""}), ("[ab]", {"a", "b"}), ("[^a]", {"b"}),
     ('"\\x61\\u0062"', {"ab"})]
)  # fmt: skip


def _grown(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(children, children).map(
            lambda t: (f"{t[0][0]} {t[1][0]}", product(t[0][1], t[1][1], MOST))
        ),
        st.tuples(children, children).map(lambda t: (f"({t[0][0]} | {t[1][0]})", t[0][1] | t[1][1])),
        st.tuples(children, st.sampled_from(sorted(COUNTS))).map(
            lambda t: (f"({t[0][0]}){t[1]}", power(t[0][1], *COUNTS[t[1]], MOST))
        ),
        st.tuples(LEAF, st.sampled_from(sorted(COUNTS))).map(
            lambda t: (t[0][0] + t[1], power(t[0][1], *COUNTS[t[1]], MOST))
        ),
    )


@settings(max_examples=2 * settings().max_examples)
@given(tree=st.recursive(LEAF, _grown, max_leaves=6))
def test_random_expressions_have_their_words(tree: Tree) -> None:
    assert words_of(sg.ebnf(f"root ::= {tree[0]} # said"), "ab", MOST) == tree[1]


ARITHMETIC = """
root ::= sum
sum ::= sum [+-] term | term     # left-recursive
term ::= term "*" factor
  | factor
factor ::= "(" sum ")" | "1"
"""


def test_recursive_rules() -> None:
    def good(text: str) -> bool:
        # what Python reads otherwise: calls, tuples, signs, powers
        if re.search(r"1[1(]|\)[1(]|\(\)|[+*-]{2}|\([+*-]|^[+-]", text):
            return False
        try:
            ast.parse(text, mode="eval")
        except SyntaxError:
            return False
        return True

    alphabet = "(1)+*"
    every = {text for text in texts(alphabet, 5) if good(text)}
    assert words_of(sg.ebnf(ARITHMETIC), alphabet, 5) == every


def test_meets_with_regular_expressions_are_decided() -> None:
    # a^n b^n of an even length n beside a regular language: no search over texts would end
    nested = sg.ebnf('root ::= "a" root "b" | ""')
    assert words_of(nested & sg.regex("(?:aa)*(?:bb)*"), "ab", 8) == {"", "aabb", "aaaabbbb"}
    assert words_of(nested - sg.regex("a?b?"), "ab", 6) == {"aabb", "aaabbb"}
    with pytest.raises(sg.errors.GrammarError, match="No text"):
        (nested & sg.regex("a+")).language(sg.Limits())
    language = (nested & sg.regex("a*b{3}")).language(sg.Limits())
    config = language.start()
    for byte in b"aaa":
        config = language.step(config, byte)
        assert config is not None
    assert language.step(config, 97) is None
    assert bytes(language.shortest_rest(config)) == b"bbb"


TWO_WAYS = [
    sg.ebnf('root ::= "z" x y\nx ::= "a" | "bbb"\ny ::= "c" | "ddddd"\n'),
    sg.lark('start: "z" s\ns: X Y\nX: /a|bbb/\nY: /c|ddddd/\n', lexer="characters"),
]


@pytest.mark.parametrize("grammar", TWO_WAYS, ids=["rules", "terminals"])
def test_the_shortest_word_of_both_may_begin_with_a_longer_part(grammar: TextGrammar) -> None:
    language = (grammar & sg.regex("z(?:ad{5}|b{3}c)")).language(sg.Limits())
    assert bytes(language.shortest_rest(language.start())) == b"zbbbc"


def test_random_rules_and_patterns_share_the_words_of_both() -> None:
    rng = random.Random(93)
    parts = ['"a"', '"b"', "[ab]", '"a"*', "s", "t"]
    for _ in range(25):
        s, t = (" | ".join(" ".join(rng.choices(parts, k=rng.randrange(1, 4))) for _ in "123") for _ in "st")
        rules = sg.ebnf(f'root ::= "a" s | s "b"\ns ::= {s} | "b"\nt ::= {t} | "a"\n')
        pattern = rng.choice(["(?:aa)*b*", "a*(?:bab)*", "[ab]{3,4}", "(?:a|bb)*", ".*ba.*"])
        expected = {word for word in words_of(rules, "ab", 5) if re.fullmatch(pattern, word)}
        try:
            assert words_of(rules & sg.regex(pattern), "ab", 5) == expected, (s, t, pattern)
        except sg.errors.GrammarError as error:
            assert type(error) is sg.errors.GrammarError and not expected, (s, t, pattern)


@settings(max_examples=settings().max_examples // 2)
@given(
    tree=st.recursive(LEAF, _grown, max_leaves=5),
    pattern=st.sampled_from(["a*b*", "(?:ab?)+", "[ab]{2,3}", "b|a.*"]),
)
def test_random_meets(tree: Tree, pattern: str) -> None:
    grammar = sg.ebnf(f'root ::= x\nx ::= {tree[0]} | "b" x x')
    whole = words_of(grammar, "ab", MOST)
    for made, expected in (
        (grammar & sg.regex(pattern), {text for text in whole if re.fullmatch(pattern, text)}),
        (grammar - sg.regex(pattern), {text for text in whole if not re.fullmatch(pattern, text)}),
    ):
        try:
            found = words_of(made, "ab", MOST)
        except sg.errors.GrammarError as error:
            assert type(error) is sg.errors.GrammarError
            found = set()
        assert found == expected


def test_what_may_come_is_said_in_words() -> None:
    language = sg.ebnf('root ::= "ab" | number\nnumber ::= [0-9]+').language(sg.Limits())
    assert [(one.what, one.first) for one in language.expected_items(language.start())] == [
        ('"ab"', b"a"),
        ("/[0-9]+/", b"0123456789"),
    ]


def test_grammars_are_values_and_files_are_read(tmp_path: object) -> None:
    path = tmp_path / "a.gbnf"  # type: ignore[operator]
    path.write_text('root ::= "a" root?', "utf-8")
    grammar = sg.ebnf(path)
    assert grammar == sg.ebnf('root ::= "a" root?') == pickle.loads(pickle.dumps(grammar))
    assert words_of(grammar, "a", 3) == {"a", "aa", "aaa"}


def test_bad_grammars_are_refused(tmp_path: object) -> None:
    with pytest.raises(sg.errors.GrammarError, match="rule start does not exist"):
        sg.ebnf('root ::= "a"', start="start")
    with pytest.raises(sg.errors.GrammarError, match="root generates no text"):
        sg.ebnf("root ::= root").language(sg.Limits())
    with pytest.raises(sg.errors.OptionError, match="int"):
        sg.ebnf(3)  # type: ignore[arg-type]
    with pytest.raises(sg.errors.GrammarError, match="cannot be read"):
        sg.ebnf(tmp_path / "none.gbnf")  # type: ignore[operator]
    path = tmp_path / "bad.gbnf"  # type: ignore[operator]
    path.write_bytes(b'root ::= "\xff"')
    with pytest.raises(sg.errors.GrammarError, match="not UTF-8"):
        sg.ebnf(path)


AMBIGUOUS = 'root ::= (word | "ab" | sum)*\nword ::= [a-c]+\nsum ::= "(" sum ")" | word "+" sum | word'


@pytest.mark.parametrize("most", [None, 150], ids=["lexemes", "whole"])
def test_masks_are_those_of_bytes_also_where_lexemes_end_at_too_many_places(most: int | None) -> None:
    tokens = [bytes((byte,)) for byte in range(256)]
    tokens += [b"a+", b"+b", b")(", b"((", b"c)+a", b"b)", b"++", b"(ab"]
    tokens += [bytes(one) for size in range(2, 7) for one in itertools.product(b"ab", repeat=size)]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    compiled = sg.compile(sg.ebnf(AMBIGUOUS), tokenizer, store=False)
    compiled.allowed(compiled.start)
    if most is not None:
        compiled._tables.context[word_of(TextContext, "most_crossings")] = most
    state, draw = compiled.start, random.Random(3)
    for _step in range(25):
        taken = [one for one, data in enumerate(tokens) if compiled.step_bytes(state, data)]
        ends = [len(tokens)] if compiled.accepts_end(state) else []
        assert compiled.allowed(state) == taken + ends
        after = compiled.step(state, draw.choice(taken))
        assert after is not None
        state = after
    assert (compiled._lexeme_rows is None) is (most is not None)


def test_a_rest_of_too_many_tokens_is_refused_before_its_states_are_made() -> None:
    doubled = "".join(f"s{n} ::= s{n - 1} s{n - 1}\n" for n in range(1, 18))
    grammar = sg.ebnf(f'root ::= s17\n{doubled}s0 ::= "x"\n')
    compiled = sg.compile(grammar, byte_tokenizer(), store=False)
    with pytest.raises(LimitError) as caught:
        compiled.tokens_to_finish(compiled.start)
    assert caught.value.limit == "oracle_steps"
    assert compiled.sizes["machine_states"] < 100
    assert compiled.completion(compiled.start) == b"x" * (1 << 17)
