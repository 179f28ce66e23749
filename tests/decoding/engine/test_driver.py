"""The engine drives itself for event loops: nobody waits for others, and who goes away ends its text."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from long_waits import without_waits
from small_models import Function, tokenizer
from token_caches import TokenCache

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Request, Sampling
from structgen.decoding.engine.model_prompts import RequestTokens

TOKENIZER = tokenizer()
PERSON = sg.json_schema(
    {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}}, "required": ["name"]},
    whitespace="oneline",
)
NO_END = Sampling(logit_bias=dict.fromkeys(TOKENIZER.eos_token_ids, -1e6))
ENDLESS = Request("endless", None, NO_END, max_tokens=10**8)


class _Model(Function):
    """Has room for endless texts, and knows the caches that are alive."""

    def __init__(self) -> None:
        super().__init__(TOKENIZER.vocab_size, 10**9)
        self.caches: weakref.WeakSet[TokenCache] = weakref.WeakSet()

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, TokenCache]:
        logits, cache = super().prefill(tokens)
        self.caches.add(cache)
        return logits, cache


class _NoPool(ThreadPoolExecutor):
    """A default pool of an event loop that is in use by somebody else."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        raise AssertionError("the default pool of the event loop is not ours")


def _engine(**options: Any) -> Engine:
    return Engine(_Model(), TOKENIZER, **options)


