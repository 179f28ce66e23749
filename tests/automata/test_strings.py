"""String automata against slow twins: a matcher of syntax trees, Python's re, Node's RegExp, brute force."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from for_each import for_each
from formulas_drawn import ALPHABET, SHORT, TEXTS, awkward_formulas, formulas, patterns
from hypothesis import given, settings
from hypothesis import strategies as st
from node_regexp import found, needs_node
from reading import Walker
from regex_twin import holds, matches

from structgen.automata.strings import held_automata, string_pool
from structgen.automata.strings.automata import EVERY
from structgen.automata.strings.length_phases import phase_at
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import (
    OTHERS_COLUMN,
    SPACES_COLUMN,
    TOTAL_COLUMN,
    count_characters,
    encode_text,
)
from structgen.automata.unicode.partition import ASCII, PLAIN
from structgen.base.language.ir import DEAD, TRUE, All, Any_, Formula, Length, Not, Pattern, Spec, Words
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.errors import LimitError, RegexError


@given(patterns(looks=False))
@settings(max_examples=30)
def test_a_plain_pattern_accepts_what_the_twin_and_re_find(source: str) -> None:
    walker = Walker(Pattern(source))
    found = re.compile(source.replace("$", r"\Z").replace(r"\w", "[a-z0-9_]").replace(r"\W", "[^a-z0-9_]"))
    for text in TEXTS[::7]:
        assert walker.accepts(text) == matches(source, text) == (found.search(text) is not None), text


@given(st.lists(formulas(looks=True), min_size=1, max_size=3))
@settings(max_examples=40)
def test_the_outcome_is_the_set_of_true_formulas(parts: list[Formula]) -> None:
    try:
        walker = Walker(*parts)
    except RegexError:
        return
    for text in TEXTS[::13]:
        expected = frozenset(index for index, part in enumerate(parts) if holds(part, text))
        assert walker.demands(text) == expected, (parts, text)


@given(st.lists(formulas(), min_size=1, max_size=2), st.text(ALPHABET, max_size=4))
@settings(max_examples=30)
def test_every_live_state_has_a_completion_and_none_is_shorter(parts: list[Formula], prefix: str) -> None:
    walker = Walker(*parts)
    data = prefix.encode()
    for size in range(len(data) + 1):
        state = walker.run(data[:size])
        if state == DEAD:
            assert not any(walker.accepts(text) for text in TEXTS if text.encode().startswith(data[:size]))
            continue
        finish = walker.pool.shortest_rests(state)
        assert finish, (parts, data[:size])
        for demand, rest in finish.items():
            assert holds(parts[demand], (data[:size] + rest).decode())
        for text in TEXTS[: len(ALPHABET) ** 3]:
            whole = text.encode()
            if whole.startswith(data[:size]):
                for demand in walker.demands(whole):
                    assert len(finish[demand]) <= len(whole) - size


def written(rest: bytes, spelling: int) -> tuple[int, bytes]:
    """Return what completions are compared by."""
    if spelling == PLAIN:
        return len(rest), rest
    text = json.dumps(rest.decode(errors="surrogateescape"), ensure_ascii=spelling == ASCII)
    data = text.encode(errors="surrogateescape")
    return len(data), data


@given(
    awkward_formulas(),
    st.sampled_from([b"", b'"', b"\xc3", b"\xf0\x9f", b"a"]),
    st.sampled_from([0, ASCII]),
    st.sampled_from([-1, 0, 1, 2]),
)
@settings(max_examples=40)
def test_a_completion_is_the_shortest_then_smallest_as_it_is_spelled(
    formula: Formula, prefix: bytes, spelling: int, most: int
) -> None:
    walker = Walker(formula, pool=StringPool(Limits(), spelling=spelling))
    count, state = count_characters(prefix), walker.run(prefix)
    if most >= 0:
        start = walker.pool.start_in_phases(Spec((All((formula, Length(0, count + most))),)), walker.number)
        assert start is not None
        state = walker.run(prefix, start)
        if state != DEAD:
            alive = phase_at(walker.pool.phases_of(start)[0], count).alive_states(count)
            state = state if alive[state - start] else DEAD
    found = {} if state == DEAD else walker.pool.shortest_rests(state, count)
    rests = [
        text.encode()[len(prefix) :]
        for text in SHORT
        if text.encode().startswith(prefix) and holds(formula, text)
    ]
    if most >= 0:
        rests = [rest for rest in rests if sum(byte & 0xC0 != 0x80 for byte in rest) <= most]
    assert bool(found) >= bool(rests)
    if found:
        assert holds(formula, (prefix + found[0]).decode())
        assert most < 0 or sum(byte & 0xC0 != 0x80 for byte in found[0]) <= most
    if rests:
        assert written(found[0], spelling) <= min(written(rest, spelling) for rest in rests)


def test_of_two_rests_of_the_same_length_the_smaller_text_comes_first() -> None:
    for source, expected in (('^(?:"|ab)$', b'"'), ("^(?:é|ab)$", b"ab"), (r"^(?:\\|Zb)$", b"Zb")):
        walker = Walker(Pattern(source))
        assert walker.pool.shortest_rests(walker.start) == {0: expected}


def test_space_fills_where_any_character_may_stand() -> None:
    for formula in (Length(3, 3), Pattern("^.{3}$"), Pattern(r"^[\0-\u{10ffff}]{3}$")):
        walker = Walker(formula)
        assert walker.pool.shortest_rests(walker.start) == {0: b"   "}
    walker = Walker(Pattern(r"^[\0-\x1f\x80-\xff]$"))
    assert walker.pool.shortest_rests(walker.start) == {
        0: b"\b"
    }  # \b is smaller than U+0080 in UTF-8, and as long
    walker = Walker(Pattern(r"^[\0-\x07日]$"))
    assert walker.pool.shortest_rests(walker.start) == {0: "日".encode()}


def test_bytes_of_one_class_have_equal_columns() -> None:
    pool = StringPool(Limits())
    Walker(Pattern("^[a-f]+é$"), pool=pool)
    classes = pool.byte_classes()
    for one in range(256):
        for other in range(one):
            alike = (pool.trans[: pool.count, one] == pool.trans[: pool.count, other]).all()
            assert (classes[one] == classes[other]) == alike


@given(formulas(), formulas())
@settings(max_examples=30)
def test_equal_keys_mean_equal_languages_and_one_language_has_one_key(one: Formula, other: Formula) -> None:
    walkers = Walker(one), Walker(other)
    alike = all(walkers[0].accepts(text) == walkers[1].accepts(text) for text in TEXTS[::3])
    if DEAD not in (walkers[0].start, walkers[1].start):
        keys = [walker.pool.language_key(walker.start) for walker in walkers]
        assert keys[0] != keys[1] or alike
    twice = Walker(Not(Not(one))), Walker(All((one, one, Any_((one, All((one, TRUE)))))))
    for walker in twice:
        assert (walker.start == DEAD) == (walkers[0].start == DEAD)
        if walker.start != DEAD:
            assert walker.pool.language_key(walker.start) == walkers[0].pool.language_key(walkers[0].start)


def test_keys_do_not_depend_on_what_the_pool_or_the_process_holds() -> None:
    shared = StringPool(Limits())
    Walker(Pattern("^[0-9]+$"), pool=shared)
    formula = All((Pattern("^[a-z]{2,5}$"), Length(3, 9)))
    first, second = Walker(formula), Walker(formula, pool=shared)
    string_pool.HELD.clear()
    third = Walker(formula)
    for text in ("", "a", "abc"):
        keys = {walker.pool.language_key(walker.run(text)) for walker in (first, second, third)}
        assert len(keys) == 1


@given(st.frozensets(st.text("abé日", max_size=4), min_size=1, max_size=6))
def test_finitely_many_words_are_listed(words: frozenset[str]) -> None:
    walker = Walker(Words(words))
    data = sorted(word.encode() for word in words)
    assert walker.pool.is_finite(walker.start, len(words)) == data
    assert walker.pool.is_finite(walker.start, len(words) - 1) is None


def test_infinitely_many_words_are_not_listed() -> None:
    walker = Walker(Pattern("^(?:ab)*c$"))
    assert walker.pool.is_finite(walker.start, 50) is None


def test_that_words_are_many_shows_in_the_short_ones() -> None:
    walker = Walker(Length(0, 2))
    with THIS_CALL.begin_call(Limits(oracle_steps=200)):
        assert walker.pool.is_finite(walker.start, 4_000) is None


def test_a_formula_that_is_always_true_is_the_free_string() -> None:
    assert Walker(TRUE).start == Walker(Pattern("")).start == StringPool.FREE
    assert Walker(Any_((Pattern("^a"), Not(Pattern("^a"))))).start == StringPool.FREE
    walker = Walker(Pattern("^ab"))
    assert walker.run("ab") == walker.run("abé") == StringPool.FREE
    assert walker.run(b"ab" + b"\xe6") == int(walker.pool.trans[0, 0xE6])


def test_a_contradiction_is_dead_at_the_start() -> None:
    assert Walker(All((Pattern("^a"), Pattern("^b")))).start == DEAD
    assert Walker(Words(frozenset())).start == DEAD
    assert Walker(All((Pattern("^(?:ab)*$"), Length(3, 3)))).start == DEAD
    assert Walker(Pattern("^a^")).start == DEAD


def test_the_free_states_hold_any_text() -> None:
    pool = StringPool(Limits())
    assert pool.outcome[: pool.count].tolist() == [0, *(-1 for _ in range(7))]
    for one in range(256):
        for two in (None, *range(256)):
            data = bytes((one,)) if two is None else bytes((one, two))
            state = 0
            for byte in data:
                state = int(pool.trans[state, byte]) if state >= 0 else DEAD
            try:
                data.decode()
                assert state == 0
            except UnicodeDecodeError as error:
                assert (state == DEAD) == (error.reason != "unexpected end of data")


@pytest.mark.parametrize("source", [r"^\uD83D$", r"^[\uD800-\uDFFF]+$", r"^[\uD800-\uDBFF][\uDC00-\uDFFF]$"])
def test_what_only_lone_surrogates_are_is_empty_where_none_can_be_written(source: str) -> None:
    assert Walker(Pattern(source)).start == DEAD


def test_a_high_half_and_a_low_one_are_never_lone() -> None:
    pool = StringPool(Limits(), lone=True)
    assert Walker(Pattern(r"^[\uD800-\uDBFF][\uDC00-\uDFFF]$"), pool=pool).start == DEAD


def test_words_with_lone_surrogates_are_told_apart_where_these_can_be_written() -> None:
    words = Words(frozenset(("\ud800", "a\udfff")))
    assert Walker(words).start == DEAD
    walker = Walker(words, pool=StringPool(Limits(), lone=True))
    assert walker.pool.shortest_rests(walker.start) == {0: encode_text("\ud800")}
    assert walker.pool.is_finite(walker.start, 2) == sorted(map(encode_text, words.of))
    for text in ("\ud800", "\ud801", "a\udfff", "a\udffe", "a", "\ud800a"):
        assert walker.accepts(text) == (text in words.of), ascii(text)
    assert walker.run(b"\xed\xa0\x80") == DEAD


@given(st.lists(formulas(), min_size=1, max_size=3))
@settings(max_examples=30)
def test_texts_are_divided_by_the_formulas_that_are_true_of_them(parts: list[Formula]) -> None:
    pool = StringPool(Limits())
    classes = pool.text_classes((*parts, TRUE))
    even = frozenset(one for one in classes if len(one) % 2)
    walker = Walker(*parts, TRUE, groups=(even, frozenset(classes) - even), pool=pool)
    for text in TEXTS[::23]:
        true = frozenset([*(at for at, part in enumerate(parts) if holds(part, text)), len(parts)])
        assert true in classes
        assert walker.demands(text) == frozenset({0 if true in even else 1})
    for true, infinite in classes.items():
        meant = All(tuple(part if at in true else Not(part) for at, part in enumerate(parts)))
        start = Walker(meant, pool=pool).start
        assert start != DEAD and pool.is_infinite(start) is infinite


@given(formulas())
@settings(max_examples=40)
def test_every_text_is_completed_from_the_states_that_say_so(formula: Formula) -> None:
    walker = Walker(formula)
    for text in ("", "a", "日"):
        state = walker.run(text)
        if state == DEAD or state < 8:
            continue
        is_total = walker.pool.trans[state, TOTAL_COLUMN] == state
        assert not is_total or all(walker.run(rest, state) != DEAD for rest in ("", *TEXTS, *SHORT))
    assert (
        Walker(Pattern("ab")).pool.trans[8, TOTAL_COLUMN]
        == 8
        > Walker(Pattern("^a*b")).pool.trans[8, TOTAL_COLUMN]
    )


@given(formulas())
@settings(max_examples=40)
def test_all_characters_outside_ascii_lead_to_the_state_that_is_said(formula: Formula) -> None:
    walker = Walker(formula)
    for text in ("", "a", "日", "ab"):
        state = walker.run(text)
        if state == DEAD or state < 8:
            continue
        others, spaces = walker.pool.trans[state, [OTHERS_COLUMN, SPACES_COLUMN]].tolist()
        for said, characters in ((others, "é日😀\ufffd\x85"), (spaces, "\u00a0\u2003\u2028\u3000\ufeff")):
            reached = {walker.run(one, state) for one in characters}
            assert said == DEAD or reached == {said}
    others, spaces = Walker(Pattern("^.*$")).pool.trans[8, [OTHERS_COLUMN, SPACES_COLUMN]].tolist()
    assert (others, spaces) == (8, DEAD)


def test_what_the_process_holds_is_bounded_in_bytes() -> None:
    held = held_automata.HeldByContent(10_000)  # type: ignore[var-annotated]
    for key in range(50):
        held.get(key, lambda: EVERY)
    assert held.nbytes <= 10_000
    assert 0 < len(held) < 50
    assert held.get(49, lambda: pytest.fail("it was let go")) is EVERY


@pytest.mark.parametrize(
    "texts",
    [("ab", "ba"), ("aab", "abb", "ca"), ("é日", "日é", "x"), ("he", "she", "his"), ('"é', '€"', "😀a")],
)
def test_texts_that_must_not_occur_are_found_as_their_pattern_finds_them(texts: tuple[str, ...]) -> None:
    # a pattern with an empty look-ahead is no list of texts: the general construction makes it
    pattern = "|".join(texts)
    quick, general = Walker(Not(Pattern(pattern))), Walker(Not(Pattern(f"(?:{pattern})(?:x?)*")))
    assert quick.pool.language_key(quick.start) == general.pool.language_key(general.start)
    for size in range(5):
        for letters in itertools.product(sorted(set("".join(texts))), repeat=size):
            text = "".join(letters)
            assert quick.accepts(text) == (not any(one in text for one in texts))


def test_a_thousand_texts_beside_a_count_are_banned() -> None:
    texts = [f"b{number:03}" for number in range(1000)]
    banned = Not(Pattern("|".join(texts)))
    walker = Walker(banned)
    assert walker.accepts("b99") and not walker.accepts("xxb999y")
    assert walker.pool.may_end_anywhere(walker.start) and not walker.pool.may_end_anywhere(StringPool.FREE)
    assert not Walker(Pattern("^a*b$")).pool.may_end_anywhere(8)

    counted = Walker(
        All((Pattern("^[a-z0-9]{3,12}$"), Length(0, 9), banned, Not(Words(frozenset(("bbb",))))))
    )
    assert counted.accepts("abcdef") and not counted.accepts("bbb") and not counted.accepts("abb500")
    assert counted.run("b12") != DEAD


HOSTILE = {
    "doubling": "^(?:a|b)*a(?:a|b){100}$",
    "nested counts": "^(?:(?:a{1,1000}){1,1000}){1,1000}$",
    "empty counts": "^(?:(?:(?:a{0}){1000}){1000}){1000}$",
    "two counts": "^.{0,2000}foo.{0,2000}$",
    "a long count": "^[a-z]{0,100000}$",
    "look-aheads": "^" + "".join(f"(?=.*{a}.{{9}}{b})" for a in "abcdef" for b in "xyz") + ".*$",
    "a look-ahead in a loop": "(.(?=.{1000}b))*c",
    "a look-behind": "(?<=a.{300})b(?=c.{300})",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_what_multiplies_is_refused_by_name_or_made(source: str) -> None:
    try:
        walker = Walker(Pattern(source))
    except LimitError as error:
        assert error.limit == "automaton_states"
        assert source != HOSTILE["empty counts"]
    else:
        assert walker.pool.count <= 50_008


def test_a_formula_may_be_deep() -> None:
    deep: Formula = Pattern("^a+$")
    for _ in range(700):
        deep = Not(All((Not(Any_((deep, Words(frozenset(("b",)))))), TRUE)))
    walker, flat = Walker(deep), Walker(Pattern("^(?:a+|b)$"))
    assert walker.pool.language_key(walker.start) == flat.pool.language_key(flat.start)


@for_each(
    ("source", "message"),
    [
        (r"(a)\1", "back-reference"),
        (r"(?<n>a)\k<n>", "back-reference"),
        ("a)", "Unmatched"),
        ("(a", "Unclosed group"),
        ("[a", "Unclosed class"),
        ("*a", "Nothing to repeat"),
        ("a**", "Nothing to repeat"),
        ("[b-a]", "out of order"),
        ("a{2,1}", "out of order"),
        ("(?i)a", "Unknown group"),
        (r"\p{Nonsense}", "Nonsense"),
        ("a\\", "single"),
        ("(" * 200 + ")" * 200, "deeper"),
        (r"(?<=a$)b", "look-behind that contains a look-ahead"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(source: str, message: str) -> None:
    with pytest.raises(RegexError, match=message):
        Walker(Pattern(source))


_SOURCES = [
    *("^[a-z][a-z0-9-]*$", r"^\d{4}-\d{2}-\d{2}$", r"\bfoo\b|^x\B", r"^(?!foo|bar).+$"),
    *(r"^(?=.{3,5}$)(?:[a-z]+\.)*[a-z]+$", r"^((?!--).)*$", r"(?<=a)b", r"(?<!a)b(?!c)"),
    *(r"^\p{Lu}\p{L}*$", r"^[\p{L}\p{N}_]+$", r"^\P{L}+$", r"\u{1F600}|\ud83d\ude01"),
    *(r"^[^\s/]+/[^\s/]+$", r"^(a|b)?{2}$", r"^[\w-.]+$", r"^a{,3}$", r"^\_\-\@$", r"^[\d-x]$"),
    *(r"^(?:a?){3}b$", r"^(?:a*)*$", r"^(^a|b$){1,2}$", r"^(?:^|,)a", r"^]$", r"^}{$", r"^\cA\x41\0$"),
    *(r"^[\b]$", r"^\.\/\$$", r"^.$", r"^\S\s\W\D$", r"^[]a$", r"^[^]$", r"^(?<year>[0-9]{2})$"),
    *(r"^(?:\S+\s+){0,4}\S+$", r"(^$)|(^a{2,}$)", r"^[\0-\x1f]$", r"^\07\18$", r"^(?=a)?b$"),
    *(r"^(?:(?=a)|b){2}$", r"^(?:\b|a)+$", r"^[^\W_]+$", r"a|^b|c$"),
]
_TEXTS = [
    "", "a", "b", "ab", "aa", "aab", "aaa", "ba", "bb", "abc", "foo", "bar", "foobar", "x", "xy",
    "a foo b", "afoo", "--", "a--b", "a-b", "a.b", "ab.cd", "ab.cde", "Été", "É", "ß", "日本", "Ab1_",
    "1", "12", "2020-01-02", "😀", "😁", "/", "a/b", "a /b", "]", "}{", "\x01A\x00", "\x08", "./$",
    "\x0a", "\u2028", "\x0d", "_-@", "a{,3}", "-", "a b c d e", "a b c d e f", "a\xa0b", "\x07\x018",
    "cb", "ca", ",a", "\x00", "\x1f", " a", "\ufeff", "é\x09 ", "z-", "_",
]  # fmt: skip


@needs_node
def test_patterns_mean_what_node_says() -> None:
    rows = [(source, _TEXTS) for source in _SOURCES]
    for (source, texts), (flags, wanted) in zip(rows, found(rows), strict=True):
        if wanted is None:
            with pytest.raises(RegexError):
                Walker(Pattern(source))
            continue
        walker = Walker(Pattern(source))
        for text, expected in zip(texts, wanted, strict=True):
            if flags == "" and any(ord(char) > 0xFFFF for char in text):
                continue  # without the u flag a character above U+FFFF is two
            assert walker.accepts(text) == expected, (source, flags, text)
