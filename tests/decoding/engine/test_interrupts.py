"""An exception at any line of a step is that of one text, or of whoever was driving: the other texts come out
bit for bit as if nothing had been, nothing hangs, and the engine goes on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from interrupting import Injected, Place, Tracer, tracing
from request_kinds import NUMBERS, PERSON, TOKENIZER, requests
from small_models import Function, TreeFunction

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Handle, Request, Result, Sampling
from structgen.decoding.engine.model_protocol import Model


def _requests() -> list[Request]:
    """Requests of all kinds: drawn and likeliest, sampled twice, steered, thinking first, free, stopped."""
    first, *others = requests(6)
    return [replace(first, n=2), *others]


class _Run:
    """The requests on their way, each with a listener."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.handles = [handle for one in _requests() for handle in engine.submit(one)]
        self.heard: list[list[str | None]] = [[] for _ in self.handles]
        for handle, heard in zip(self.handles, self.heard, strict=True):
            handle.listen(heard.append)

    def finish(self, most: int = 300) -> int:
        """Take steps until all is done; returns how many exceptions came out of them."""
        raised = 0
        for _ in range(most):
            try:
                if not self.engine.step():
                    return raised
            except (Injected, KeyboardInterrupt):
                raised += 1
            assert not self.engine._loop._lock.locked()
        raise AssertionError("the texts have no end")


def _of(result: Result | None) -> object:
    assert result is not None
    told = [(s.token, s.logprob, s.constrained, s.steered, s.likeliest_allowed) for s in result.steps]
    return result.tokens, result.text, result.thoughts, result.finish_reason, told


_LONG = 60.0
"""Seconds of a pass below which masks are worked out without a thread."""


@pytest.fixture(params=[_LONG, 0.0], ids=["one_thread", "masks_apart"])
def short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.decoding.engine.loop._SHORT_PASS", request.param)


@functools.cache
def _expected() -> list[object]:
    run = _Run(Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=3))
    run.finish()
    return [_of(handle.result) for handle in run.handles]


def _places(engine: Callable[[], Engine]) -> list[tuple[Place, int]]:
    """Return each line of a whole run, and how often it is reached."""
    _Run(engine()).finish()
    run, tracer = _Run(engine()), Tracer()
    with tracing(tracer):
        run.finish()
    return sorted(tracer.reached.items())


def _check(engine: Engine, place: Place, time: int, error: BaseException, expected: list[object]) -> bool:
    """Hold a run in which an exception comes at a line to an undisturbed one; returns whether it came."""
    run, tracer = _Run(engine), Tracer(place, time, error)
    with tracing(tracer):
        run.finish()
    told = f"{place[0].rpartition('/')[2]}:{place[1]}, time {time}, {type(error).__name__}"
    wrong = []
    for handle, heard, wanted in zip(run.handles, run.heard, expected, strict=True):
        result = handle.result
        assert handle.is_done and result is not None, told
        if result.error is not None:
            wrong.append(result.error)
            continue
        assert _of(result) == wanted, told
        assert heard[-1] is None and heard.count(None) <= 2, told
        assert "".join(filter(None, heard)) == result.text, told
    if isinstance(error, KeyboardInterrupt):
        # only where it came within the call of a listener, which may have heard the piece or not
        assert all("interrupted" in str(one) for one in wrong) and len(wrong) <= 1, (told, wrong)
    else:
        failed = [one for one in wrong if "The model failed" not in str(one)]
        assert len(failed) <= 1 and (not failed or len(wrong) == 1), (told, wrong)
    # and the same engine goes on
    again = _Run(run.engine)
    again.finish()
    assert [_of(handle.result) for handle in again.handles] == expected, told
    return tracer.is_over


def _errors() -> tuple[BaseException, BaseException]:
    return Injected("at a line"), KeyboardInterrupt()


def _engine() -> Engine:
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=3)


