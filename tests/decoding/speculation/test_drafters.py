"""What each drafter proposes, and that it is never more than the grammar allows."""

from __future__ import annotations

import gc
import json
import random
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from draft_cases import (
    PERSON,
    ROW,
    Fixed,
    answer,
    compiled,
    facts,
    of_machine,
    paths,
    replay,
    tokenizer,
    trusts,
    view,
)

import structgen as sg
from structgen.decoding.speculation import guarded
from structgen.decoding.speculation.drafters.answer_history import AnswerHistory
from structgen.decoding.speculation.drafters.grammar_tree import ForcedBytes, GrammarTree
from structgen.decoding.speculation.drafters.ngrams import KnownTexts, callers_text
from structgen.decoding.speculation.drafts import grammar_memo
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, Drafter, RequestFacts, VerifiedDraft
from structgen.decoding.speculation.drafts.grammar_memo import memo_of
from structgen.decoding.speculation.planning.drafting import MOST_BYTES, MOST_DRAFTED, Drafting

RECORDS = {"type": "array", "items": PERSON, "minItems": 1}
PEOPLE = [
    {"name": name, "kind": kind, "active": active}
    for name, kind, active in [
        ("Marta Ortiz", "customer", True),
        ("Jo Lindqvist", "supplier", False),
        ("Ada Byron", "customer", True),
    ]
]


def earlier() -> KnownTexts:
    history = AnswerHistory(tokenizer())
    for person in PEOPLE:
        history.add("", "records", answer([person, person]))
    return history.drafter()


DRAFTERS: list[Callable[[], Drafter]] = [ForcedBytes, GrammarTree, KnownTexts, callers_text, earlier]


def text(tokens: Sequence[int]) -> bytes:
    return tokenizer().decode(tokens)


@pytest.mark.parametrize("drafter", DRAFTERS)
def test_a_draft_is_what_the_grammar_allows_and_no_longer_than_asked(drafter: Callable[[], Drafter]) -> None:
    """The oracle is Matcher.accepts, at every place of a document; the matcher and its forks stay."""
    chooser = random.Random(7)
    wanted = answer(PEOPLE)
    # the prompt and the text are of another format, so that much of what is copied is refused
    other = json.dumps([*PEOPLE, {"name": 1}], indent=1).encode()
    known = facts(b"People: " + other, text=json.dumps(PEOPLE).encode() + other, schema="records")
    one = Drafting([drafter()], known)
    matcher = sg.Matcher(compiled(RECORDS))
    proposed = 0
    for at, token in enumerate(wanted):
        most, room = chooser.randrange(10), chooser.choice([0, 1, 3, 1000])
        before = matcher.tokens, matcher.state, matcher.fork().tokens
        draft = one.propose_tree(view(matcher, wanted[:at], room), most)
        assert (matcher.tokens, matcher.state, matcher.fork().tokens) == before
        assert len(draft) <= most
        for path in paths(draft):
            assert matcher.accepts(path) == len(path) <= room
        proposed += len(draft)
        matcher.advance(token)
        one.observe_tokens([token], 0)
    assert matcher.is_finished and len(one.propose_tree(view(matcher, wanted), 8)) == 0
    one.end_drafters()
    assert proposed > 20


def test_forced_bytes_are_split_as_the_tokenizer_splits_them() -> None:
    matcher, drafter = sg.Matcher(compiled(PERSON)), ForcedBytes()
    drafter.begin(facts())
    wanted = answer(PEOPLE[0])
    found = drafter.propose(view(matcher), 99).tokens.tolist()
    assert text(found) == matcher.forced() == b'{"name": "'
    assert found == wanted[: len(found)]
    # at the very end only the end token can come
    for token in wanted[:-1]:
        matcher.advance(token)
    assert drafter.propose(view(matcher), 99).tokens.tolist() == wanted[-1:]


