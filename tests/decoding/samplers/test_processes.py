"""`sg.samplers.InProcess`: the same answers as in this process, a limit, and no process that is left over."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from exact import ALIVE, Bigram
from test_checkers import (
    LISTS,
    TOKENIZER,
    WORDS,
    Digits,
    Even,
    NotTwice,
    NoTwins,
    exhausted,
)

import structgen as sg
from structgen.asking.processes.worker_process import LateError, WorkerProcess
from structgen.base.json_text.events import Place
from structgen.decoding.samplers.processes import MOST_STATE

_others = list[multiprocessing.Process]()
"""Processes that objects of other tests hold while a test here begins."""


def _children():
    """Return the processes that were started since the test began."""
    return [one for one in multiprocessing.active_children() if one not in _others]


@pytest.fixture(autouse=True)
def _nothing_is_left_over():
    _others[:] = multiprocessing.active_children()
    yield
    assert _children() == []


class Hangs:
    """Hangs at the prefix "ab"; to be slow is not to be busy."""

    def viable(self, prefix):
        while prefix == b"ab":
            time.sleep(0.01)
        return True


class Interrupts(Hangs):
    """Before it hangs, it interrupts the process that asks it."""

    def __init__(self, asking):
        self.asking = asking

    def viable(self, prefix):
        if prefix == b"ab":
            os.kill(self.asking, signal.SIGINT)
        return super().viable(prefix)


def draw(checker, n=5, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4, "method": "cars"} | options
    return sg.sample(Bigram(3, ALIVE), [97], WORDS, n, checkers=[checker], **options)


@pytest.mark.parametrize(
    ("checker", "compiled", "model"),
    [
        (NoTwins(), WORDS, Bigram(3, ALIVE)),
        (Even(), WORDS, Bigram(3, ALIVE)),
        (NotTwice(), LISTS, Digits(4)),
        (lambda text: "b" not in text, WORDS, Bigram(3, ALIVE)),
    ],
    ids=["viable", "final", "stateful", "function"],
)
def test_the_law_is_that_of_the_checker_itself(checker, compiled, model):
    there = exhausted(compiled, model, sg.samplers.InProcess(checker), max_tokens=5)
    assert there == exhausted(compiled, model, checker, max_tokens=5)


@pytest.mark.slow
def test_a_fresh_python_serves_where_there_is_no_fork(monkeypatch):
    monkeypatch.setattr("structgen.asking.processes.worker_process.sys", SimpleNamespace(platform="darwin"))
    with sg.samplers.InProcess(NotTwice()) as checker:
        first, second = checker.copy(), checker.copy()
        one = sg.samplers.ClosedValue(Place(Place(None, ""), 0), b"1")
        assert first.closed(one)
        assert not first.closed(one)
        assert second.closed(one)

    class Local(NoTwins):
        pass

    with pytest.raises(sg.StructgenError, match=r"Local cannot be sent.*Define it at the top"):
        sg.samplers.InProcess(Local()).viable(b"a")


def test_a_late_answer_is_an_error_that_names_the_limit():
    with pytest.raises(sg.StructgenError, match=r"Hangs did not answer viable within 0\.1 seconds"):
        draw(sg.samplers.InProcess(Hangs(), seconds=0.1), 200)


def test_a_late_answer_may_count_as_a_refusal():
    found = draw(sg.samplers.InProcess(Hangs(), seconds=0.1, on_timeout="refuse"), 60)
    assert len(found) == 60
    assert not any(text.startswith("ab") and len(text) == 2 for text in found.texts)


def test_ctrl_c_ends_the_process_of_a_checker_that_hangs():
    hanging = sg.samplers.InProcess(Interrupts(os.getpid()), seconds=600)
    assert hanging.viable(b"a")
    with pytest.raises(KeyboardInterrupt):
        hanging.viable(b"ab")
    assert _children() == []
    assert hanging.viable(b"a")  # by another process
    hanging.close()


def test_the_process_ends_with_the_run_with_close_and_with_the_object():
    class Short:
        def viable(self, prefix):
            return len(prefix) < 3

    draw(sg.samplers.InProcess(Short()))
    assert _children() == []
    with sg.samplers.InProcess(Short()) as checker:
        assert checker.viable(b"a")
        assert len(_children()) == 1
    assert _children() == []
    dropped = sg.samplers.InProcess(Short())
    dropped.viable(b"a")
    del dropped


def test_the_process_ends_where_the_run_raises():
    def model(ids):
        raise ValueError("no model")

    checker = sg.samplers.InProcess(NoTwins())
    checker.viable(b"a")
    with pytest.raises(ValueError, match="no model"):
        sg.sample(model, [97], WORDS, 1, tokenizer=TOKENIZER, name="m", checkers=[checker])
    assert _children() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the checker of this test is sent by a fork")
def test_the_process_ends_when_this_one_is_killed():
    script = (
        "import os, signal, sys, structgen as sg, time\n"
        "checker = sg.samplers.InProcess(lambda value: value == 1 or time.sleep(600), seconds=900)\n"
        "checker.final(1)\n"
        "print(checker._worker._process.pid, flush=True)\n"
        "checker.final(2)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        os.kill(pid, 0)
        running.kill()
    for _ in range(1000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                return  # ended; it waits for whoever inherits it
        time.sleep(0.01)
    pytest.fail("the process of the checker is still there")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_that_lets_go_of_a_checker_leaves_its_process_alone():
    with sg.samplers.InProcess(NoTwins()) as checker:
        assert checker.viable(b"a")
        (process,) = _children()
        child = os.fork()
        if child == 0:
            try:
                checker.close()
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert checker.viable(b"a")
        assert _children() == [process]


def _raises(number):
    raise KeyError(number)


def _is_late(number):
    time.sleep(60)


@pytest.mark.parametrize(("function", "seconds", "left"), [(_raises, 60.0, 1), (_is_late, 0.01, 0)])
def test_a_process_whose_call_failed_ends_with_its_object(function, seconds, left):
    """At once: no cycle of errors and frames keeps the object until garbage is collected. The process of a
    late call is ended before."""
    gc.disable()
    try:
        worker = WorkerProcess(function, "function", "here")
        with contextlib.suppress(KeyError, LateError):
            worker.call_function((1,), seconds, "", "")
        assert len(_children()) == left
        del worker
        assert _children() == []
    finally:
        gc.enable()


class Broken:
    def viable(self, prefix):
        return {}[prefix]


class Dies:
    def viable(self, prefix):
        os._exit(3)


class Stuck(NoTwins):
    def __init__(self):
        self.lock = None

    def viable(self, prefix):
        self.lock = threading.Lock()
        return True


@pytest.mark.parametrize(
    ("checker", "said", "cause"),
    [
        (Broken(), "Broken raised KeyError", KeyError),
        (Dies(), "process of the checker Dies ended with exit code 3", object),
        (Stuck(), r"state of the checker Stuck cannot be sent.*cannot pickle", object),
    ],
    ids=["raises", "dies", "keeps a lock"],
)
def test_what_goes_wrong_in_the_process_is_an_error_that_names_the_checker(checker, said, cause):
    with pytest.raises(sg.StructgenError, match=said) as error:
        draw(sg.samplers.InProcess(checker))
    assert isinstance(error.value.__cause__, cause)


class Grows:
    """Keeps more for each byte that it has seen."""

    def __init__(self, each):
        self.kept, self.each = b"", each

    def viable(self, prefix):
        self.kept = bytes(self.each * len(prefix))
        return True


def test_a_state_that_keeps_growing_is_an_error_that_says_how_large_it_is():
    assert len(draw(sg.samplers.InProcess(Grows(MOST_STATE // 8)))) == 5
    with pytest.raises(sg.StructgenError, match=r"Grows keeps [\d,]+ bytes of state.*the limit is 65,536"):
        draw(sg.samplers.InProcess(Grows(MOST_STATE // 2)))


def test_the_fingerprint_is_the_checkers_own():
    class Marked(NoTwins):
        fingerprint = "no twins"

    tree = sg.samplers.PrefixTree()
    first = draw(Marked(), 5, tree=tree)
    again = draw(sg.samplers.InProcess(Marked()), 5, tree=tree)
    assert len(first) == len(again) == 5
    with pytest.raises(sg.errors.OptionError, match="fingerprint"):
        draw(sg.samplers.InProcess(NoTwins()), tree=sg.samplers.PrefixTree())


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"on_timeout": "ask"}, "on_timeout"),
    ],
)
def test_a_limit_that_is_none_is_refused(options, where):
    with pytest.raises(sg.errors.OptionError) as error:
        sg.samplers.InProcess(NoTwins(), **options)
    assert error.value.where == where
    with pytest.raises(sg.errors.OptionError, match="none of the methods"):
        sg.samplers.InProcess(3)
