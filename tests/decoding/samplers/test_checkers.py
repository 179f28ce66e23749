"""Checkers: they are part of the law whatever methods they have, their state belongs to a prefix, and what
goes wrong in one is an error that names it."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import math
import weakref
from collections import Counter

import numpy as np
import pytest
from exact import ALIVE, END, OTHER_END, TOKENIZER, TOKENS, Bigram, law_of_texts

import structgen as sg
from structgen.decoding.samplers import target as target_module
from structgen.decoding.samplers.rows import FunctionRows
from structgen.decoding.samplers.target import Target

WORDS = sg.compile(sg.regex("[abc]{0,4}"), TOKENIZER)
LISTS = sg.compile(
    sg.json_schema(
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 3}, "maxItems": 3},
        whitespace="compact",
    ),
    TOKENIZER,
)
WALKS = ("beams", "cars", "importance", "asap")


class Digits(Bigram):
    """A model of lists of digits."""

    def __init__(self, seed):
        super().__init__(seed, (b"[", b"]", b",", b"1", b"2", b"3"))


def target_of(compiled, *checkers, model=None, max_tokens=8):
    model = model or Bigram(3, ALIVE)
    rows = FunctionRows(model, [97], compiled.vocab_size, "bigram")
    return Target(rows, compiled, max_tokens=max_tokens, checkers=checkers)


def after(target, *texts):
    """Return the prefix behind tokens, given by their texts; None once a checker has ruled it out."""
    prefix = target.start()
    for text in texts:
        prefix = prefix and target.extend_prefix(prefix, TOKENS.index(text))
    return prefix


def exhausted(compiled, model, *checkers, max_tokens=8, **options):
    """Return the probabilities of all valid texts, which beams give exactly."""
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": max_tokens} | options
    found = sg.sample(model, [97], compiled, 100_000, method="beams", checkers=checkers, **options)
    assert found.statistics.stopped == "exhausted"
    return dict(zip(found.token_ids, np.exp(found.log_weights), strict=True))


def words(accepts):
    every = itertools.chain(*(itertools.product(b"abc", repeat=length) for length in range(5)))
    return {bytes(word) for word in every if accepts(bytes(word))}


def lists(accepts):
    every = itertools.chain(*(itertools.product((1, 2, 3), repeat=length) for length in range(4)))
    return {json.dumps(list(one), separators=(",", ":")).encode() for one in every if accepts(one)}


def no_twins(text):
    return all(one != other for one, other in itertools.pairwise(text))


class NoTwins:
    def viable(self, prefix):
        return no_twins(prefix)


class Even:
    def final(self, value):
        return len(value) % 2 == 0


class NotTwice:
    """No item of a list comes twice; what was seen is kept in a set that is changed in place."""

    def __init__(self):
        self.seen = set()

    def closed(self, event):
        if len(event.path) != 1:
            return True
        if event.value in self.seen:
            return False
        self.seen.add(event.value)
        return True


class NoBBehindA:
    """A mask: behind "a" no token may begin with "b"."""

    def mask(self, state):
        if not state.text.endswith(b"a"):
            return None
        return np.array([text is None or not text.startswith(b"b") for text in TOKENS])


# --- the law ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkers", "accepts"),
    [
        ([NoTwins()], no_twins),
        ([Even()], lambda text: len(text) % 2 == 0),
        ([lambda text: text.count("a") == 2], lambda text: text.count(b"a") == 2),
        ([NoTwins(), Even()], lambda text: no_twins(text) and len(text) % 2 == 0),
    ],
    ids=["viable", "final", "function", "two"],
)
def test_any_subset_of_methods_is_part_of_the_law(checkers, accepts):
    model = Bigram(3, ALIVE)
    found = exhausted(WORDS, model, *checkers)
    assert found == pytest.approx(law_of_texts(model, words(accepts), 8), rel=1e-9)


def test_a_mask_is_part_of_the_law():
    model = Bigram(3, ALIVE)
    found = exhausted(WORDS, model, NoBBehindA(), max_tokens=4)
    wanted = {
        tokens: mass
        for tokens, mass in law_of_texts(model, words(lambda text: True), 4).items()
        if not any(
            TOKENS[one].endswith(b"a") and TOKENS[other].startswith(b"b")
            for one, other in itertools.pairwise(tokens)
        )
    }
    assert found == pytest.approx(wanted, rel=1e-9)


def test_a_mask_may_keep_a_text_from_ending():
    class Longer:
        def mask(self, state):
            mask = np.ones(len(TOKENS), np.bool_)
            mask[[END, OTHER_END]] = len(state.text) >= 3
            return mask

    model = Bigram(3, ALIVE)
    found = exhausted(WORDS, model, Longer())
    assert found == pytest.approx(law_of_texts(model, words(lambda text: len(text) >= 3), 8), rel=1e-9)


@pytest.mark.parametrize("method", [*WALKS, "smc", "awrs", "rejection", "masked"])
def test_state_belongs_to_a_prefix_in_every_method(method):
    """With a set that particles or walks share, lists that were fine would be refused, or twins pass."""
    model, checker = Digits(4), NotTwice()
    wanted = law_of_texts(model, lists(lambda one: len(set(one)) == len(one)), 8)
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 8, "budget": 1500}
    found = sg.sample(model, [97], LISTS, 60, method=method, checkers=[checker], **options)
    assert all(len(set(value)) == len(value) for value in found.values)
    assert checker.seen == set()
    if method in ("importance", "smc", "awrs"):
        z = sum(wanted.values())
        estimates = [
            math.exp(
                sg.sample(
                    model, [97], LISTS, 20, method=method, checkers=[checker], seed=seed, **options
                ).log_z
            )
            for seed in range(24)
        ]
        assert abs(np.mean(estimates) - z) < 4 * np.std(estimates, ddof=1) / math.sqrt(len(estimates))


def test_a_checker_of_closed_values_is_part_of_the_law_and_is_copied_by_its_own_copy_where_it_has_one():
    made, model = [], Digits(4)
    wanted = pytest.approx(law_of_texts(model, lists(lambda one: len(set(one)) == len(one)), 8), rel=1e-9)

    class Counted(NotTwice):
        def copy(self):
            twin = copy.copy(self)
            twin.seen = set(self.seen)
            made.append(twin)
            return twin

    assert exhausted(LISTS, model, NotTwice()) == wanted
    assert exhausted(LISTS, model, Counted()) == wanted
    assert made


# --- what they are asked ------------------------------------------------------------------------------------


def test_the_events_are_the_values_that_close_in_the_order_of_the_text():
    seen = []

    class Noted:
        def closed(self, event):
            seen.append((event.path, event.pointer, event.value))
            return True

        def copy(self):
            return self

    schema = {
        "type": "object",
        "properties": {"a/b": {"type": "array", "items": {"type": "boolean"}}, "n": {"type": "number"}},
    }
    compiled = sg.compile(sg.json_schema(schema), TOKENIZER)
    target = target_of(compiled, Noted(), max_tokens=60)
    assert after(target, *(bytes([byte]) for byte in b'{"a/b": [true, false], "n": 1.5}'))
    assert seen == [
        (("a/b", 0), "/a~1b/0", True),
        (("a/b", 1), "/a~1b/1", False),
        (("a/b",), "/a~1b", [True, False]),
        (("n",), "/n", 1.5),
        ((), "", {"a/b": [True, False], "n": 1.5}),
    ]


def test_a_checker_that_changes_what_it_is_given_misleads_no_other():
    class Sorts:
        def closed(self, event):
            event.value.clear() if event.path == () else None
            return True

        def final(self, value):
            value.clear()
            return True

    class Longer:
        def closed(self, event):
            return event.path != () or len(event.value) == 2

        def final(self, value):
            return len(value) == 2

    target = target_of(LISTS, Sorts(), Longer())
    prefix = after(target, b"[", b"1", b",", b"2", b"]")
    assert target.accepts_text(prefix)


def test_a_number_that_is_the_document_closes_at_its_end():
    seen = []

    class Noted:
        def closed(self, event):
            seen.append(event.value)
            return event.value != 12

        def copy(self):
            return self

    compiled = sg.compile(sg.json_schema({"type": "integer"}), TOKENIZER)
    target = target_of(compiled, Noted())
    prefix = after(target, b"1", b"2")
    assert seen == []
    assert not target.accepts_text(prefix)
    assert target.accepts_text(after(target, b"1", b"2", b"3"))
    assert seen == [12, 123]


@pytest.mark.parametrize(
    ("grammar", "kind"),
    [(sg.regex("[0-9]{2}"), str), (sg.json_schema({"type": "integer"}), int), (list[int], list)],
)
def test_final_is_asked_with_the_value_that_samples_have(grammar, kind):
    if kind is list:
        pytest.importorskip("pydantic")
    seen = []

    def noted(value):
        seen.append(value)
        return True

    def digits(ids):
        row = np.full(len(TOKENS), -30.0)
        row[[TOKENS.index(one) for one in (b"1", b"2", b"[", b"]", b",", b" ")] + [END]] = 0.0
        return row

    found = sg.sample(digits, [], grammar, 3, tokenizer=TOKENIZER, name="m", checkers=[noted], max_tokens=9)
    assert all(value in seen for value in found.values)
    assert {type(value) for value in seen} == {kind}


def test_a_prefix_is_asked_about_once():
    asked = Counter()

    class Noted:
        def viable(self, prefix):
            asked[prefix] += 1
            return no_twins(prefix)

        def final(self, value):
            asked[value] += 1
            return True

        is_repeatable = False  # else accepted texts have one of their prefixes asked about once more

    single = Bigram(3, (b"a", b"b", b"c"))
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 8, "checkers": [Noted()]}
    found = sg.sample(single, [97], WORDS, 300, method="cars", **options)
    assert max(asked.values()) == 1
    assert found.statistics.checks == sum(asked.values())


def test_a_forced_rest_is_checked_before_its_rows_are_read():
    """Behind its first letter each word is forced, so a word that is refused costs no row."""
    model = Bigram(3, (b"a", b"b", b"c"))
    compiled = sg.compile(sg.choice(["abca", "baba", "cccc"]), TOKENIZER)
    target = target_of(compiled, lambda text: text == "baba", model=model)
    assert after(target, b"a") is None
    assert after(target, b"c") is None
    whole = after(target, b"b", b"a", b"b", b"a")
    assert target.accepts_text(whole)
    assert target.checks == 3
    found = exhausted(compiled, model, lambda text: text == "baba")
    assert found == pytest.approx(law_of_texts(model, {b"baba"}, 8), rel=1e-9)


# --- what is wrong with a checker ---------------------------------------------------------------------------


class NotMonotone:
    """Refuses texts of two bytes, and none of three."""

    def viable(self, prefix):
        return len(prefix) != 2


@pytest.mark.parametrize("order", [(b"a", b"bc"), (b"bc", b"a")])
def test_a_checker_that_is_not_monotone_is_named_with_the_prefix(order):
    target = target_of(WORDS, NotMonotone())
    with pytest.raises(sg.StructgenError, match=r"NotMonotone is not monotone.* b'ab', but accepts b'abc'"):
        for second in order:
            # By the token "abc", which has "ab" inside, and by the tokens "a" and "b".
            after(target, b"abc") if second == b"bc" else after(target, b"a", b"b")


def test_accepted_texts_are_probed_for_a_prefix_that_is_not_viable():
    """The text is one token, so that no run asks about a prefix of it by itself."""
    target = target_of(WORDS, NotMonotone())
    prefix = after(target, b"abc")
    with pytest.raises(sg.StructgenError, match="not monotone"):
        for text in (prefix, after(target, b"abc", b"c"), after(target, b"abc", b"a")):
            target.accepts_text(text)


def test_a_predicate_that_raises_is_an_error_with_its_cause():
    class Broken:
        def viable(self, prefix):
            return {}[prefix]

    with pytest.raises(
        sg.StructgenError, match=r"checkers\[1\]: .*Broken raised KeyError.*viable\(b"
    ) as error:
        sg.sample(
            Bigram(1, ALIVE), [97], WORDS, 1, tokenizer=TOKENIZER, name="m", checkers=[NoTwins(), Broken()]
        )
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([object()], "none of the methods"),
        ([3], "none of the methods"),
        ([NoTwins], "The class NoTwins"),
        ([NotTwice()], "would never be called"),
        *((wrong, "must be a list") for wrong in (NoTwins(), len, None, "abc")),
    ],
)
def test_what_is_no_list_of_checkers_is_refused(given, what):
    with pytest.raises(sg.errors.OptionError, match=what):
        sg.sample(Bigram(1, ALIVE), [97], WORDS, 1, tokenizer=TOKENIZER, name="m", checkers=given)


def test_an_answer_that_is_no_bool_is_an_error():
    def says_nothing(value):
        return None

    with pytest.raises(sg.StructgenError, match="says_nothing returned None, which is not a bool"):
        target_of(WORDS, says_nothing).accepts_text(target_of(WORDS, says_nothing).start())


@pytest.mark.parametrize("mask", [np.ones(3, np.bool_), np.ones(len(TOKENS)), [[True]]])
def test_an_array_that_is_no_mask_is_an_error(mask):
    class Masked:
        def mask(self, state):
            return mask

    target = target_of(WORDS, Masked())
    with pytest.raises(sg.StructgenError, match="Masked returned an array"):
        target.read_steps([target.start()])


def test_a_checker_that_cannot_be_copied_is_an_error_that_says_how():
    class Stuck(NoTwins):
        def __init__(self):
            self.rows = (row for row in ())

    with pytest.raises(sg.StructgenError, match=r"Stuck cannot be copied.*Define copy"):
        after(target_of(WORDS, Stuck()), b"a")


def test_the_states_that_a_run_keeps_are_bounded_and_end_with_it(monkeypatch):
    alive, most = weakref.WeakSet(), []

    class Counted:
        """Its states can be counted."""

        def viable(self, prefix):
            most.append(len(alive))
            return True

        def copy(self):
            alive.add(found := Counted())
            return found

    monkeypatch.setattr(target_module, "REMEMBERED", 8)
    options = {"tokenizer": TOKENIZER, "name": "m", "method": "cars", "max_tokens": 6}
    gc.disable()  # what the run makes stays young, and is all that is looked at
    try:
        sg.sample(Bigram(1, ALIVE), [97], WORDS, 40, checkers=[Counted()], **options)
        gc.collect(0)
    finally:
        gc.enable()
    # Those remembered, and those of the walk that is under way and of the question that is being asked.
    assert 8 <= max(most) <= 8 + 8
    assert len(alive) == 0