@pytest.mark.parametrize(
    ("more", "drafted"), [([], b'{"x": "'), ([b' "M'], b'{"x":'), ([b' "\x00'], b'{"x": "')]
)
def test_a_last_token_that_may_be_longer_is_left_out(more: list[bytes], drafted: bytes) -> None:
    """A vocabulary has the token ' "'; and one that begins so and may come, or may not (a control byte)."""
    texts = [bytes((byte,)) for byte in range(256)] + [b'{"x":', b' "', *more, None]
    own = sg.Tokenizer.from_bytes(texts, len(texts) - 1)
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    matcher = sg.Matcher(sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), own))
    drafter = ForcedBytes()
    drafter.begin(RequestFacts((), own))
    found = drafter.propose(DraftContext((), matcher, 100, frozenset(own.eos_token_ids)), 99)
    assert matcher.forced() == b'{"x": "'
    assert own.decode(found.tokens.tolist()) == drafted


def test_the_grammar_tree_holds_all_values_of_an_enum() -> None:
    matcher, drafter = sg.Matcher(compiled(PERSON)), GrammarTree()
    drafter.begin(facts())
    wanted = answer(PEOPLE[0])
    while not text(matcher.tokens).endswith(b'"kind":'):
        matcher.advance(wanted[len(matcher.tokens)])
    draft = drafter.propose(view(matcher), 64)
    texts = {text(path) for path in paths(draft)}
    assert any(one.startswith(b' "customer') for one in texts)
    assert any(one.startswith(b' "supplier') for one in texts)
    assert len(Drafting([drafter], facts()).propose_tree(view(matcher), 3)) == 3


@pytest.mark.parametrize("drafter", [ForcedBytes(), GrammarTree()])
def test_what_is_remembered_of_a_grammar_is_bounded(
    drafter: Drafter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_memo, "MOST_KNOWN", 5)
    drafter.begin(facts())
    grammar = compiled(PERSON).anew()
    memo, sizes = memo_of(grammar), set()
    matcher = sg.Matcher(grammar)
    for token in answer(PEOPLE[0]):
        drafter.propose(view(matcher), 8)
        sizes.add(len(memo.facts))
        matcher.advance(token)
    assert 1 <= max(sizes) <= 5


def test_a_second_document_is_drafted_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tokenizer nor the grammar is asked again, whoever the request is."""
    grammar = compiled(PERSON).anew()
    matcher = sg.Matcher(grammar)
    places = [matcher.fork()]
    for token in answer(PEOPLE[0])[:-1]:
        matcher.advance(token)
        places.append(matcher.fork())

    def drafts() -> list[list[int]]:
        drafters: list[Drafter] = [ForcedBytes(), GrammarTree()]
        for one in drafters:
            one.begin(facts())
        return [one.propose(view(place), 8).tokens.tolist() for place in places for one in drafters]

    first = drafts()
    for name in ("forced", "next_bytes", "next_index", "bytes_index"):
        monkeypatch.setattr(type(grammar), name, None)
    assert drafts() == first
    with pytest.raises(TypeError):
        grammar.next_index(0, 0)


def test_what_is_remembered_of_a_grammar_goes_with_it() -> None:
    grammar = compiled(PERSON).anew()
    gone = weakref.ref(memo_of(grammar))
    drafter = ForcedBytes()
    drafter.begin(facts())
    drafter.propose(view(sg.Matcher(grammar)), 8)
    del grammar
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("drafter", [ForcedBytes(), GrammarTree()])
def test_nothing_is_remembered_of_another_compiled_grammar(drafter: Drafter) -> None:
    """A state's number says nothing in a grammar that was compiled anew."""
    drafter.begin(facts())
    first, second = sg.Matcher(compiled(PERSON)), sg.Matcher(compiled({"const": "a"}))
    assert first.state_index == second.state_index
    drafter.propose(view(first), 64)
    assert drafter.propose(view(second), 64).tokens.tolist() == answer("a")