@pytest.mark.usefixtures("short")
def test_an_exception_at_a_line_of_a_step_leaves_the_other_texts_as_they_are() -> None:
    draw = random.Random(5)
    for number, (place, times) in enumerate(draw.sample(_places(_engine), 3)):
        _check(_engine(), place, draw.randrange(times), _errors()[number % 2], _expected())


def _tree_engine() -> Engine:
    return Engine(TreeFunction(TOKENIZER.vocab_size), TOKENIZER, max_rows=3)


@pytest.mark.usefixtures("short")
def test_an_exception_at_a_line_of_a_step_with_drafts_leaves_the_other_texts_as_they_are() -> None:
    draw = random.Random(6)
    for number, (place, times) in enumerate(draw.sample(_places(_tree_engine), 3)):
        _check(_tree_engine(), place, draw.randrange(times), _errors()[number % 2], _expected())


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("engine", [_engine, _tree_engine])
@pytest.mark.parametrize("which", ["first", "last", "any"])
def test_an_exception_at_every_line_of_a_step_leaves_the_other_texts_as_they_are(
    which: str, engine: Callable[[], Engine]
) -> None:
    draw = random.Random(which)
    came = 0
    places = _places(engine)
    for place, times in places:
        time = {"first": 0, "last": times - 1, "any": draw.randrange(times)}[which]
        for error in _errors():
            came += _check(engine(), place, time, error, _expected())
    assert len(places) > 300 and came > 1.8 * len(places)


# --- who hears of a failure ---------------------------------------------------------------------------------


def _others(handles: Sequence[Handle], requests: Sequence[Request]) -> None:
    """Hold texts to those of engines of their own."""
    for handle, request in zip(handles, requests, strict=True):
        (alone,) = _engine().generate(request)
        assert handle.result is not None and handle.result.error is None
        assert _of(handle.result) == _of(alone)


def _people(count: int) -> list[Request]:
    return [Request(f"person {i}", PERSON, Sampling(seed=i), max_tokens=30) for i in range(count)]


@pytest.mark.parametrize(
    ("piece", "error"), [(2, ZeroDivisionError), ("the end", ZeroDivisionError), (3, KeyboardInterrupt)]
)
def test_a_listener_that_fails_ends_its_own_text_with_its_error(
    piece: int | str, error: type[BaseException]
) -> None:
    """An interrupt reaches whoever drives, too."""
    engine, requests = _engine(), _people(3)
    handles = [engine.submit(request)[0] for request in requests]
    heard: list[str | None] = []

    def want(written: str | None) -> None:
        heard.append(written)
        if len(heard) == piece or (piece == "the end" and heard == [*heard[:-1], None]):
            raise error("of the listener")

    handles[1].listen(want)
    with pytest.raises(error) if error is KeyboardInterrupt else contextlib.nullcontext():
        engine.drive(handles)
    engine.drive(handles)
    failed = handles[1].result
    assert failed is not None and failed.finish_reason is FinishReason.ERROR
    assert isinstance(failed.error and failed.error.__cause__, error) or "interrupted" in str(failed.error)
    assert heard[-1] is None and (piece == "the end" or len(heard) == int(piece) + 1)
    assert failed.text.startswith("".join(filter(None, heard))[: len(failed.text)])
    _others([handles[0], handles[2]], [requests[0], requests[2]])


def test_a_listener_that_comes_late_hears_all_that_is_written() -> None:
    engine, (request,) = _engine(), _people(1)
    (handle,) = engine.submit(request)
    for _ in range(5):
        engine.step()
    heard: list[str | None] = []
    handle.listen(heard.append)
    engine.drive([handle])
    handle.listen(heard.append)
    assert handle.result is not None
    assert "".join(filter(None, heard)) == 2 * handle.result.text and heard.count(None) == 2


def test_a_listener_may_submit_and_not_drive() -> None:
    engine, (first, second) = _engine(), _people(2)
    (handle,) = engine.submit(first)
    more: list[Handle] = []

    def want(piece: str | None) -> None:
        if piece is None:
            more.extend(engine.submit(second))
            engine.step()

    handle.listen(want)
    engine.drive([handle])
    assert handle.result is not None and "cannot drive" in str(handle.result.error)
    engine.drive(more)
    _others(more, [second])


