"""Terminals that look ahead inside loops: what is one is followed once, and every call has its bound."""

from __future__ import annotations

import itertools

import pytest
from lark_reference import build, differences, texts

import structgen as sg
from structgen.lark_grammars.lexer.work_budget import WorkBudget
from structgen.lark_grammars.liveness.text_search import TextSearch
from structgen.lark_grammars.parser.contextual_reader import ReaderConfiguration
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits
from structgen.text_grammars.machine.language import Config

# each character of A asks for more, and where A ended is open until it came
NESTED = r"""
start: (A | B)+
A: /(a(?=b.*c)|b(?=.*a)|[abc](?!.*a.*b))+/
B: /[bc]/
"""
# what one A waits for the next one waits for as well
CHAINED = r"""
start: (A | B)+
A: /a(?=.*c)|a(?=.*b)/
B: /[bc]/
"""
# the same for things that are different
MIXED = r"""
start: (A | B | C)+
A: /a(?=.*c)/
B: /b(?=.*d)/
C: /[cd]/
"""
# what has ended may still go on, and then what was read on from it is none
GREEDY = r"""
start: (A A)+
A: /a(.*b)?/
"""
# a text that leaves nothing to wait for
ALL_OF = r"""
start: A ("," A)*
A: /(?=.*a)(?=.*b)[a-c]{2,4}/
"""
LATE = r"""
start: (A | B)+
A: /(a(?!.{3}c)|b)+/
B: /[abc]/
"""
WINDOW = r"""
start: (A | B)+
A: /([a-z](?=.{24}q))+z/
B: /[q-z]/
"""


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    """All texts over four letters of up to three of them, and single bytes."""
    singles = [bytes((byte,)) for byte in range(256)]
    longer = [b"".join(of) for n in (2, 3) for of in itertools.product((b"a", b"b", b"c", b","), repeat=n)]
    return sg.Tokenizer.from_bytes([*singles, *longer, None], len(singles) + len(longer))


def language(grammar: str, limits: Limits | None = None) -> ContextualLanguage:
    """Return the language of a grammar."""
    found = sg.lark(grammar).language(Limits() if limits is None else limits)
    assert isinstance(found, ContextualLanguage)
    return found


@pytest.mark.parametrize("grammar", [NESTED, CHAINED, LATE])
def test_texts_whose_lexemes_wait_for_one_another_are_larks(grammar: str) -> None:
    assert differences(build(grammar), language(grammar), "abc", 7) == []


def test_texts_whose_lexemes_wait_for_different_things_are_larks() -> None:
    assert differences(build(MIXED), language(MIXED), "abcd", 6) == []


def test_lexemes_that_may_go_on_are_not_taken_for_ended() -> None:
    assert differences(build(GREEDY), language(GREEDY), "ab", 9) == []


def test_texts_that_wait_for_several_things_are_larks() -> None:
    assert differences(build(ALL_OF), language(ALL_OF), "ab,", 7) == []


@pytest.mark.parametrize("grammar", [CHAINED, MIXED])
def test_what_is_waited_for_does_not_grow_with_the_text(grammar: str) -> None:
    sizes = _sizes(grammar)
    assert max(sizes[100:]) == max(sizes[:100])


def test_what_is_open_grows_by_one_a_character_at_most() -> None:
    assert all(size <= 2 + length for length, size in enumerate(_sizes(NESTED)))


def _sizes(grammar: str) -> list[int]:
    """Return how many configurations are read side by side after each character of a text."""
    ours = language(grammar)
    reading: ReaderConfiguration | None = ours.reader.start()
    found = []
    for byte in b"ab" * 100:
        assert reading is not None
        reading = ours.reader.step(reading, byte)
        assert reading is not None
        found.append(len([*reading.branches()]))
    return found


def test_equal_configurations_are_one_object() -> None:
    ours = language(CHAINED)
    start = ours.reader.start()
    assert ours.reader.run(start, b"aaa") is ours.reader.run(start, b"aaa")