def _run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def bounded() -> Any:
        asyncio.get_running_loop().set_default_executor(_NoPool(1))
        return await asyncio.wait_for(work(), 900)

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(bounded())
    finally:
        loop.close()


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for what must come; `_run` bounds it."""
    while not holds():
        await asyncio.sleep(0.001)


def _people(count: int) -> list[Request]:
    return [Request(f"person {i}", PERSON, Sampling(seed=i), max_tokens=60) for i in range(count)]


def test_many_long_texts_hold_up_no_short_one_and_no_default_pool() -> None:
    engine = _engine()
    short = Request("free", None, NO_END, max_tokens=3)

    async def streamed() -> int:
        return len([piece async for piece in engine.astream(short)])

    async def work() -> list[Any]:
        long = [asyncio.create_task(engine.agenerate(ENDLESS)) for _ in range(12)]
        found = await asyncio.gather(engine.agenerate(short), engine.agenerate(short), streamed(), streamed())
        assert not any(task.done() for task in long)
        for task in long:
            task.cancel()
        await asyncio.wait(long)
        return list(found)

    one, two, *pieces = _run(work)
    assert len(one[0].tokens) == len(two[0].tokens) == 3 and all(pieces)


def test_a_task_that_is_cancelled_ends_its_text_and_lets_go_of_its_cache() -> None:
    engine = _engine()
    caches = engine.model.caches  # type: ignore[attr-defined]

    async def work() -> None:
        task = asyncio.create_task(engine.agenerate(ENDLESS))
        await _until(lambda: len(caches) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: not caches and not engine._loop.count)

    _run(work)


def test_a_stream_that_is_closed_ends_its_text() -> None:
    engine = _engine()

    async def work() -> None:
        stream = engine.astream(ENDLESS)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await _until(lambda: not engine._loop.count)

    _run(work)


def _before_reading(monkeypatch: pytest.MonkeyPatch, wait: Callable[[Request], Any]) -> None:
    """Have `wait` called before the prompt of each request is read."""
    plain = RequestTokens.read_request

    def read(self: RequestTokens, request: Request, *more: Any, **options: Any) -> Any:
        wait(request)
        return plain(self, request, *more, **options)

    monkeypatch.setattr(RequestTokens, "read_request", read)


def test_who_goes_away_while_the_request_is_read_leaves_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, begun, go_on = _engine(), threading.Event(), threading.Event()

    def slow(request: Request) -> None:
        begun.set()
        assert go_on.wait(600)

    _before_reading(monkeypatch, slow)

    async def work() -> None:
        task = asyncio.create_task(engine.agenerate(ENDLESS))
        await _until(begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await _until(lambda: engine._driver._entering == 0 and not engine._loop.count)

    _run(work)


def test_an_iterator_that_ends_while_a_request_is_read_is_an_error_and_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = _engine()
    _before_reading(monkeypatch, lambda request: next(iter(())))

    async def work() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(engine.agenerate(ENDLESS), 60)

    _run(work)
    assert engine._driver._entering == 0


def test_a_grammar_that_takes_long_to_read_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, done = _engine(), threading.Event()

    def slow(request: Request) -> None:
        if request.prompt == "slow":
            assert done.wait(600)

    _before_reading(monkeypatch, slow)

    async def work() -> list[str]:
        task = asyncio.create_task(engine.agenerate(Request("slow", PERSON, max_tokens=60)))
        texts = [(await engine.agenerate(one))[0].text for one in _people(3)]
        done.set()
        return [*texts, (await task)[0].text]

    assert len(_run(work)) == 4


def test_a_slow_reader_holds_up_nobody_and_misses_nothing() -> None:
    engine = _engine()
    request, *others = _people(3)

    async def work() -> str:
        stream = engine.astream(request)
        first = await anext(stream)
        for one in others:
            await engine.agenerate(one)
        return first + "".join([piece async for piece in stream])

    assert _run(work) == _engine().generate(request)[0].text


def test_what_was_written_before_a_stream_begins_does_not_wait_for_the_next_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, go_on, calls = _engine(), threading.Event(), itertools.count()
    is_waiting, decode = threading.Event(), engine.model.decode

    def waiting(*given: Any) -> Any:
        if next(calls) == 3:
            is_waiting.set()
            assert go_on.wait(600)
        return decode(*given)

    monkeypatch.setattr(engine.model, "decode", waiting)

    async def work() -> bool:
        (handle,) = await engine.asubmit(_people(1)[0])
        await _until(is_waiting.is_set)
        stream = engine.apieces(handle)
        first = asyncio.ensure_future(anext(stream))
        await asyncio.wait(
            (first, asyncio.ensure_future(_until(lambda: handle.is_done))),
            return_when=asyncio.FIRST_COMPLETED,
        )
        was_there = not handle.is_done and bool(first.result())
        go_on.set()
        await stream.aclose()
        return was_there

    assert _run(work)


@pytest.mark.parametrize("ending", ["cancel", "timeout"])
def test_a_text_that_waits_for_room_can_end(ending: str) -> None:
    engine = _engine(max_rows=1)

    async def work() -> sg.engine.Result | None:
        (endless,) = await engine.asubmit(ENDLESS)
        timeout = 0.001 if ending == "timeout" else None
        (waiting,) = await engine.asubmit(Request("x", max_tokens=5, timeout=timeout))
        if ending == "cancel":
            waiting.cancel()
        await _until(lambda: waiting.is_done)
        assert not endless.is_done
        endless.cancel()
        await _until(lambda: endless.is_done)
        return waiting.result

    result = _run(work)
    expected = FinishReason.ERROR if ending == "timeout" else FinishReason.CANCELLED
    assert result.finish_reason is expected


class _Failing(_Model):
    """Fails in a way that belongs to no text, in some of its forward passes."""

    def __init__(self, passes: range) -> None:
        super().__init__()
        self.passes = passes

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Any:
        found = super().decode(tokens, caches)
        if len(self.batches) in self.passes:
            raise SystemExit("in a pass")
        return found


def test_a_step_that_fails_once_changes_no_text() -> None:
    expected = [result.tokens for result in _engine().generate(_people(4))]
    engine = Engine(_Failing(range(3, 4)), TOKENIZER)

    async def work() -> list[list[int]]:
        return [result.tokens for (result,) in await asyncio.gather(*map(engine.agenerate, _people(4)))]

    assert _run(work) == expected


def test_steps_that_always_fail_end_the_texts_of_their_batch_with_the_error() -> None:
    engine = Engine(_Failing(range(3, 5)), TOKENIZER, max_rows=2)
    requests = _people(4)
    expected = [result.tokens for result in _engine().generate(requests)]

    async def work() -> list[Any]:
        handles = [engine.submit(one)[0] for one in requests]
        engine._driver.watch_handles(handles)
        await _until(lambda: all(handle.is_done for handle in handles))
        return [handle.result for handle in handles]

    results = _run(work)
    assert ["in a pass" in str(result.error) for result in results] == [True, True, False, False]
    assert [result.tokens for result in results[2:]] == expected[2:]


def test_a_listener_that_ends_the_thread_ends_its_own_text() -> None:
    engine = _engine()

    def leave(_: str | None) -> None:
        raise SystemExit

    async def work() -> list[int]:
        (handle,) = await engine.asubmit(ENDLESS)
        handle.listen(leave)
        await _until(lambda: not engine._loop.count)
        return (await engine.agenerate(_people(1)[0]))[0].tokens

    assert _run(work) == _engine().generate(_people(1))[0].tokens


def test_calls_that_wait_and_event_loops_share_the_engine() -> None:
    engine, requests = _engine(max_rows=5), _people(12)
    expected = [result.tokens for result in _engine().generate(requests)]

    async def work() -> list[list[int]]:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.extend(engine.generate(requests[6:])))
        thread.start()
        found = await asyncio.gather(*map(engine.agenerate, requests[:6]))
        await _until(lambda: not thread.is_alive())
        return [result.tokens for result in [*(one for (one,) in found), *results]]

    assert _run(work) == expected


def test_more_than_max_waiting_texts_are_refused_until_there_is_room() -> None:
    engine = _engine(max_rows=2, max_waiting=1)
    small = Request("x", max_tokens=3)

    async def work() -> None:
        endless = [(await engine.asubmit(ENDLESS))[0] for _ in range(3)]
        with pytest.raises(sg.errors.BusyError, match="the limit is 3") as caught:
            await engine.agenerate(small)
        assert caught.value.where == "max_waiting"
        with pytest.raises(sg.errors.BusyError):
            engine.submit(small)
        endless[2].cancel()
        await _until(lambda: endless[2].is_done)
        with pytest.raises(sg.errors.BusyError):
            await engine.agenerate(Request("x", max_tokens=3, n=2))
        waiting = asyncio.create_task(engine.agenerate(small))
        await _until(lambda: engine._loop.count == 3)
        for handle in endless:
            handle.cancel()
        assert len(await waiting) == 1

    _run(work)
    assert len(engine.generate([small] * 3)) == 3


def test_requests_that_are_being_read_count_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, go_on = _engine(max_rows=1, max_waiting=0), threading.Event()
    _before_reading(monkeypatch, lambda request: go_on.wait(600))

    async def work() -> None:
        reading = asyncio.create_task(engine.agenerate(Request("x", max_tokens=3)))
        await _until(lambda: engine._driver._entering == 1)
        with pytest.raises(sg.errors.BusyError):
            await engine.agenerate(Request("y", max_tokens=3))
        go_on.set()
        assert len(await reading) == 1

    _run(work)


def _threads() -> list[threading.Thread]:
    names = ("structgen-driver", "structgen-requests")
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def _ended(threads: Sequence[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(600)
    return not any(thread.is_alive() for thread in threads)


def test_the_threads_end_with_the_engine() -> None:
    def begin() -> list[threading.Thread]:
        before, engine = _threads(), _engine()
        _run(lambda: engine.agenerate(_people(1)[0]))
        return [thread for thread in _threads() if thread not in before]

    own = begin()
    assert len(own) == 2
    gc.collect()
    assert _ended(own)


def test_an_engine_that_is_closed_ends_its_texts_and_threads_and_begins_anew() -> None:
    before, engine = _threads(), _engine()

    async def work() -> list[int]:
        (handle,) = await engine.asubmit(ENDLESS)
        own = [thread for thread in _threads() if thread not in before]
        engine.close()
        assert _ended(own) and handle.result is not None
        assert handle.result.finish_reason is FinishReason.CANCELLED
        return (await engine.agenerate(_people(1)[0]))[0].tokens

    assert _run(work) == _engine().generate(_people(1))[0].tokens


def test_a_handle_of_another_engine_is_refused() -> None:
    (handle,) = _engine().submit(ENDLESS)

    async def work() -> None:
        async for _ in _engine().apieces(handle):
            pass

    with pytest.raises(sg.errors.OptionError, match="another engine"):
        _run(work)
    with pytest.raises(sg.errors.OptionError, match="another engine"):
        _engine().drive([handle])


EXIT = """
import asyncio, sys
sys.path[:0] = sys.argv[1:]
import test_driver

