"""A schema's compiled grammar is as good as a new one after an exception at whatever line of ours.

An exception is raised at a line of structgen's own code, or where a function of it returns, so that its
caller does not get the result: Ctrl-C comes there, and a MemoryError. Then the same compiled grammar, the
states of it that were reached, and the schema compiled again in the same store must say what one says that
nobody cut off.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import pytest

import structgen as sg
from structgen.base.native import jit
from structgen.base.native.noted_functions import ENTRIES
from structgen.base.system.fork_locks import _Registry
from structgen.base.system.garbage import pause_collection
from structgen.machines.core import batch

SOURCES = str(Path(sg.__file__).parent)

_PIECES = (
    *(b"ab", b'"a', b'":', b'{"', b'",', b'"]', b'["', b'","', b"aa", b"foo", b" a", b"}}", b"12", b"1."),
    *(b'": ', b"]}", b'"}', "é".encode(), b"true", b"null", b"2.5", b'": "'),
)
_TOKENS = [*(bytes((byte,)) for byte in range(256)), *_PIECES]
TOKENIZER = sg.Tokenizer([*_TOKENS, None], eos_token_ids=[len(_TOKENS)])
_ORDER = sorted(range(len(_TOKENS)), key=lambda token: -len(_TOKENS[token]))
_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_CLOSED = {"additionalProperties": False}


def _objects(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


class Case(NamedTuple):
    """A schema with options; a document, whose walk is cut off, and one that takes another way through it."""

    schema: Any
    text: bytes
    other: bytes
    options: dict[str, Any] = {}  # noqa: RUF012

    def grammar(self) -> sg.Grammar:
        return sg.json_schema(self.schema, strict=None, **self.options)


_THREE = {"type": "integer", "multipleOf": 3}
_FEW = {"type": "array", "items": {"enum": ["x", "ab"]}, "uniqueItems": True}
_NODE = {**_objects(v=_WHOLE, n={"$ref": "#/$defs/n"}), **_CLOSED, "required": ["v"]}
_TAGGED = [
    {**_objects(t={"const": "a"}, x=_WHOLE), "required": ["t", "x"]},
    {**_objects(t={"const": "foo"}, y=_TEXT), "required": ["t"], **_CLOSED},
]
CASES = {
    "patterns of keys": Case(
        {
            **_objects(a={"type": "string", "pattern": "^[ab]+$"}, foo={"anyOf": [_THREE, _FEW]}),
            "required": ["foo"],
            "patternProperties": {"^b": {"type": "number", "minimum": 1.5}},
        },
        b'{"a":"a","foo":[ "x"],"b1":2.5}',
        b'{"foo":12,"b":30,"c":"q"}',
    ),
    "plain object": Case(
        {**_objects(a=_TEXT, b=_WHOLE), "required": ["b"], **_CLOSED}, b'{"a":"xy","b":12}', b'{"b":-3}'
    ),
    "if and dependentSchemas": Case(
        {
            **_objects(k={"const": "a"}, v=_WHOLE),
            "dependentSchemas": {"k": {"required": ["v"]}},
            "if": {"properties": {"k": {"const": "a"}}},
            "then": {"properties": {"v": {"minimum": 2}}},
            "else": {"maxProperties": 1},
        },
        b'{"k":"a","v":12}',
        b'{"v":30}',
    ),
    "oneOf": Case({"oneOf": _TAGGED}, b'{"t":"foo","y":"a"}', b'{"t":"a","x":1}'),
    "many objects": Case(
        {
            "anyOf": [
                {**_objects(**{key: {"const": key}}, n={**_NUMBER, "minimum": at}), "required": [key]}
                for at, key in enumerate("abcd")
            ]
        },
        b'{"n":12,"c":"c"}',
        b'{"d":"d"}',
    ),
    "items that differ": Case(
        {"type": "array", "items": _TEXT, "maxItems": 2, "uniqueItems": True}, b'["a","b"]', b'["foo"]'
    ),
    "objects that differ": Case(
        {
            "type": "array",
            "items": {**_objects(x={"enum": [1, 2]}), "required": ["x"], **_CLOSED},
            "uniqueItems": True,
            "minItems": 2,
        },
        b'[{"x":1},{"x":2}]',
        b'[{"x":2},{"x":1}]',
    ),
    "contains": Case(
        {
            "type": "array",
            "contains": {"type": "integer", "minimum": 3},
            "maxContains": 2,
            "prefixItems": [_TEXT],
            "items": {"type": ["integer", "string"]},
            "minItems": 2,
            "maxItems": 4,
        },
        b'["a",12,1]',
        b'["a",1,12]',
    ),
    "recursion": Case({"$defs": {"n": _NODE}, "$ref": "#/$defs/n"}, b'{"v":1,"n":{"v":12}}', b'{"v":2}'),
    "anything": Case(True, b'{"a":[1,"b",null]}', b'[{"q":{}},"foo"]'),
    "formats": Case(
        {**_objects(d={**_TEXT, "format": "date"}, u={**_TEXT, "format": "uuid"}), "required": ["d"]},
        b'{"d":"2020-12-01"}',
        b'{"d":"2021-02-03","u":"a',
    ),
    "look-ahead, keys in any order": Case(
        {
            **_objects(
                p={**_TEXT, "pattern": "^(?=.*a)(?!.*aa).{3,9}$"},
                q={**_TEXT, "minLength": 2, "maxLength": 5},
            ),
            "required": ["p", "q"],
            **_CLOSED,
        },
        b'{"q":"foo","p":"ab12"}',
        b'{"p":"xxa","q":"ab"}',
        {"property_order": "any"},
    ),
    "numbers": Case(
        {"type": "number", "minimum": 1.5, "exclusiveMaximum": 30, "multipleOf": 0.5}, b"12.5", b"2.0"
    ),
    "not": Case(
        {"not": {"type": "object", "required": ["a"]}, "type": ["object", "null", "number"]},
        b'{"b":12}',
        b'{"foo":{"a":1}}',
    ),
    "enum": Case({"enum": ["ab", "foo", 12, None, {"a": [1]}, [True]]}, b'{"a": [1]}', b"[true]"),
    "json.dumps": Case(
        {
            **_objects(a={"anyOf": [_TEXT, {"type": "null"}]}),
            "unevaluatedProperties": False,
            "allOf": [{"properties": {"b": _WHOLE}}],
            "minProperties": 1,
            "propertyNames": {"maxLength": 3},
        },
        b'{\n  "a": null,\n  "b": 12\n}',
        b'{\n  "b": 1\n}',
        {"whitespace": 2},
    ),
    "widest": Case(
        {
            "type": "object",
            "additionalProperties": {"type": "array", "items": _NUMBER, "minItems": 1},
            "minProperties": 1,
            "maxProperties": 2,
            "propertyNames": {"pattern": "^[a-f]+$"},
        },
        b'{ "a\\u0061" :[-0,1e5]}',
        b'{"b":[1]}',
        sg.WIDEST,
    ),
    "bounded": Case(
        {**_objects(l={"type": "array", "items": {"type": ["string", "null"], "maxLength": 3}}), **_CLOSED},
        b'{"l":[null,"a"]}',
        b"{}",
        {"max_items": 2, "max_string": 4, "any_value": 1, "escapes": "ascii"},
    ),
    "values that are denied": Case(
        _objects(
            s={**_TEXT, "pattern": "aab"},
            t={**_TEXT, "not": {"type": "string", "pattern": "^a"}},
            e={**_TEXT, "not": {"enum": ["a", "ab"]}},
        ),
        b'{"s":"xaab","t":"b","e":"abc"}',
        b'{"e":"foo"}',
    ),
}


class Cut(BaseException):
    """An exception that nobody expects."""


KINDS: tuple[type[BaseException], ...] = (KeyboardInterrupt, MemoryError, Cut)
Said = list[tuple[Any, ...]]
Place = tuple[CodeType, int, str]
"""A line of a function, and "line" or "return"."""


def tokens_of(text: bytes) -> list[int]:
    """Return a text as tokens, the longest first."""
    found: list[int] = []
    while text:
        token = next(one for one in _ORDER if text.startswith(_TOKENS[one]))
        found.append(token)
        text = text[len(_TOKENS[token]) :]
    return found


def said(compiled: sg.CompiledGrammar, state: sg.core.State, number: int) -> tuple[Any, ...]:
    """Return what a compiled grammar says of a state behind so many tokens; of each third one all that it
    can say."""
    found = compiled.allowed(state), compiled.tokens_to_finish(state), compiled.accepts_end(state)
    if number % 3:
        return found
    mask, bounded = sg.allocate_mask(1, compiled.vocab_size), []
    for budget in (found[1], found[1] + 1):
        compiled.fill_within(state.index, mask, 0, budget)
        bounded.append(mask.array[0].tobytes())
    words = tuple(map(repr, compiled.expected(state)))
    return *found, compiled.completion(state), words, compiled.next_bytes(state), *bounded


def walk(compiled: sg.CompiledGrammar, text: bytes, states: list[sg.core.State]) -> Said:
    """Return what is said before each token of a text and behind the last; the states are added to a list."""
    state, found = compiled.start, []
    for token in tokens_of(text):
        states.append(state)
        found.append(said(compiled, state, len(found)))
        after = compiled.step(state, token)
        assert after is not None
        state = after
    states.append(state)
    return [*found, said(compiled, state, len(found))]


class Places:
    """Counts how often each place of our sources is met."""

    def __init__(self, sources: tuple[str, ...] = (SOURCES,)) -> None:
        self.sources, self.met = sources, dict[Place, int]()

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self.line if frame.f_code.co_filename.startswith(self.sources) else None

    def line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event in ("line", "return"):
            place = frame.f_code, frame.f_lineno, event
            self.met[place] = self.met.get(place, 0) + 1
        return self.line


class CutAt:
    """Raises an exception when a place is met for the `at`-th time. Other functions run as fast as ever."""

    def __init__(self, place: Place, at: int, kind: type[BaseException] = Cut) -> None:
        (self.code, self.number, self.event), self.left, self.kind = place, at, kind

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self.line if frame.f_code is self.code else None

    def line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == self.event and frame.f_lineno == self.number:
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                raise self.kind
        return self.line

    def __str__(self) -> str:
        return f"{self.code.co_filename[len(SOURCES) + 1 :]}:{self.number} {self.event} {self.left}"


@contextmanager
def traced(tracer: Places | CutAt | None) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer and tracer.call)
    try:
        yield
    finally:
        sys.settrace(before)


def _leaves_with(cut: CutAt) -> bool:
    with open(cut.code.co_filename, encoding="utf-8") as file:
        return file.read().splitlines()[cut.number - 1].lstrip().startswith("with ")


def _release_locks() -> int:
    """Release the locks that this thread still holds, which threads of later tests wait for; return how many
    there were. A cut leaves one where it stands at the line in which `with` ends: no signal comes there."""
    locks = [lock for _order, lock in _Registry.in_order() if lock._is_owned()]
    for lock in locks:
        while lock._is_owned():
            lock.release()
    return len(locks)


class Cutting:
    """The walks of one case that are cut off; what is said then is held to what is said without."""

    def __init__(self, case: Case, sources: tuple[str, ...] = (SOURCES,)) -> None:
        self.case = case
        for _ in range(2):  # caches of the process are warm the second time
            compiled, _grammar = self.compiled(sg.MaskStore())
            self.first, self.again = walk(compiled, case.text, []), walk(compiled, case.text, [])
            self.other = walk(compiled, case.other, [])
        places = Places(sources)
        with traced(places):
            walk(self.compiled(sg.MaskStore())[0], case.text, [])
        self.met = dict(sorted(places.met.items(), key=lambda one: (one[0][0].co_filename, *one[0][1:])))

    def compiled(self, store: sg.MaskStore) -> tuple[sg.CompiledGrammar, sg.Grammar]:
        grammar = self.case.grammar()
        return sg.compile(grammar, TOKENIZER, store=store), grammar

    def cut(self, *cuts: CutAt) -> str:
        """Cut off a walk once or more often; return what is wrong then, or nothing."""
        store, states = sg.MaskStore(), list[sg.core.State]()
        grammar: sg.Grammar | None = None
        compiled: sg.CompiledGrammar | None = None
        for cut in cuts:
            try:
                with traced(cut):
                    grammar = grammar or self.case.grammar()
                    compiled = compiled or sg.compile(grammar, TOKENIZER, store=store)
                    states.clear()
                    walk(compiled, self.case.text, states)
            except cut.kind:
                pass
            if _release_locks() and not _leaves_with(cut):
                return f"{cut}: it left a lock taken"
        try:
            grammar = grammar or self.case.grammar()
            compiled = compiled or sg.compile(grammar, TOKENIZER, store=store)
            if states:
                at = len(states) - 1
                assert said(compiled, states[-1], at) in (self.first[at], self.again[at]), "the held state"
            self.check(compiled)
            self.check(compiled.anew())
        except Exception as error:
            return f"{' then '.join(map(str, cuts))}: {error!r:.200}"
        return ""

    def check(self, compiled: sg.CompiledGrammar) -> None:
        assert walk(compiled, self.case.text, []) in (self.first, self.again), "the text that was cut off"
        assert walk(compiled, self.case.other, []) == self.other, "another text"

    def drawn(self, chance: random.Random) -> CutAt:
        """Return a cut at a place and a time drawn by chance."""
        place = chance.choice([*self.met])
        return CutAt(place, chance.randint(1, self.met[place]), KINDS[chance.randrange(len(KINDS))])


@pytest.mark.parametrize("name", ["patterns of keys", "objects that differ", "if and dependentSchemas"])
def test_a_schema_whose_walk_was_cut_off_says_what_a_new_one_says(name: str) -> None:
    cutting, chance = Cutting(CASES[name]), random.Random(1)
    assert list(filter(None, [cutting.cut(cutting.drawn(chance)) for _ in range(12)])) == []


@pytest.mark.parametrize("name", ["patterns of keys", "contains"])
def test_a_schema_is_whole_after_two_exceptions(name: str) -> None:
    cutting, chance = Cutting(CASES[name]), random.Random(2)
    cuts = [(cutting.drawn(chance), cutting.drawn(chance)) for _ in range(5)]
    assert list(filter(None, [cutting.cut(*two) for two in cuts])) == []


_CUT_BEFORE: set[Place] = set()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_schema_is_whole_after_an_exception_at_each_place(name: str) -> None:
    """Each place is cut the first, the last and one more time that it is met; one that another case has cut
    before, one time in four."""
    cutting, chance, wrong = Cutting(CASES[name]), random.Random(3), []
    for place, count in cutting.met.items():
        times = {1, count, chance.randint(1, count)}
        if place in _CUT_BEFORE:
            times = {chance.randint(1, count)} if chance.random() < 0.25 else set()
        _CUT_BEFORE.add(place)
        wrong += [cutting.cut(CutAt(place, at)) for at in sorted(times)]
    assert list(filter(None, wrong)) == []


@pytest.mark.slow
def test_a_schema_is_whole_after_exceptions_in_callbacks_of_weak_references() -> None:
    """What a callback raises is passed over: the entry of what has gone stays."""
    gc.collect()
    cutting = Cutting(CASES["objects that differ"], (weakref.__file__,))
    cuts = [CutAt(place, at) for place, count in cutting.met.items() for at in {1, count}]
    assert list(filter(None, map(cutting.cut, cuts))) == []


# --- matchers -----------------------------------------------------------------------------------------------


def _write(matcher: sg.Matcher) -> None:
    """Take a document, one token twice, and look at what there is to see."""
    for token in tokens_of(b'{"a":"xy","b":12}'):
        matcher.advance(token)
        matcher.events()
        matcher.rollback(1)
        matcher.advance(token)
        assert matcher.accepts([len(_TOKENS)]) in (0, 1)
    matcher.rollback(3)
    matcher.fork().reset()


def test_a_matcher_that_was_cut_off_has_as_many_states_as_tokens() -> None:
    """At each line of the matcher and of the log of its events, the first and the last time."""
    compiled = sg.compile(CASES["plain object"].grammar(), TOKENIZER, store=False)
    _write(sg.Matcher(compiled))
    files = f"{SOURCES}/core/matcher.py", f"{SOURCES}/json_text/events.py"
    places = Places(files)
    with traced(places):
        _write(sg.Matcher(compiled))
    fresh = sg.Matcher(compiled)
    for place, count in places.met.items():
        for at in {1, count}:
            cut, matcher = CutAt(place, at), sg.Matcher(compiled)
            try:
                with traced(cut):
                    _write(matcher)
            except Cut:
                pass
            fresh.reset()
            for token in matcher.tokens:
                fresh.advance(token)
            assert matcher._states == fresh._states, str(cut)
            assert (matcher.state_index, matcher.events()) == (fresh.state_index, fresh.events()), str(cut)
            _finish(matcher)


def _finish(matcher: sg.Matcher) -> None:
    """Take the completion of a document, and roll all back."""
    for token in tokens_of(matcher.compiled.completion(matcher.state)):
        matcher.advance(token)
    assert matcher.is_complete
    matcher.rollback(len(matcher.tokens))
    assert matcher.state == matcher.compiled.start


# --- what a call holds --------------------------------------------------------------------------------------


def test_garbage_is_collected_again_after_an_exception_at_each_place() -> None:
    def held_back() -> None:
        with pause_collection(), pause_collection():
            pass

    places = Places()
    with traced(places):
        held_back()
    for place in places.met:
        try:
            with traced(CutAt(place, 1)):
                held_back()
        except Cut:
            pass
        assert gc.isenabled()


def test_no_thread_of_a_batch_works_on_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller may then use the rows of its mask, and its matchers."""
    working, begun, real = [], threading.Event(), batch.wait

    def work(item: int) -> None:
        working.append(item)
        begun.set()
        time.sleep(0.01)
        working.remove(item)

    def interrupted(futures: Any) -> Any:
        monkeypatch.setattr(batch, "wait", real)
        begun.wait(600)
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_SECONDS_ALONE", 0.0)
    monkeypatch.setattr(batch.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(batch, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batch._spread_work(work, list(range(20)))
    assert working == []


def test_an_entry_point_of_an_import_that_was_cut_off_gives_way_to_its_successor() -> None:
    def one(number: int) -> int:
        return number

    one.__qualname__ = "cut_off"
    made = [jit.entry("int64(int64)")(one) for _ in range(2)]
    assert [function.__name__ for function in made] == [f"{__name__}.cut_off"] * 2
    assert len(ENTRIES[__name__]) == 1
    pytest.importorskip("numba")
    assert [function(3) for function in made] == [3, 3]


# --- threads and signals ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["patterns of keys", "contains", "widest"])
def test_a_schema_is_whole_where_one_thread_is_cut_off_while_others_walk(name: str) -> None:
    cutting, chance = Cutting(CASES[name]), random.Random(4)
    for _ in range(12):
        compiled, _grammar = cutting.compiled(sg.MaskStore())
        # `with` also ends in a line of its own, where no signal comes and which a lock does not survive
        cut = cutting.drawn(chance)
        found: list[Said] = []

        def cut_off(compiled: sg.CompiledGrammar = compiled, cut: CutAt = cut) -> None:
            try:
                with traced(cut if not _leaves_with(cut) else None):
                    walk(compiled, cutting.case.text, [])
            except cut.kind:
                pass

        def others(compiled: sg.CompiledGrammar = compiled, found: list[Said] = found) -> None:
            found.append(walk(compiled, cutting.case.text, []))

        threads = [threading.Thread(target=one, daemon=True) for one in (cut_off, others, others)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(600)
        assert not any(one.is_alive() for one in threads), str(cut)
        assert all(one in (cutting.first, cutting.again) for one in found), str(cut)
        cutting.check(compiled)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a platform without timer signals")
@pytest.mark.parametrize("name", ["patterns of keys", "objects that differ", "look-ahead, keys in any order"])
def test_a_schema_is_whole_after_signals_of_a_timer(name: str) -> None:
    cutting, chance, wrong = Cutting(CASES[name]), random.Random(5), []
    begun = time.perf_counter()
    walk(cutting.compiled(sg.MaskStore())[0], cutting.case.text, [])
    took = time.perf_counter() - begun

    def cut(*_: Any) -> None:
        raise Cut

    before = signal.signal(signal.SIGALRM, cut)
    try:
        for _ in range(100):
            compiled, _grammar = cutting.compiled(sg.MaskStore())
            for _ in range(2):
                delay = max(chance.random() * took, 1e-5)
                try:
                    signal.setitimer(signal.ITIMER_REAL, delay)
                    walk(compiled, cutting.case.text, [])
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Cut:
                    pass
            try:
                cutting.check(compiled)
                cutting.check(compiled.anew())
            except Exception as error:
                wrong.append(f"after {delay:.6f} s: {error!r:.200}")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert wrong == []