def test_a_text_whose_event_loop_is_closed_ends_and_the_others_go_on() -> None:
    engine, requests = _engine(), _people(3)
    handles = [engine.submit(request)[0] for request in requests]
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        stream = engine.apieces(handles[1])
        streams.append(stream)
        await anext(stream)

    streams: list[Any] = []
    loop.run_until_complete(begin())
    loop.close()
    engine.drive(handles)
    _others([handles[0], handles[2]], [requests[0], requests[2]])


def test_a_mask_that_fails_is_an_error_of_its_own_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the failure has no name."""
    from structgen.grammars.json_grammars.compiled_schema import CompiledSchema

    engine, requests = (
        _engine(),
        [
            Request(
                "x", sg.json_schema({"type": "string", "minLength": 4 + i}), Sampling(seed=i), max_tokens=30
            )
            for i in range(3)
        ],
    )
    compiled = [sg.compile(request.grammar, TOKENIZER, store=False) for request in requests]  # type: ignore[arg-type]
    fill = CompiledSchema.fill_index

    def filled(self: CompiledSchema, *rest: Any) -> None:
        assert self is not compiled[1], "a fault of the machine"
        fill(self, *rest)

    monkeypatch.setattr(CompiledSchema, "fill_index", filled)
    handles = [
        engine.submit(Request("x", one, request.sampling, max_tokens=30))[0]
        for one, request in zip(compiled, requests, strict=True)
    ]
    engine.drive(handles)
    assert handles[1].result is not None and "fault of the machine" in str(handles[1].result.error)
    monkeypatch.undo()
    _others([handles[0], handles[2]], [requests[0], requests[2]])


@pytest.mark.parametrize("anew", [True, False], ids=["anew", "not_anew"])
def test_after_a_fault_of_a_machine_its_grammar_is_compiled_anew_for_the_others(
    anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
    from structgen.machines.core.matcher import Matcher

    engine, requests = _engine(), [*_people(2), Request("n", NUMBERS, Sampling(seed=1), max_tokens=9)]
    before = engine.compiled(PERSON)
    handles = [engine.submit(request)[0] for request in requests]
    ask, asked = Matcher.tokens_to_finish, []

    def tokens_to_finish(self: Matcher) -> int:
        asked.append(self)
        assert len(asked) != 7, "a fault of the machine"
        return ask(self)

    def fail(self: CompiledSchema) -> CompiledSchema:
        raise MemoryError("not now")

    monkeypatch.setattr(Matcher, "tokens_to_finish", tokens_to_finish)
    if not anew:
        monkeypatch.setattr(CompiledSchema, "anew", lambda self: fail(self))
    engine.drive(handles)
    monkeypatch.undo()
    failed = [handle for handle in handles if handle.result is None or handle.result.error is not None]
    assert len(failed) == (1 if anew else 3)
    assert any("a fault of the machine" in str(handle.result and handle.result.error) for handle in failed)
    assert (engine.compiled(PERSON) is not before) == anew
    rest = [i for i, handle in enumerate(handles) if handle not in failed]
    _others([handles[i] for i in rest], [requests[i] for i in rest])
    assert engine.generate(requests[0])[0].error is None


def test_requests_that_cannot_all_be_begun_leave_none_behind() -> None:
    engine, (fine,) = _engine(), _people(1)
    with pytest.raises(sg.errors.BudgetError):
        engine.generate([fine, Request("x", PERSON, max_tokens=1)])
    model = engine.model
    assert isinstance(model, Function)
    while engine.step():
        continue
    assert not model.prefills


def test_who_leaves_the_stream_of_a_text_that_waits_drives_no_other() -> None:
    engine, requests = Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=1), _people(2)
    first, second = (engine.submit(request)[0] for request in requests)
    second.cancel()
    engine.drive([second])
    assert second.result is not None and second.result.finish_reason is FinishReason.CANCELLED
    assert not first.is_done and not first.written
    engine.drive([first])
    _others([first], requests[:1])


# --- several threads, streams and event loops ---------------------------------------------------------------


def _in_threads(places: Sequence[tuple[Place, int]], seed: int) -> None:
    """Have four threads drive one engine; one of them is interrupted at a line, wherever it comes to it."""
    draw = random.Random(seed)
    place, times = draw.choice(places)
    tracer = Tracer(place, draw.randrange(max(times // 3, 1)), KeyboardInterrupt())
    engine, requests = _engine(), _people(8)
    found: dict[int, list[Result] | str | BaseException] = {}
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        mine = requests[2 * number : 2 * number + 2]
        begin.wait()
        try:
            if number == 0:
                sys.settrace(tracer)
            if number % 2:
                found[number] = engine.generate(mine)
            else:
                pieces = list(engine.stream(mine[0]))
                found[number] = "".join(pieces)
        except BaseException as error:
            found[number] = error
        finally:
            sys.settrace(None)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert not any(thread.is_alive() for thread in threads), "it hangs"
    told = f"{place}, {tracer.time}, {tracer.is_over}"
    if tracer.is_over:
        assert isinstance(found.pop(0), KeyboardInterrupt), told
    for number, got in found.items():
        mine = requests[2 * number : 2 * number + 2]
        assert not isinstance(got, BaseException), (told, got)
        texts = [got] if isinstance(got, str) else [result.text for result in got]
        assert texts == [_engine().generate(one)[0].text for one in mine[: len(texts)]], told


def test_an_interrupt_in_one_of_several_threads_is_that_threads_alone() -> None:
    places = _places(_engine)
    for seed in range(4):
        _in_threads(places, seed)


@pytest.mark.slow
def test_an_interrupt_in_one_of_several_threads_is_that_threads_alone_wherever_it_comes() -> None:
    places = _places(_engine)
    for seed in range(300):
        _in_threads(places, seed)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_signals_at_any_time_leave_all_texts_as_they_are() -> None:
    """As Ctrl-C does: between any two instructions, not lines."""
    draw, came = random.Random(9), 0

    def handler(*_: object) -> None:
        nonlocal came
        came += 1
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(250):
            run = _Run(_engine())
            for _ in range(400):
                try:
                    if draw.random() < 0.4:
                        signal.setitimer(signal.ITIMER_REAL, 10 ** draw.uniform(-5, -1.5))
                    more = run.engine.step()
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    more = True
                assert not run.engine._loop._lock.locked()
                if not more:
                    break
            for handle, wanted in zip(run.handles, _expected(), strict=True):
                result = handle.result
                assert result is not None
                assert _of(result) == wanted or "interrupted" in str(result.error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert came > 500


# --- the embedded model -------------------------------------------------------------------------------------


@functools.cache
def _extract() -> tuple[Model, sg.Tokenizer]:
    from structgen.decoding.engine import load_model

    return load_model("structgen/extract", device="cpu")


@pytest.mark.slow
def test_an_interrupt_at_a_line_of_the_embedded_models_passes_changes_no_bit() -> None:
    model, own = _extract()
    requests = [
        Request(f"Ada Lovelace, {20 + i}.", PERSON, Sampling(seed=i), max_tokens=24, n=1 + i % 2)
        for i in range(6)
    ]

    def run(tracer: Tracer) -> list[object]:
        engine = Engine(model, own, max_rows=5)
        handles = [handle for request in requests for handle in engine.submit(request)]
        with tracing(tracer):
            for _ in range(200):
                try:
                    if not engine.step():
                        break
                except KeyboardInterrupt:
                    continue
        return [_of(handle.result) for handle in handles]

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = Tracer()
        expected = run(seen)
        places = sorted(seen.reached.items())
        draw = random.Random(3)
        for place, times in draw.sample(places, 250):
            assert run(Tracer(place, draw.randrange(times), KeyboardInterrupt())) == expected, place
    finally:
        torch.set_num_threads(before)