def test_a_draft_larger_than_asked_is_cut() -> None:
    drafting = Drafting([Faulty("nowhere")], facts())
    assert len(drafting.propose_tree(view(None), 8)) == 8
    assert len(drafting.propose_tree(view(None), 0)) == len(drafting.propose_tree(view(None, room=0), 8)) == 0


def test_earlier_answers_are_followed_from_the_first_token_on() -> None:
    drafter = earlier()
    drafter.begin(facts(schema="records"))
    wanted = answer([PEOPLE[1], PEOPLE[1]])
    first = drafter.propose(view(None), 8)
    assert wanted[0] in first.tokens.tolist()
    drafter.observe(wanted[:12], 0)
    assert drafter.propose(view(None), 8).accepted(wanted[12:]) == 8
    other = earlier()
    other.begin(facts(schema="another schema"))
    assert len(other.propose(view(None), 8)) == 0


class Faulty:
    """A drafter that fails in one of its calls."""

    name = "faulty"

    def __init__(self, where: str) -> None:
        self.where, self.calls = where, 0

    def _fail(self, where: str) -> None:
        if where == self.where:
            self.calls += 1
            raise RuntimeError("broken")

    def begin(self, facts: RequestFacts) -> None:
        self._fail("begin")

    def propose(self, view: DraftContext, most: int) -> Draft:
        self._fail("propose")
        # tokens that the grammar refuses, and more of them than were asked for
        return Draft.chain([2047] * 40)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        self._fail("observe")

    def end(self) -> None:
        self._fail("end")


class Asking(Faulty):
    """Asks for some of the likeliest tokens of each node."""

    def __init__(self, top: Any, where: str = "nowhere") -> None:
        super().__init__(where)
        self.name, self.top = f"top {top}", top
        self.seen: list[VerifiedDraft] = []

    def verified(self, seen: VerifiedDraft) -> None:
        self._fail("verified")
        self.seen.append(seen)


def told(drafting: Drafting) -> None:
    """Have one pass verified."""
    matcher = sg.Matcher(compiled(PERSON))
    draft = drafting.propose_tree(view(matcher), 8)
    rows = (len(draft) + 1) * drafting.top
    tokens = np.arange(rows, dtype=np.int32).reshape(-1, drafting.top or 1)
    drafting.tell_verified(VerifiedDraft(draft, tokens, tokens.astype(np.float32)))
    drafting.observe_tokens(draft.tokens[:1].tolist(), 1)


def test_the_first_trust_is_what_a_drafter_says_once_it_has_begun() -> None:
    class Learns(Fixed):
        def begin(self, facts: Any) -> None:
            self.first_trust = 0.25

    drafting = Drafting([Learns(Draft.chain([1]))], facts())
    assert trusts(drafting) == {"fixed": pytest.approx(0.25)}


@pytest.mark.parametrize(
    ("make", "member", "value", "said"),
    [
        (lambda: Asking(3), "top", -1, "ValueError"),
        (lambda: Asking(3), "top", 65, "ValueError"),
        (lambda: Asking(3), "top", "8", "ValueError"),
        (lambda: Faulty("nowhere"), "top", 8, "verified"),
        (lambda: Faulty("nowhere"), "first_trust", "high", "ValueError"),
    ],
    ids=["less than none", "too many", "a text", "it cannot be told", "trust that is no number"],
)
def test_a_drafter_that_asks_for_rubbish_is_dropped(
    make: Callable[[], Any], member: str, value: Any, said: str
) -> None:
    drafter = make()
    setattr(drafter, member, value)
    drafting = Drafting([drafter, ForcedBytes()], facts())
    assert said in drafting.drop_reasons[drafter.name] and drafting.top == 0


def test_a_drafter_that_fails_at_what_was_verified_is_dropped_and_the_others_are_told() -> None:
    faulty, other = Asking(2, "verified"), Asking(4)
    drafting = Drafting([faulty, other, ForcedBytes()], facts())
    told(drafting)
    told(drafting)
    assert faulty.calls == 1 and len(other.seen) == 2
    assert list(drafting.drop_reasons) == ["top 2"] and "broken" in drafting.drop_reasons["top 2"]