@pytest.mark.parametrize("grammar", [NESTED, CHAINED, MIXED, ALL_OF, LATE])
def test_masks_are_those_of_the_reader_byte_by_byte(grammar: str, tokenizer: sg.Tokenizer) -> None:
    compiled = sg.compile(sg.lark(grammar), tokenizer, store=False)
    ours = language(grammar)
    alphabet = "ab," if grammar is ALL_OF else "abc"
    for text in texts(alphabet, 3):
        state = compiled.step_bytes(compiled.start, text.encode())
        config = _after(ours, ours.start(), text.encode())
        assert (state is None) == (config is None)
        if state is not None and config is not None:
            expected = [
                token
                for token, of in enumerate(tokenizer.token_bytes)
                if (ours.accepts(config) if of is None else _after(ours, config, of) is not None)
            ]
            assert compiled.allowed(state) == expected


def _after(ours: ContextualLanguage, config: Config | None, text: bytes) -> Config | None:
    for byte in text:
        config = None if config is None else ours.step(config, byte)
    return config


def test_a_text_is_written_that_leaves_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(_self: TextSearch, _reading: object, is_exact: bool) -> bytes:
        raise AssertionError("a search")

    monkeypatch.setattr(TextSearch, "text", searched)
    ours = language(ALL_OF)
    for text in (b"", b"c", b"cc", b"ac", b"ab,c"):
        config = _after(ours, ours.start(), text)
        assert config is not None
        assert _after(ours, config, bytes(ours.shortest(config))) is not None


