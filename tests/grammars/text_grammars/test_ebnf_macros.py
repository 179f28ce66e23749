"""XGrammar's macros and GBNF's tokens in EBNF, held to `re`, and to plain readers of their own."""

from __future__ import annotations

import itertools
import json
import random
import re
import warnings
from typing import Any

import pytest
from language_words import texts, words_of

import structgen as sg
from structgen.errors import GrammarError, GrammarWarning, OptionError, RegexError, StructgenError
from structgen.tokens.tokenizer import byte_tokenizer


@pytest.mark.parametrize(
    ("pattern", "call", "flags"),
    [
        ("a.?b", "", re.DOTALL),
        ("a.?b", ', flags=""', 0),
        ("a.b|A", ', flags="is"', re.DOTALL | re.IGNORECASE),
        ("(?:ab?)+", ', flags="u"', 0),
        ("[^a]{1,2}", ', flags="i"', re.IGNORECASE),
        ("(?i)ab|\\n", "", re.DOTALL),
        ("", "", 0),
    ],
)
def test_a_pattern_has_the_texts_of_re(pattern: str, call: str, flags: int) -> None:
    alphabet = "abA\n"
    grammar = sg.ebnf(f"root ::= Regex({json.dumps(pattern)}{call})")
    expected = {text for text in texts(alphabet, 4) if re.fullmatch(pattern, text, flags | re.ASCII)}
    assert words_of(grammar, alphabet, 4) == expected


def test_escapes_of_patterns_that_python_lacks_mean_their_characters() -> None:
    grammar = sg.ebnf(r'root ::= Regex("\\u{61}(?<one>\\cA)\\\\u?")')
    assert words_of(grammar, "a\x01\\u", 4) == {"a\x01\\", "a\x01\\u"}


def test_a_pattern_inside_a_json_string_has_no_character_that_one_escapes() -> None:
    alphabet = 'a"\\\n\x7f'
    grammar = sg.ebnf('root ::= Regex(".+", json_string=true)')
    found = words_of(grammar, alphabet, 2)
    assert found == {one for one in texts(alphabet, 2) if one and not re.search(r'["\\\n]', one)}


def test_random_substrings_are_runs_of_whole_chunks() -> None:
    rng = random.Random(3)
    for _ in range(12):
        chunks = [rng.choice(["", "a", "b", "ab", "ba", "ä"]) for _ in range(rng.randrange(5))]
        grammar = sg.ebnf(f"root ::= Substring({', '.join(map(json.dumps, chunks))})")
        runs = {"".join(chunks[i:j]) for i in range(len(chunks) + 1) for j in range(i, len(chunks) + 1)}
        assert words_of(grammar, "abä", 5) == {one for one in runs if len(one) <= 5}, chunks


def _dispatched(text: str, tags: dict[str, set[str]], excludes: list[str], loop: bool) -> bool:
    """Return whether a text is free text with tags, each with one of its texts behind: read from the left."""
    for end in range(len(text) + 1):
        tag = next((one for one in tags if text[:end].endswith(one)), None)
        if any(text[:end].endswith(one) for one in excludes):
            return False
        if tag is not None:
            rests = (text[end + len(body) :] for body in tags[tag] if text.startswith(body, end))
            return any(_dispatched(rest, tags, excludes, loop) if loop else not rest for rest in rests)
    return True


def test_random_dispatches_are_read_from_the_left() -> None:
    rng = random.Random(5)
    words = ["a", "aa", "ab", "ba", "bb", "abb", "bab"]
    bodies = {"x": {"a"}, "y": {"", "b"}, "z": {"ab", "c"}}
    rules = "\n".join(f"{name} ::= {' | '.join(map(json.dumps, of))}" for name, of in bodies.items())
    checked = 0
    while checked < 25:
        tags = {word: rng.choice("xyz") for word in rng.sample(words, rng.randrange(3))}
        excludes, loop = rng.sample(words, rng.randrange(2)), rng.random() < 0.5
        if any(one != other and other in one for one in tags for other in (*tags, *excludes)):
            continue
        if set(tags) & set(excludes):
            continue
        checked += 1
        given = [f'("{word}", {rule})' for word, rule in tags.items()]
        given += [f"loop_after_dispatch={json.dumps(loop)}"]
        given += [f"excludes=({', '.join(map(json.dumps, excludes))})"]
        grammar = sg.ebnf(f"root ::= TagDispatch({', '.join(given)})\n{rules}")
        derived = {word: bodies[rule] for word, rule in tags.items()}
        every = {text for text in texts("abc", 5) if _dispatched(text, derived, excludes, loop)}
        assert words_of(grammar, "abc", 5) == every, given


def test_a_rule_behind_a_tag_may_dispatch_again() -> None:
    grammar = sg.ebnf(
        'root ::= TagDispatch(("<", body), excludes=(">",), loop_after_dispatch=true)\nbody ::= root ">"'
    )
    balanced = set()
    for text in texts("a<>", 5):
        depths = list(itertools.accumulate({"<": 1, ">": -1}.get(char, 0) for char in text))
        if min(depths, default=0) >= 0 and (depths or [0])[-1] == 0:
            balanced.add(text)
    assert words_of(grammar, "a<>", 5) == balanced