def test_a_drafter_that_grows_is_dropped() -> None:
    drafter = Faulty("nowhere")
    drafter.nbytes = MOST_BYTES  # type: ignore[attr-defined]
    drafting = Drafting([drafter], facts())
    drafting.observe_tokens([1], 0)
    assert drafting.drop_reasons == {}
    drafter.nbytes += 1  # type: ignore[attr-defined]
    drafting.observe_tokens([1], 0)
    assert "bytes" in drafting.drop_reasons["faulty"]


def test_a_drafter_that_is_met_when_too_much_is_shared_is_dropped_and_nothing_is_shared_any_more() -> None:
    class Sharing(Faulty):
        def begin(self, facts: RequestFacts) -> None:
            self.shared = facts.shared

        def observe(self, taken: Sequence[int], accepted: int) -> None:
            self.shared.setdefault("texts", []).append(np.zeros(MOST_BYTES >> 3, np.uint8))

    known = facts()
    drafting = Drafting([Sharing("nowhere")], known)
    for _ in range(8):
        assert drafting.drop_reasons == {}
        drafting.observe_tokens([1], 0)
    for _ in range(8):
        drafting.observe_tokens([1], 0)
    assert "share more than" in drafting.drop_reasons["faulty"] and known.shared == {}


def test_a_drafter_of_a_huge_draft_is_dropped() -> None:
    huge = Fixed(Draft.chain([1] * (MOST_DRAFTED + 1)))
    drafting = Drafting([huge, ForcedBytes()], facts())
    drafting.propose_tree(view(sg.Matcher(compiled(PERSON))), 8)
    assert "nodes" in drafting.drop_reasons["fixed"]


def test_a_drafter_that_is_slow_twice_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: the drafter takes as many seconds as are left to it."""
    now, waits = [0.0], [guarded.SLOW + 1, 0.0, guarded.SLOW, guarded.SLOW + 1, 0.0]

    class Slow(Faulty):
        def observe(self, taken: Sequence[int], accepted: int) -> None:
            self.calls += 1
            now[0] += waits[self.calls - 1]

    monkeypatch.setattr(guarded, "perf_counter", lambda: now[0])
    slow = Slow("nowhere")
    drafting = Drafting([slow], facts())
    for _ in waits:
        drafting.observe_tokens([1], 0)
    assert slow.calls == 4 and "seconds" in drafting.drop_reasons["faulty"]


@pytest.mark.parametrize("where", ["next_index", "forced", "next_bytes"])
def test_a_limit_that_is_met_ends_the_draft_and_drops_nobody(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grammar meets a limit at whatever a drafter asks; compiled anew, it is drafted from as before."""
    drafting = Drafting([ForcedBytes(), KnownTexts(), GrammarTree()], facts(b'{"name": "Jo"} {'))
    matcher = sg.Matcher(compiled(PERSON).anew())  # of which nothing is remembered
    before = matcher.tokens, matcher.state

    def full(*_: object) -> None:
        raise sg.errors.LimitError("More states are needed.", limit="parser_states")

    with monkeypatch.context() as patch:
        patch.setattr(type(matcher.compiled), where, full)
        some = drafting.propose_tree(view(matcher), 8)
        assert len(some) == 0 or where != "next_index"
    assert drafting.drop_reasons == {} and (matcher.tokens, matcher.state) == before
    anew = sg.Matcher(matcher.compiled.anew())
    assert text(drafting.propose_tree(view(anew), 8).tokens.tolist()).startswith(b'{"name": "')


def test_trust_is_learnt_for_each_drafter() -> None:
    drafting = Drafting([ForcedBytes(), Faulty("nowhere")], facts())
    matcher = sg.Matcher(compiled(PERSON))
    wanted = answer(PEOPLE[0])
    drafting.propose_tree(view(matcher), 8)
    drafting.observe_tokens(wanted[:3], 2)
    assert trusts(drafting)["forced"] > 0.75
    assert trusts(drafting)["faulty"] == 0.75  # nothing of it was left to be wrong