# --- bounds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grammar", [WINDOW, NESTED, LATE])
@pytest.mark.parametrize("most", [300, 2_000, 20_000])
def test_no_mask_takes_more_steps_than_its_limit(
    grammar: str, most: int, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, spent = sg.lark(grammar), list[int]()

    def counted(self: WorkBudget, steps: int) -> None:
        spend(self, steps)
        spent.append(self.spent)

    spend = WorkBudget.spend
    monkeypatch.setattr(WorkBudget, "spend", counted)
    try:
        compiled = sg.compile(loaded, tokenizer, limits=Limits(oracle_steps=most), store=False)
        state: sg.State | None = compiled.start
        for byte in b"bcabczq" * 2:
            if state is not None:
                compiled.allowed(state)
                state = compiled.step_bytes(state, bytes((byte,)))
    except sg.LimitError as error:
        assert error.limit == "oracle_steps"
    assert spent
    # what is counted is the work that was done; past the limit nothing is
    assert max(spent) <= most


def test_a_mask_past_its_limit_is_an_error_that_says_how_to_mend_it(tokenizer: sg.Tokenizer) -> None:
    compiled = sg.compile(sg.lark(WINDOW), tokenizer, limits=Limits(oracle_steps=20_000), store=False)
    said = set()
    for _ in range(2):
        with pytest.raises(sg.LimitError) as caught:
            compiled.allowed(compiled.start)
        said.add(str(caught.value))
    assert said == {
        "grammar: What may come here was not found out within 20,000 steps. Have terminals look ahead "
        "less far (inside loops above all), or end where they can tell; or raise it with "
        "limits=sg.Limits(oracle_steps=...)."
    }


def test_a_lexer_of_too_many_states_is_an_error_that_says_how_to_mend_it() -> None:
    ours = language(WINDOW, Limits(automaton_states=4_000))
    lexer, states = ours.reader.lexer, {ours.reader.start().lexeme}
    with (
        pytest.raises(
            sg.LimitError, match=r"more than 1,000 states.*Have terminals look ahead less"
        ) as caught,
        ours.budget,
    ):
        for _ in range(12):  # each time up to twice as many
            states = {one for one in lexer.after(sorted(states)).flatten().tolist() if one >= 0}
    assert caught.value.limit == "automaton_states"


@pytest.mark.slow
def test_a_mask_of_a_lexer_of_too_many_states_is_that_error(tokenizer: sg.Tokenizer) -> None:
    limits = Limits(automaton_states=40_000, oracle_steps=10_000_000)
    compiled = sg.compile(sg.lark(WINDOW, limits=limits), tokenizer, store=False)
    with pytest.raises(
        sg.LimitError, match=r"more than 10,000 states.*Have terminals look ahead less"
    ) as caught:
        compiled.allowed(compiled.start)
    assert caught.value.limit == "automaton_states"


@pytest.mark.parametrize(("grammar", "most"), [(NESTED, 4_000), (LATE, 300)])
def test_a_mask_past_its_limit_leaves_those_of_other_states_as_they_are(
    grammar: str, most: int, tokenizer: sg.Tokenizer
) -> None:
    free = sg.compile(sg.lark(grammar), tokenizer, store=False)
    bound = sg.compile(sg.lark(grammar), tokenizer, limits=Limits(oracle_steps=most), store=False)
    failed = known = 0
    for text in texts("abc", 3):
        try:
            state = bound.step_bytes(bound.start, text.encode())
            expected = free.step_bytes(free.start, text.encode())
            assert (state is None) == (expected is None)
            if state is not None and expected is not None:
                assert bound.allowed(state) == free.allowed(expected)
                known += 1
        except sg.LimitError:
            failed += 1
    assert failed and known


def test_rows_that_were_asked_for_past_a_limit_are_asked_for_again() -> None:
    ours, other = language(NESTED), language(NESTED)
    lexer, expected = ours.reader.lexer, other.reader.lexer
    failed = 0
    for left in range(2, 400):
        try:
            with ours.budget:
                ours.budget.spend(ours.budget.most - left)
                lexer.explore([ours.reader.start().lexeme], 50)
        except sg.LimitError:
            failed += 1
    assert failed > 5
    states = lexer.explore([ours.reader.start().lexeme], 50).tolist()
    theirs = expected.explore([other.reader.start().lexeme], 50).tolist()
    assert [lexer.states[one] for one in states] == [expected.states[one] for one in theirs]
    for one, of in zip(states, theirs, strict=True):
        assert [move.sources for move in lexer.row(one)] == [move.sources for move in expected.row(of)]


# lark resolves conflicts by shifting: behind "[] is" every "." belongs to the last expression, so that the
# first one never becomes a method, and no text ends
SHIFTED = r"""
start: call+
call: (NAME | access | method) "(" [expr ("," expr)*] ")"
method: expr "." NAME
?expr: expr "is" expr | expr "==" expr | atom | access
?atom: "[" [expr ("," expr)*] "]" | call | "(" expr ")"
access: NAME "." NAME
%import common.CNAME -> NAME
"""


def _crowded(letters: str, longest: int) -> sg.Tokenizer:
    """Return a tokenizer of all bytes, and all texts over some letters."""
    tokens: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    tokens += [text.encode() for text in texts(letters, longest) if len(text) > 1]
    return sg.Tokenizer([*tokens, None], eos_token_ids=[len(tokens)])


def test_a_place_that_conflicts_have_closed_is_proved_dead_in_few_steps() -> None:
    compiled = sg.compile(
        sg.lark(SHIFTED), _crowded("a[].=i", 3), store=False, limits=Limits(oracle_steps=20_000)
    )
    allowed = set(compiled.allowed(compiled.start))
    texts_of = compiled.tokenizer.token_bytes
    assert {texts_of[token] for token in allowed} >= {b"[]", b"[].", b"a.a", b"[a"}
    assert not {texts_of[token] for token in allowed} & {b"[]i", b"[]=", b"a[]", b"]"}


def test_verdicts_where_lark_has_resolved_conflicts_are_larks() -> None:
    language = sg.lark(SHIFTED).language(Limits())
    assert differences(build(SHIFTED), language, "a[].i(s)", 4) == []


def test_a_limit_without_look_aheads_names_conflicts_as_the_cause() -> None:
    grammar, limits = sg.lark(SHIFTED), Limits(oracle_steps=20)
    with pytest.raises(sg.LimitError) as caught:
        compiled = sg.compile(grammar, _crowded("[]i", 3), store=False, limits=limits)
        compiled.allowed(compiled.start)
    said = str(caught.value)
    assert "look ahead" not in said
    assert "structgen explain --grammar" in said
    assert said.endswith("or raise it with limits=sg.Limits(oracle_steps=...).")


def test_a_call_counts_its_own_steps_whatever_ended_the_one_before() -> None:
    budget = WorkBudget(Limits(oracle_steps=10))

    def cut_off_as_it_is_left() -> None:
        budget.__enter__()
        budget.spend(8)

    cut_off_as_it_is_left()
    with budget:
        with budget:
            budget.spend(8)
        assert budget.spent == 8
        with pytest.raises(sg.LimitError):
            budget.spend(3)