def _token(number: int) -> str:
    return chr(0xF0000 + number)


@pytest.mark.parametrize(
    "text",
    ["root ::= Token(7, 8) [ab] Token(7)*", "root ::= (<[7]> | <b>) [ab] <a>*"],
    ids=["xgrammar", "gbnf"],
)
def test_a_token_is_one_symbol(text: str) -> None:
    grammar = sg.ebnf(text, specials={"<a>": 7, "<b>": 8})
    alphabet = ["a", "b", "c", 7, 8, 9]
    pattern = f"[{_token(7)}{_token(8)}][ab]{_token(7)}*"
    letters = [one if isinstance(one, str) else _token(one) for one in alphabet]
    every = ("".join(word) for size in range(4) for word in itertools.product(letters, repeat=size))
    assert words_of(grammar, alphabet, 3) == {one for one in every if re.fullmatch(pattern, one)}


def test_a_dispatch_on_tokens_has_free_text_between() -> None:
    grammar = sg.ebnf("root ::= TokenTagDispatch((7, x), (8, y), excludes=(9,))\nx ::= [ab]\ny ::= Token(9)?")
    pattern = f"(?:[abc]*(?:{_token(7)}[ab]|{_token(8)}{_token(9)}?))*[abc]*"
    letters = ["a", "b", "c", *map(_token, (7, 8, 9))]
    every = ("".join(word) for size in range(5) for word in itertools.product(letters, repeat=size))
    assert words_of(grammar, ["a", "b", "c", 7, 8, 9], 4) == {
        one for one in every if re.fullmatch(pattern, one)
    }


TOKENIZER = sg.Tokenizer.from_bytes([b"a", b"b", b"ab", "ä".encode(), None, None, None], eos_token_id=6)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("root ::= !<[4]> !<[4]>", "[0123]{2}|2"),  # a token may lie in both
        ("root ::= ExcludeToken(4, 5)* <[4]>", "[0123]*4"),
        ('root ::= <[4]> !<[5]>? "b"', "4[0123]?1|42"),
    ],
)
def test_all_tokens_but_some_are_one_token_of_text(text: str, pattern: str) -> None:
    compiled = sg.compile(sg.ebnf(text), TOKENIZER)
    for path in itertools.product(range(6), repeat=3):
        for size in range(4):
            matcher = sg.Matcher(compiled)
            taken = matcher.accepts(path[:size]) == size
            for token in path[:size] if taken else ():
                matcher.advance(token)
            written = "".join(map(str, path[:size]))
            assert (taken and matcher.is_complete) == bool(re.fullmatch(pattern, written)), written


@pytest.mark.parametrize(
    "text", ["root ::= !<[2]>", "root ::= TokenTagDispatch(excludes=(4, 2))", "root ::= <[2]>"]
)
def test_tokens_that_have_a_text_are_refused_for_the_vocabulary(text: str) -> None:
    with pytest.raises(OptionError, match="special token 2: The token has a text, b'ab'"):
        sg.compile(sg.ebnf(text), TOKENIZER)


def test_a_token_that_the_vocabulary_lacks_is_refused() -> None:
    with pytest.raises(OptionError, match="special token 9: The vocabulary has 7 tokens"):
        sg.compile(sg.ebnf('root ::= "a" | Token(9)'), TOKENIZER)


def test_wrong_calls_are_told_with_their_place_and_a_right_one() -> None:
    for call, what, cure in [
        ("Regex()", r"Regex does not accept the arguments \(\)", "Regex("),
        ('Regex("a", "b")', r"arguments \(text, text\)", "Regex("),
        ("Regex(x)", r"arguments \(rule\)", "Regex("),
        ('Regex("a", flags=true)', r"arguments \(text, flags=flag\)", "Regex("),
        ('Regex("a", case="i")', r"arguments \(text, case=text\)", "Regex("),
        ('Regex("a", flags="x")', "The flag 'x' does not exist", "i, s and u"),
        ("Substring(1)", r"arguments \(id\)", "Substring("),
        ("Token()", r"arguments \(\)", "Token("),
        ('Token("<a>")', r"arguments \(text\)", "Token("),
        ("ExcludeToken(1, x)", r"arguments \(id, rule\)", "ExcludeToken("),
        ('TagDispatch("a", x)', r"arguments \(text, rule\)", "TagDispatch("),
        ('TagDispatch(("", x))', r"arguments \(\(empty, rule\)\)", "TagDispatch("),
        (
            'TagDispatch(("a", x), excludes="b")',
            r"arguments \(\(text, rule\), excludes=text\)",
            "TagDispatch(",
        ),
        ('TagDispatch(("ab", x), ("b", x))', "'ab' contains 'b'", "do not contain"),
        ('TagDispatch(("ab", x), excludes=("a",))', "'ab' contains 'a'", "do not contain"),
        ("TokenTagDispatch((7, x), excludes=(8, 7))", "The token 7 is a trigger, and excluded", "Remove one"),
        ("Unknown(1)", r"not supported: Unknown\(\.\.\.\)", "TokenTagDispatch"),
        ('listed(x | "a" x)', r"not supported: listed\(\.\.\.\)", "TokenTagDispatch"),
        ("<think>", "The token <think> has no id", "specials="),
    ]:
        with pytest.raises(StructgenError, match=what) as caught:
            sg.ebnf(f'root ::= "a"\n  | {call}\nx ::= "x"')
        assert caught.value.where.startswith("line 2, column 5"), call
        assert cure in caught.value.cure, call


