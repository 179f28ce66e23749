from __future__ import annotations

import gc
import threading
import time
from array import array
from itertools import count

import fake_engines
import pytest
from replays import played_by

from structgen.doors.maskbench.measurements import NOT_MEASURED, Verdict
from structgen.doors.maskbench.readers import Case, Instance
from structgen.doors.maskbench.replay import replay_tokens
from structgen.doors.maskbench.run_report import times_by_measure
from structgen.tokens.tokenizer import Tokenizer

TOKENIZER = Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [b'"ab', None], eos_token_id=257)


def enum(*members, valid=(), invalid=(), bare=False):
    import json

    instances = [Instance(json.dumps(value).encode(), True) for value in valid]
    instances += [Instance(json.dumps(value).encode(), False) for value in invalid]
    return Case("c", "s", json.dumps({"enum": list(members)}), tuple(instances), bare)


def played(factory, case):
    """Return what comes of one case."""
    return played_by(factory(TOKENIZER), TOKENIZER, case)


def kinds(found):
    """Return the verdicts on the instances."""
    return [step.kind for step in found.steps[1:]]


def test_an_exact_engine_is_right_about_valid_and_invalid_instances():
    found = played(fake_engines.Listed, enum("ab", 17, valid=["ab", 17], invalid=["abc", 1, 170, None]))
    assert kinds(found) == [Verdict.RIGHT] * 6


def test_a_prefix_of_a_document_is_not_accepted_for_want_of_the_end():
    found = played(fake_engines.AcceptsEverything, enum(1, valid=[1]))
    assert kinds(found) == [Verdict.RIGHT]
    found = played(fake_engines.Listed, enum(12, valid=[1]))
    assert kinds(found) == [Verdict.VALID_REFUSED]


@pytest.mark.parametrize("valid", [["ab", 17], ["ab"], []])
def test_every_call_is_measured_once(valid):
    case = enum("ab", 17, valid=valid)
    one = played(fake_engines.Listed, case)
    positions = [len(TOKENIZER.encode(instance.text)) for instance in case.instances]
    # Of each instance a mask before every token and one for the end; the very first is the first mask's.
    assert len(times_by_measure(one)["mask"]) == sum(n + 1 for n in positions) - bool(valid)
    assert len(times_by_measure(one)["commit"]) == sum(positions)
    assert list(one.steps[0].times) > [0]


def test_masks_and_commits_are_timed_by_the_clock_of_the_session():
    class Counted(fake_engines.Listed):
        def compile(self, schema):
            start, ticks = super().compile(schema), count(0, 7)

            def session():
                found = start()
                found.clock = lambda: next(ticks)
                return found

            return session

    found = played(Counted, enum(17, valid=[17]))
    assert found.steps[1].times.tolist() == [NOT_MEASURED, 7, 7, 7, 7, NOT_MEASURED]


def test_a_garbage_collection_in_the_middle_of_a_call_is_told():
    class Collects(fake_engines.Listed):
        def compile(self, schema):
            start = super().compile(schema)

            def session():
                found = start()
                fill = found.fill
                found.fill = lambda: (gc.collect(), fill())
                return found

            return session

    enabled = gc.isenabled()
    gc.disable()
    try:
        found = played(Collects, enum("ab", valid=["ab"]))
        none = played(fake_engines.Listed, enum("ab", valid=["ab"]))
    finally:
        if enabled:
            gc.enable()
    positions = len(TOKENIZER.encode(b'"ab"'))
    assert [len(step.pauses) for step in found.steps] == [1, positions]
    assert not any(len(step.pauses) for step in none.steps)


def test_the_time_of_the_processor_counts_all_threads():
    spent = []

    class Threaded(fake_engines.Listed):
        def compile(self, schema):
            def work():
                begun = time.thread_time_ns()
                sum(range(10**6))
                spent.append(time.thread_time_ns() - begun)

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return super().compile(schema)

    found = played(Threaded, enum("ab", valid=["ab"]))
    assert found.steps[0].cpu >= spent[0]


def test_a_mask_whose_commit_raised_does_not_shift_the_times_that_follow():
    class RaisesOnce(fake_engines.Listed):
        def compile(self, schema):
            texts = self.texts(schema)

            class Raising(fake_engines.ListedSession):
                def take(self, token):
                    raise RuntimeError("a bug")

            sessions = [Raising(texts, self.tokenizer)]
            return lambda: sessions.pop() if sessions else fake_engines.ListedSession(texts, self.tokenizer)

    found = played(RaisesOnce, enum(17, valid=[17, 17]))
    first, pairs = found.steps[1].times, found.steps[2].times
    assert kinds(found) == [Verdict.CRASHED, Verdict.RIGHT]
    assert first.tolist() == [NOT_MEASURED, NOT_MEASURED]
    assert len(pairs) % 2 == 0
    assert pairs[-1] == NOT_MEASURED


def test_a_refusal_names_the_byte_where_the_token_begins_and_what_was_expected():
    found = played(fake_engines.Listed, enum("abc", valid=["abd"]))
    assert (found.steps[1].byte, found.steps[1].expected) == (3, "one of the listed texts")


def test_a_fault_in_telling_why_does_not_change_the_verdict():
    class Silent(fake_engines.Listed):
        def compile(self, schema):
            session = super().compile(schema)()
            session.why = lambda text, start: 1 // 0
            return lambda: session

    found = played(Silent, enum("abc", valid=["abd"]))
    assert (kinds(found), found.steps[1].byte) == ([Verdict.VALID_REFUSED], 3)
    assert "ZeroDivisionError" in found.steps[1].expected


def test_commit_refusing_what_the_mask_allows_is_a_crash():
    found = played(fake_engines.Contradicts, enum(1, valid=[1]))
    assert kinds(found) == [Verdict.CRASHED]
    assert "in the mask, but is refused" in found.steps[1].detail


def test_an_instance_without_a_mask_for_its_first_token_takes_nothing():
    session = fake_engines.ListedSession([b"1"], TOKENIZER)
    assert replay_tokens(session, TOKENIZER.encode(b"2"), array("q")) == 0


@pytest.mark.parametrize(
    ("engine", "verdict", "least"),
    [
        (fake_engines.Listed, Verdict.RIGHT, len(TOKENIZER.encode(b'"abab"')) - 2),
        (fake_engines.RefusesEverything, Verdict.DEAD_END, 0),
        (fake_engines.AcceptsEverything, Verdict.INVALID_ACCEPTED, 0),
    ],
)
def test_a_bare_schema_is_walked_to_a_document_or_a_dead_end(engine, verdict, least):
    found = played(engine, enum("abab", bare=True))
    assert kinds(found) == [verdict]
    assert len(times_by_measure(found)["commit"]) >= least