def calls(drafters: Sequence[Drafter], known: RequestFacts, tokens: Sequence[int], most: int = 16) -> float:
    found = replay(tokens, drafters, known, sg.Matcher(compiled(RECORDS)), most, ROW)
    assert found.tokens == len(tokens) and not found.dropped
    assert found.calls <= len(tokens)
    return found.calls_per_token


def test_a_replay_takes_fewer_calls_the_more_is_known() -> None:
    """Twenty records; then the same document with two fields changed, whose old form the caller gave."""
    chooser = random.Random(8)
    names = ["Marta", "Jo", "Ada", "Ines", "Olu", "Kim", "Ravi", "Lena"]
    people = [
        {
            "name": f"{chooser.choice(names)} {chooser.choice(names)}son",
            "kind": chooser.choice(["customer", "supplier"]),
            "active": chooser.random() < 0.5,
        }
        for _ in range(20)
    ]
    tokens = answer(people)
    plain = calls([], facts(), tokens)
    lookup = calls([KnownTexts()], facts(), tokens)
    forced = calls([ForcedBytes()], facts(), tokens)
    joined = calls([ForcedBytes(), KnownTexts(), GrammarTree()], facts(), tokens)
    assert plain == 1.0
    assert joined < min(lookup, forced) < 1.0
    assert joined < 0.4
    changed = [dict(one) for one in people]
    changed[3]["name"], changed[15]["kind"] = "Quentin Zabriskie", "supplier"
    changed[15]["active"] = not changed[15]["active"]
    edit = facts(text=json.dumps(people).encode())
    assert calls([ForcedBytes(), callers_text()], edit, answer(changed), 32) < 0.1
    history = AnswerHistory(tokenizer())
    history.add("", "records", tokens)
    again = calls([ForcedBytes(), history.drafter()], facts(schema="records"), tokens, 32)
    assert again < 0.05


@pytest.mark.parametrize(
    ("machine", "written"),
    [("text", b"green 10, green 120, green 10, blue 7, green 10"), ("Lark", b"a=1;bb=22;a=1;bb=22;a=1;")],
)
def test_texts_that_are_no_json_are_drafted_too(machine: str, written: bytes) -> None:
    tokens = [*tokenizer().encode(written), tokenizer().eos_token_ids[0]]
    drafters = [ForcedBytes(), KnownTexts(), GrammarTree()]
    found = replay(tokens, drafters, facts(), sg.Matcher(of_machine(machine)), 16, ROW)
    assert not found.dropped
    assert found.calls < 0.7 * len(tokens)


def test_who_proposed_a_token_is_told_in_order() -> None:
    one, other = Fixed(Draft.chain([101, 102, 103])), Fixed(Draft.chain([101, 104]))
    other.name = "other"
    drafting = Drafting([one, other], facts())
    drafting.propose_tree(view(None), 16)
    guessed = [drafting.drafters_of_token(token) for token in (101, 102, 999, 103)]
    assert guessed == [["fixed", "other"], ["fixed"], [], []]
    drafting.observe_tokens([101, 102, 999], 2)
    assert drafting.saved_count == 2


@pytest.mark.parametrize("knows", [False, True])
def test_a_drafter_that_is_never_right_does_not_crowd_out_the_others(knows: bool) -> None:
    """It is sure of sixteen tokens in each pass; without trust they would take all rows."""
    wrong = Fixed(Draft.chain([2047] * 16))
    tokens, known = answer(PEOPLE), facts(json.dumps(PEOPLE).encode())
    alone = replay(tokens, [KnownTexts()], known, None, 16, ROW).calls
    assert replay(tokens, [KnownTexts(), *[wrong] * knows], known, None, 16, ROW).calls <= alone + 3
