"""The string automata against their slow twin, Node's RegExp, and exhaustive search."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regex_twin import holds, is_date_time, is_time, matches

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns, decode, encode
from structgen.errors import LimitError, RegexError, UnsupportedError
from structgen.language.ir import (
    DEAD,
    TRUE,
    UNKNOWN,
    All,
    Any_,
    Format,
    Formula,
    Length,
    Not,
    Pattern,
    Spec,
    Words,
)
from structgen.limits import Limits


class Outcomes:
    """Interns sets of demands as a network does."""

    def __init__(self) -> None:
        self.sets: list[frozenset[int]] = [frozenset((0,))]

    def __call__(self, demands: frozenset[int]) -> int:
        assert demands
        if demands not in self.sets:
            self.sets.append(demands)
        return self.sets.index(demands)


class Walker:
    """One spec in a pool of its own."""

    def __init__(
        self, *formulas: Formula, limits: Limits | None = None, pool: StringPool | None = None
    ) -> None:
        self.pool = pool or StringPool(limits or Limits())
        self.outcomes = Outcomes()
        self.start = self.pool.start(Spec(formulas), self.outcomes)

    def step(self, state: int, column: int) -> int:
        if state == DEAD:
            return DEAD
        if self.pool.trans[state, column] == UNKNOWN:
            self.pool.expand(state)
        assert UNKNOWN not in self.pool.trans[state]
        return int(self.pool.trans[state, column])

    def run(self, text: str | bytes) -> int:
        state = self.start
        for byte in text.encode() if isinstance(text, str) else text:
            state = self.step(state, byte)
        return state

    def demands(self, text: str | bytes) -> frozenset[int]:
        state = self.run(text)
        outcome = -1 if state == DEAD else int(self.pool.outcome[state])
        return frozenset() if outcome < 0 else self.outcomes.sets[outcome]

    def accepts(self, text: str | bytes) -> bool:
        return bool(self.demands(text))


ALPHABET = "ab-é日"
TEXTS = ["".join(letters) for size in range(5) for letters in itertools.product(ALPHABET, repeat=size)]


def patterns(*, looks: bool) -> st.SearchStrategy[str]:
    """Draw patterns over ALPHABET; `looks`: with look-arounds and word boundaries."""
    atoms = [
        "a",
        "b",
        "-",
        "é",
        "日",
        ".",
        "[ab]",
        "[^a]",
        r"\w",
        r"\W",
        r"[é-日]",
        "^",
        "$",
        "(?:)",
        r"\u0061",
    ]
    leaf = st.sampled_from(atoms + ([r"\b", r"\B"] if looks else []))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        quantifiers = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "{0}", "{2,3}?"])
        forms = [
            st.lists(inner, min_size=1, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            st.tuples(inner, quantifiers).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        ]
        if looks:
            kinds = st.sampled_from(["?=", "?!", "?<=", "?<!"])
            forms.append(st.tuples(kinds, inner).map(lambda pair: f"({pair[0]}{pair[1]})"))
        return st.one_of(forms)

    return st.recursive(leaf, grow, max_leaves=8)


@given(patterns(looks=False))
@settings(max_examples=150, deadline=None)
def test_a_plain_pattern_accepts_what_the_twin_finds(source: str) -> None:
    walker = Walker(Pattern(source))
    for text in TEXTS[::3]:
        assert walker.accepts(text) == matches(source, text), (source, text)


@given(patterns(looks=True))
@settings(max_examples=150, deadline=None)
def test_a_pattern_with_look_arounds_accepts_what_the_twin_finds(source: str) -> None:
    try:
        walker = Walker(Pattern(source))
    except RegexError as error:
        assert "look-behind that itself looks ahead" in str(error)
        return
    for text in TEXTS[::7]:
        assert walker.accepts(text) == matches(source, text), (source, text)


def formulas() -> st.SearchStrategy[Formula]:
    words = st.frozensets(st.text("abé", max_size=3), max_size=4)
    leaf = st.one_of(
        patterns(looks=False).map(Pattern),
        st.tuples(st.integers(0, 3), st.integers(0, 3) | st.none()).map(lambda pair: Length(*pair)),
        words.map(Words),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
            st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts))),
        ),
        max_leaves=4,
    )


@given(st.lists(formulas(), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_the_outcome_is_the_set_of_true_formulas(parts: list[Formula]) -> None:
    walker = Walker(*parts)
    for text in TEXTS[::9]:
        expected = frozenset(index for index, part in enumerate(parts) if holds(part, text))
        assert walker.demands(text) == expected, (parts, text)


@given(st.lists(formulas(), min_size=1, max_size=2), st.text(ALPHABET, max_size=4))
@settings(max_examples=150, deadline=None)
def test_every_live_state_has_a_shortest_completion(parts: list[Formula], prefix: str) -> None:
    walker = Walker(*parts)
    data = prefix.encode()
    for size in range(len(data) + 1):
        state = walker.run(data[:size])
        if state == DEAD:
            continue
        finish = walker.pool.finish(state)
        assert finish, (parts, data[:size])
        for demand, rest in finish.items():
            (data[:size] + rest).decode()
            assert demand in walker.demands(data[:size] + rest)
        best: dict[int, bytes] = {}
        for text in TEXTS[: len(ALPHABET) ** 3]:
            whole = text.encode()
            if whole.startswith(data[:size]):
                for demand in walker.demands(whole):
                    rest = whole[size:]
                    if demand not in best or (len(rest), rest) < (len(best[demand]), best[demand]):
                        best[demand] = rest
        for demand, rest in best.items():
            assert (len(finish[demand]), finish[demand]) <= (len(rest), rest)


AWKWARD = ('"', "\\", "\x00", "\n", " ", "a", "\x7f", "é", "日", "😀")


def awkward_patterns() -> st.SearchStrategy[Formula]:
    """Draw formulas over characters that JSON escapes, and others of every width."""
    sets = st.lists(st.sampled_from(AWKWARD), min_size=1, max_size=5, unique=True).map(
        lambda chars: "[" + "".join(f"\\u{{{ord(char):x}}}" for char in chars) + "]"
    )
    pieces = st.tuples(sets, st.sampled_from(["", "{1,2}", "?"])).map("".join)
    whole = st.lists(pieces, max_size=3).map(lambda parts: Pattern(f"^(?:{''.join(parts)})$"))
    words = st.frozensets(st.text(AWKWARD, max_size=3), max_size=4).map(Words)
    two = st.tuples(whole, whole).map(lambda pair: Any_(pair))
    return st.one_of(whole, words, two, st.tuples(two, st.just(Length(1, 2))).map(lambda pair: All(pair)))


SHORT = ["".join(letters) for size in range(4) for letters in itertools.product(AWKWARD, repeat=size)]


@given(awkward_patterns(), st.sampled_from([b"", b'"', b"\xc3", b"\xf0\x9f", b"a"]))
@settings(max_examples=60, deadline=None)
def test_a_completion_is_the_shortest_then_smallest_as_json_text(formula: Formula, prefix: bytes) -> None:
    walker = Walker(formula)
    state = walker.run(prefix)
    found = {} if state == DEAD else walker.pool.finish(state)

    def order(rest: bytes) -> tuple[int, bytes]:
        written = json.dumps(rest.decode(errors="surrogateescape"), ensure_ascii=False)
        return len(written.encode(errors="surrogateescape")), written.encode(errors="surrogateescape")

    rests = [
        text.encode()[len(prefix) :]
        for text in SHORT
        if text.encode().startswith(prefix) and holds(formula, text)
    ]
    if rests:
        assert found[0] == min(rests, key=order)


def test_space_fills_where_any_character_may_stand() -> None:
    for formula in (Length(3, 3), Pattern("^.{3}$"), Pattern(r"^[\0-\u{10ffff}]{3}$")):
        walker = Walker(formula)
        assert walker.pool.finish(walker.start) == {0: b"   "}
    walker = Walker(Pattern(r"^[\0-\x1f\x80-\xff]$"))
    assert walker.pool.finish(walker.start) == {0: b"\b"}  # \b is smaller than U+0080 in UTF-8, and as long
    walker = Walker(Pattern(r"^[\0-\x07日]$"))
    assert walker.pool.finish(walker.start) == {0: "日".encode()}


@given(formulas())
@settings(max_examples=100, deadline=None)
def test_a_prefix_of_an_accepted_string_is_live(formula: Formula) -> None:
    walker = Walker(formula)
    for text in TEXTS[::11]:
        if holds(formula, text):
            for size in range(len(text.encode())):
                assert walker.run(text.encode()[:size]) != DEAD


@pytest.mark.slow
@given(formulas(), formulas())
@settings(max_examples=100, deadline=None)
def test_equal_keys_mean_equal_languages(first: Formula, second: Formula) -> None:
    by_key: dict[bytes, tuple[Walker, int]] = {}
    for walker in (Walker(first), Walker(second)):
        for text in TEXTS[:31]:
            state = walker.run(text)
            if state == DEAD:
                continue
            other, twin = by_key.setdefault(walker.pool.key(state), (walker, state))
            for rest in TEXTS[::13]:
                ends = []
                for w, s in ((walker, state), (other, twin)):
                    for byte in rest.encode():
                        s = w.step(s, byte)
                    outcome = -1 if s == DEAD else int(w.pool.outcome[s])
                    ends.append(frozenset() if outcome < 0 else w.outcomes.sets[outcome])
                assert ends[0] == ends[1]


def test_keys_do_not_depend_on_what_the_pool_holds() -> None:
    shared = StringPool(Limits())
    Walker(Pattern("^[0-9]+$"), pool=shared)
    first = Walker(All((Pattern("^[a-z]{2,5}$"), Length(3, 9))))
    second = Walker(All((Pattern("^[a-z]{2,5}$"), Length(3, 9))), pool=shared)
    for text in ("", "a", "abc"):
        assert first.pool.key(first.run(text)) == shared.key(second.run(text))


@given(st.frozensets(st.text("abé日", max_size=4), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_finitely_many_words_are_listed(words: frozenset[str]) -> None:
    walker = Walker(Words(words))
    data = sorted(word.encode() for word in words)
    assert walker.pool.is_finite(walker.start, len(words)) == data
    assert walker.pool.is_finite(walker.start, len(words) - 1) is None


def test_infinitely_many_words_are_not_listed() -> None:
    walker = Walker(Pattern("^(?:ab)*c$"))
    assert walker.pool.is_finite(walker.start, 50) is None


def test_the_free_states_hold_any_text() -> None:
    pool = StringPool(Limits())
    assert pool.outcome[0] == 0
    assert all(pool.outcome[state] == -1 for state in range(1, 8))
    for size in (1, 2):
        for data in itertools.product(range(256), repeat=size):
            state = 0
            for byte in data:
                state = int(pool.trans[state, byte]) if state >= 0 else DEAD
            try:
                bytes(data).decode()
                assert state == 0
            except UnicodeDecodeError as error:
                assert (state == DEAD) == (error.reason != "unexpected end of data")


def test_a_pool_makes_arrays_for_its_first_spec_and_leaves_the_free_states_of_others_alone() -> None:
    """Pools without a spec read the same arrays of free states; none may write to them."""
    used, bare = StringPool(Limits()), StringPool(Limits())
    assert used.trans is bare.trans
    before = bare.trans.copy(), bare.outcome.copy()
    start = used.start(Spec((Pattern("^a+b$"),)), len)
    used.expand(start)
    assert used.trans is not bare.trans
    assert (bare.trans == before[0]).all()
    assert (bare.outcome == before[1]).all()
    assert (bare.count, len(bare.trans)) == (8, 8)
    assert (used.trans[:8] == before[0]).all()


def test_a_formula_that_is_always_true_is_the_free_string() -> None:
    assert Walker(TRUE).start == StringPool.FREE
    assert Walker(Pattern("")).start == StringPool.FREE


def test_a_contradiction_is_dead_at_the_start() -> None:
    assert Walker(All((Pattern("^a"), Pattern("^b")))).start == DEAD
    assert Walker(Words(frozenset())).start == DEAD
    assert Walker(All((Pattern("^(?:ab)*$"), Length(3, 3)))).start == DEAD
    assert Walker(Pattern("^a^")).start == DEAD


def test_a_count_of_five_hundred_is_not_unrolled() -> None:
    pool = StringPool(Limits())
    pool.start(Spec((All((Pattern(r"^(?:\S+\s+){0,49}\S+$"), Length(0, 500))),)), Outcomes())
    pool.start(Spec((Pattern("^[a-z]{0,500}$"),)), Outcomes())
    assert pool.count < 64


def test_the_length_bound_holds_beside_a_counted_pattern() -> None:
    walker = Walker(All((Pattern(r"^(?:\S+\s+){0,49}\S+$"), Length(0, 500))))
    assert walker.accepts("ab " * 49 + "c")
    assert walker.run("ab " * 50) == DEAD
    assert walker.accepts("a" * 500)
    assert walker.run("a" * 499 + " ") == DEAD
    assert walker.run("a" * 501) == DEAD


def test_a_lone_surrogate_is_one_character_of_its_class() -> None:
    walker = Walker(Pattern(r"^[^\u0000-\uD7FF\uE000-\u{10FFFF}]?a$"), pool=StringPool(Limits(), lone=True))
    for char in ("\ud800", "\ud83d", "\udfff"):
        state = walker.start
        for column in columns(encode(char + "a")):
            state = walker.step(state, column)
        assert walker.pool.outcome[state] == 0
    assert walker.step(walker.start, ord("b")) == DEAD


@pytest.mark.parametrize(
    "source", ["^[\\uD83C-\\uDBFF]a?$", "^\\uDE00$", "^a[\\uDE00\\uD83D]?[\\uDE00x]$", "\\uD83D.$"]
)
def test_sets_may_divide_the_surrogates(source: str) -> None:
    walker = Walker(Pattern(source), pool=StringPool(Limits(), lone=True))
    chars = "a", "x", "\ud800", "\ud83d", "\ude00", "\ude01", "\U0001f600"
    seen = 0
    for size in range(4):
        for letters in itertools.product(chars, repeat=size):
            text = "".join(letters)
            if re.search("[\ud800-\udbff][\udc00-\udfff]", text):
                continue  # no text has this value
            state = walker.start
            for column in columns(encode(text)):
                state = walker.step(state, column)
            accepted = state != DEAD and walker.pool.outcome[state] == 0
            assert accepted == (re.search(source.replace("$", r"\Z"), text) is not None), ascii(text)
            seen += accepted
            assert state == DEAD or not re.search(
                "[\ud800-\udbff][\udc00-\udfff]", decode(walker.pool.finish(state)[0])
            )
    assert seen


@pytest.mark.parametrize("source", [r"^\uD83D$", r"^[\uD800-\uDFFF]+$", r"^[\uD800-\uDBFF][\uDC00-\uDFFF]$"])
def test_what_only_lone_surrogates_are_is_empty_where_none_can_be_written(source: str) -> None:
    assert Walker(Pattern(source)).start == DEAD


def test_a_high_half_and_a_low_one_are_never_lone() -> None:
    pool = StringPool(Limits(), lone=True)
    assert Walker(Pattern(r"^[\uD800-\uDBFF][\uDC00-\uDFFF]$"), pool=pool).start == DEAD


@pytest.mark.parametrize(
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
        ("a\\", "lone"),
        ("(" * 200 + ")" * 200, "deeper"),
        (r"(?<=a$)b", "look-behind that itself looks ahead"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(source: str, message: str) -> None:
    with pytest.raises(RegexError, match=message):
        Walker(Pattern(source))


def test_limits_are_named() -> None:
    with pytest.raises(LimitError) as caught:
        Walker(All((Pattern("^(?:ab)*$"), Length(99_999, 99_999))), limits=Limits(oracle_steps=1000))
    assert caught.value.limit == "oracle_steps"
    with pytest.raises(LimitError) as caught:
        walker = Walker(Pattern("^(?:a|b)*a(?:a|b){12}$"), limits=Limits(automaton_states=200))
        for letters in itertools.product("ab", repeat=11):
            walker.run("".join(letters))
    assert caught.value.limit == "automaton_states"


def test_extra_formats_are_patterns() -> None:
    pool = StringPool(Limits(), {"even": "^(?:..)*$"})
    walker = Walker(Format("even"), pool=pool)
    assert walker.accepts("ab") and not walker.accepts("abc")
    with pytest.raises(UnsupportedError):
        Walker(Format("odd"), pool=pool)


def test_words_with_lone_surrogates_are_told_apart_where_these_can_be_written() -> None:
    words = Words(frozenset(("\ud800", "a\udfff")))
    assert Walker(words).start == DEAD
    walker = Walker(words, pool=StringPool(Limits(), lone=True))
    assert walker.pool.finish(walker.start) == {0: encode("\ud800")}
    assert walker.pool.is_finite(walker.start, 2) == sorted(map(encode, words.of))
    for text in ("\ud800", "\ud801", "a\udfff", "a\udffe", "a", "\ud800a"):
        state = walker.start
        for column in columns(encode(text)):
            state = walker.step(state, column)
        assert (state != DEAD and walker.pool.outcome[state] == 0) == (text in words.of), ascii(text)
    assert walker.run(b"\xed\xa0\x80") == DEAD and walker.run(encode("\ud800")) == DEAD


_NODE = """
const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
const out = rows.map(([source, texts]) => {
  for (const flags of ["u", ""]) {
    try { const r = new RegExp(source, flags); return [flags, texts.map(t => r.test(t))]; } catch (e) {}
  }
  return ["error", []];
});
process.stdout.write(JSON.stringify(out));
"""

_SOURCES = [
    "^[a-z][a-z0-9-]*$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"\bfoo\b|^x\B",
    r"^(?!foo|bar).+$",
    r"^(?=.{3,5}$)(?:[a-z]+\.)*[a-z]+$",
    r"^((?!--).)*$",
    r"(?<=a)b",
    r"(?<!a)b(?!c)",
    r"^\p{Lu}\p{L}*$",
    r"^[\p{L}\p{N}_]+$",
    r"^\P{L}+$",
    r"\u{1F600}|\ud83d\ude01",
    r"^[^\s/]+/[^\s/]+$",
    r"^(a|b)?{2}$",
    r"^[\w-.]+$",
    r"^a{,3}$",
    r"^\_\-\@$",
    r"^[\d-x]$",
    r"^(?:a?){3}b$",
    r"^(?:a*)*$",
    r"^(^a|b$){1,2}$",
    r"^(?:^|,)a",
    r"^]$",
    r"^}{$",
    r"^\cA\x41\0$",
    r"^[\b]$",
    r"^\.\/\$$",
    r"^.$",
    r"^\S\s\W\D$",
    r"^[]a$",
    r"^[^]$",
    r"^(?<year>[0-9]{2})$",
    r"^(?:\S+\s+){0,4}\S+$",
    r"(^$)|(^a{2,}$)",
    r"^[\0-\x1f]$",
    r"^\07\18$",
    r"^(?=a)?b$",
    r"^(?:(?=a)|b){2}$",
    r"^(?:\b|a)+$",
    r"^[^\W_]+$",
    r"a|^b|c$",
]
_TEXTS = [
    "", "a", "b", "ab", "aa", "aab", "aaa", "ba", "bb", "abc", "foo", "bar", "foobar", "x", "xy",
    "a foo b", "afoo", "--", "a--b", "a-b", "a.b", "ab.cd", "ab.cde", "Été", "É", "ß", "日本", "Ab1_",
    "1", "12", "2020-01-02", "😀", "😁", "/", "a/b", "a /b", "]", "}{", "\x01A\x00", "\x08", "./$",
    "\x0a", "\u2028", "\x0d", "_-@", "a{,3}", "-", "a b c d e", "a b c d e f", "a\xa0b", "\x07\x018",
    "cb", "ca", ",a", "\x00", "\x1f", " a", "\ufeff", "é\x09 ", "z-", "_",
]  # fmt: skip


def test_patterns_mean_what_node_says() -> None:
    if shutil.which("node") is None:
        pytest.skip("node, whose RegExp is the oracle, is not installed")
    rows = [[source, _TEXTS] for source in _SOURCES]
    done = subprocess.run(
        ["node", "-e", _NODE], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    for source, (flags, found) in zip(_SOURCES, json.loads(done.stdout), strict=True):
        if flags == "error":
            with pytest.raises(RegexError):
                Walker(Pattern(source))
            continue
        walker = Walker(Pattern(source))
        for text, expected in zip(_TEXTS, found, strict=True):
            if flags == "" and any(ord(char) > 0xFFFF for char in text):
                continue  # without the u flag a character above U+FFFF is two
            assert walker.accepts(text) == expected, (source, flags, text)


@given(
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(57, 61),
    st.sampled_from("+-"),
    st.integers(0, 24),
    st.integers(0, 60),
)
@settings(max_examples=300, deadline=None)
def test_times_keep_leap_seconds_to_the_end_of_the_day(
    hour: int, minute: int, second: int, sign: str, hours: int, minutes: int
) -> None:
    text = f"{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{minutes:02}"
    assert Walker(Format("time")).accepts(text) == is_time(text)


def test_every_minute_has_one_offset_east_and_one_west_for_a_leap_second() -> None:
    walker = Walker(Format("time"))
    for minute in range(1440):
        written = f"{minute // 60:02}:{minute % 60:02}:60"
        east, west = (minute + 1) % 1440, 1439 - minute
        assert walker.accepts(f"{written}+{east // 60:02}:{east % 60:02}")
        assert walker.accepts(f"{written}-{west // 60:02}:{west % 60:02}")
        assert walker.accepts(f"{written}Z") == (minute == 1439)
        state = walker.run(written.encode() + b"+")
        assert sum(int(t) >= 0 for t in walker.pool.trans[state]) == 1 or UNKNOWN in walker.pool.trans[state]


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
@settings(max_examples=300, deadline=None)
def test_dates_follow_the_calendar(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}T00:00:00Z"
    assert Walker(Format("date-time")).accepts(text) == is_date_time(text)