engine = test_driver._engine()
handle = asyncio.run(engine.asubmit(test_driver.ENDLESS))[0]
handle.listen(lambda piece: print("over", flush=True) if piece is None else None)
"""


def test_the_interpreter_ends_though_a_text_has_no_end() -> None:
    folders = map(str, Path(__file__).parents[:3])
    done = subprocess.run([sys.executable, "-c", EXIT, *folders], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, without_waits(done.stderr)) == (0, "over\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_has_a_driver_of_its_own() -> None:
    engine, request = _engine(max_rows=3), _people(1)[0]
    expected = _engine().generate(request)[0].tokens

    def in_child() -> bool:
        heard.clear()
        (here,) = engine.generate(request)
        ((there,),) = (_run(lambda: engine.agenerate(request)),)
        return here.tokens == there.tokens == expected and not heard and engine._loop.count == 0

    heard: list[str | None] = []

    async def work() -> list[int]:
        (endless,) = await engine.asubmit(ENDLESS)
        endless.listen(heard.append)
        statuses = []
        for _ in range(3):
            await _until(lambda: len(heard) > 3)
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    asyncio.events._set_running_loop(None)
                    status = 0 if in_child() else 1
                finally:
                    os._exit(status)
            statuses.append(os.waitpid(child, 0)[1])
            heard.clear()
        endless.cancel()
        return statuses

    assert _run(work) == [0] * 3