def test_arguments_that_are_none_are_told_where_they_stand() -> None:
    for call, column in [
        ('Regex("a"', 19),
        ('Regex("a" "b")', 20),
        ("Token(1, [a])", 19),
        ("TagDispatch(((1, 2), x))", 23),
        ('TagDispatch(("a", y))', 28),
        ('Substring("a\n")', 20),
        ('Regex("a", flags="i", flags="s")', 32),
    ]:
        with pytest.raises(GrammarError) as caught:
            sg.ebnf(f"root ::= {call}")
        assert caught.value.where == f"line 1, column {column}", call
        assert caught.value.cure.endswith(".") or "::=" in caught.value.cure


@pytest.mark.parametrize("specials", [["<think>"], "<think>", 7])
def test_ids_by_texts_are_a_mapping(specials: Any) -> None:
    with pytest.raises(OptionError, match=r'Write specials=\{"<think>": 7\}'):
        sg.ebnf("root ::= <think>", specials=specials)


def test_a_pattern_that_is_refused_is_told_with_its_place_in_the_grammar() -> None:
    with pytest.raises(
        RegexError, match=r"line 2, column 7: pattern, line 1, column 2: .* Use the syntax of Python's"
    ):
        sg.ebnf('root ::= x\nx ::= Regex("a(b")')


def test_a_rule_with_the_name_of_a_macro_is_a_rule() -> None:
    assert words_of(sg.ebnf('root ::= Token("a")\nToken ::= "b"'), "ab", 2) == {"ba"}


def test_what_says_nothing_of_texts_is_told_and_changes_nothing() -> None:
    text = 'root[capture="a", temperature=0.5] ::= x\n  (= "a" | y)\nx[capture] ::= "a" (="b")\ny ::= "c"'
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grammar = sg.ebnf(text)
    told = sorted(re.sub(" says.*", "", str(one.message)) for one in caught)
    assert told == [
        "The look-ahead of line 2",
        "The look-ahead of line 3",
        "The option capture of line 3",
        'The option capture="a" of line 1',
        "The option temperature=0.5 of line 1",
    ]
    assert all(one.category is GrammarWarning for one in caught)
    assert words_of(grammar, "abc", 2) == {"a"}


@pytest.mark.parametrize("option", ["max_tokens=3", "max_chars=8", "lazy", "capture, lazy", "other"])
def test_options_of_rules_that_narrow_their_texts_are_refused(option: str) -> None:
    with pytest.raises(GrammarError, match=f"not supported: {option.split(', ')[-1]}") as caught:
        sg.ebnf(f'root ::= x\nx[{option}] ::= "a"')
    assert caught.value.where == "line 2, column 2"


@pytest.mark.parametrize("text", ['root ::= ("a" (= "b"))', 'root ::= (= "b")*'])
def test_a_look_ahead_that_ends_no_rule_is_refused(text: str) -> None:
    with pytest.raises(GrammarError):
        sg.ebnf(text)


def test_a_string_of_a_schema_may_be_held_to_macros() -> None:
    definition = 'root ::= TagDispatch(("<", body), loop_after_dispatch=false)\nbody ::= Regex("[0-9]+") ">"'
    schema = {"x-grammar": {"syntax": "ebnf", "definition": definition}}
    compiled = sg.compile(
        sg.json_schema(schema),
        byte_tokenizer(),
    )
    for text, good in [("a", True), ("a<12>", True), ("a<>", False), ("<1>b", False)]:
        reached = compiled.step_bytes(compiled.start, json.dumps(text).encode())
        assert (reached is not None and compiled.accepts_end(reached)) == good, text


def test_a_grammar_of_macros_is_explained_and_equal_texts_are_equal() -> None:
    text = 'root ::= Token(7) a | Substring("ab", "c") b\na ::= Regex("[0-9]+")\nb ::= "d" b'
    one, other = sg.ebnf(text), sg.ebnf(text)
    assert one.fingerprint == other.fingerprint != sg.ebnf(text.replace("7", "8")).fingerprint
    told = sg.explain(one)
    assert told.unproductive == ("b",)
    assert re.fullmatch("[0-9]", told.shortest or "")
