"""One schema through one engine: compiled, its instances replayed token by token, every call timed.

Times are those of the session's clock (`time.perf_counter_ns`) immediately before and after the engine's
call, as Python sees it; the cost of the clock and of the call itself is in them, and nothing is subtracted.
The first mask of the first matcher is part of the time to first mask, and of no mask's. Beside the times
stand the processor's of all threads, and the garbage collections in the middle of them.
"""

from __future__ import annotations

import gc
import random
from array import array
from collections.abc import Callable, Sequence
from json import JSONDecodeError
from time import perf_counter_ns, process_time_ns
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.json_text.raw_json import read_as_written
from structgen.doors.maskbench.engines import EngineConfig, EngineRefusal, Session
from structgen.doors.maskbench.measurements import NOT_MEASURED, StepResult, Verdict
from structgen.doors.maskbench.readers import Case

WALK_FREE = 48
"""So many tokens of a walk are any that are allowed; later ones lead to the end."""
WALK_MOST = 4096
"""The most positions of a walk."""
WALK_SEED = 7
"""Of the random tokens of a walk: each engine has the same draws."""
_LONGEST: Final = 2000
"""Of what an engine says, so many characters are kept."""


class Replay:
    """What runs in an engine's process, and may hang or die with it: one case at a time, a step at a time.
    Called with the name of one of its methods, and what that takes."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def __call__(self, question: str, *arguments: Any) -> Any:
        # `question` comes from our own parent process (`EngineProcess`), not from a user.
        return getattr(self, question)(*arguments)

    def start(self) -> str:
        """Make the engine; return its version. Raises what the adapter raises."""
        self._engine, self._tokenizer = self._config.create_engine()
        # What is loaded now lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        return self._engine.version

    def _note_collection(self, phase: str, _about: object) -> None:
        """Note how long a garbage collection took."""
        if phase == "start":
            self._paused_at = perf_counter_ns()
        else:
            self._pauses.append(perf_counter_ns() - self._paused_at)

    def _begin_step(self) -> None:
        """Begin to count what a step costs."""
        # A step that raised has left the listener registered, so it is not added twice.
        if self._note_collection not in gc.callbacks:
            gc.callbacks.append(self._note_collection)
        self._pauses = array("q")
        self._cpu = process_time_ns()

    def _add_costs(self, step: StepResult) -> StepResult:
        """Return a step with what it cost."""
        step.cpu = process_time_ns() - self._cpu
        step.pauses = self._pauses
        gc.callbacks.remove(self._note_collection)
        return step

    def compile(self, case: Case) -> StepResult:
        """Compile the schema of a case, and fill the first mask."""
        self._case = case
        gc.collect()
        self._begin_step()
        begin = perf_counter_ns()
        try:
            self._start = self._engine.compile(case.schema)
            session = self._start()
            session.fill()
            elapsed = perf_counter_ns() - begin
        except EngineRefusal as refusal:
            detail = str(refusal)[:_LONGEST]
            return StepResult(Verdict.REFUSED, reason=refusal.reason, detail=detail)
        except Exception as error:
            # Any exception of an engine is a verdict on it, and no end of the run.
            return _verdict_on(error, array("q"))
        times = array("q", [elapsed])
        step = self._add_costs(StepResult(times=times))
        self._fresh: Session | None = session
        return step

    def replay(self, index: int) -> StepResult:
        """Replay an instance; write a document of a bare schema."""
        times = array("q")
        # The session whose first mask was filled by the compilation serves the first instance.
        fresh = self._fresh
        self._fresh = None
        try:
            session = fresh or self._start()
            if self._case.bare:
                step = self._walk_document(session, times)
            else:
                step = self._replay_instance(session, index, times, is_filled=fresh is not None)
        except Exception as error:
            step = _verdict_on(error, times)
        if len(times) % 2:
            times.append(NOT_MEASURED)
        return step

    def _replay_instance(
        self, session: Session, index: int, times: array[int], *, is_filled: bool
    ) -> StepResult:
        """Replay an instance, and judge it: for example, a valid one is right if the engine takes all of its
        tokens and the end. `times` gets the times of masks and tokens in turn; `is_filled`: whether the first
        mask is there already."""
        instance = self._case.instances[index]
        tokens = self._tokenizer.encode(instance.text)
        self._begin_step()
        taken_count = replay_tokens(session, tokens, times, is_filled=is_filled)
        step = self._add_costs(StepResult(Verdict.RIGHT, times))
        is_accepted = session.end_allowed() and taken_count == len(tokens)
        if is_accepted or not instance.valid:
            if is_accepted != instance.valid:
                step.kind = Verdict.INVALID_ACCEPTED
            return step
        begins = len(self._tokenizer.decode(tokens[:taken_count]))
        try:
            byte, expectation = session.why(instance.text, begins)
        except Exception as fault:
            # What is told of a refusal must not change the verdict on it.
            byte = begins
            expectation = f"not told: {_describe_error(fault)}"
        step.kind = Verdict.VALID_REFUSED
        step.byte = byte
        step.expected = expectation[:_LONGEST]
        return step

    def _walk_document(self, session: Session, times: array[int]) -> StepResult:
        """Write one document of a bare schema: at first any token that is allowed, later what leads to the
        end; the first mask is filled already.

        The walk fails at a mask without tokens where the end is not allowed either, and with a finished
        document that is no JSON. An engine that cannot lead to the end may run out of positions: that is no
        verdict against it.
        """
        import numpy as np

        draw = random.Random(WALK_SEED)
        text = bytearray()
        ends = set(session.ends)
        for position in range(WALK_MOST):
            if position:
                time_call(times, session.clock, session.fill)
            else:
                times.append(NOT_MEASURED)
            may_end = session.end_allowed()
            if position >= WALK_FREE and not may_end and session.fill_closing is not None:
                session.fill_closing()
            # One bit for each token, the lowest bit of a word first.
            row_bytes = np.asarray(session.row, np.int32).view(np.uint8)
            bits = np.unpackbits(row_bytes, bitorder="little")
            allowed_tokens = [token for token in np.flatnonzero(bits).tolist() if token not in ends]
            # A document may end early by chance, so that short ones are met as well.
            must_end = not allowed_tokens or position >= WALK_FREE
            if may_end and (must_end or draw.random() < 0.25):
                try:
                    read_as_written(text.decode())
                except (UnicodeDecodeError, JSONDecodeError) as error:
                    detail = f"{error}: {bytes(text[:200])!r}"
                    return StepResult(Verdict.INVALID_ACCEPTED, times, detail=detail)
                return StepResult(times=times)
            if not allowed_tokens:
                detail = f"after {bytes(text[-80:])!r}"
                return StepResult(Verdict.DEAD_END, times, byte=len(text), detail=detail)
            token = allowed_tokens[draw.randrange(len(allowed_tokens))]
            commit_token(session, token, times)
            text += self._tokenizer.token_bytes[token] or b""
        return StepResult(times=times)


def replay_tokens(
    session: Session, tokens: Sequence[int], times: array[int], *, is_filled: bool = False
) -> int:
    """Return how many of the tokens the engine takes, each allowed by the mask before it.

    With all taken, one more mask is filled, so that the session can tell whether the end is allowed.
    `times` gets two numbers for each token, in nanoseconds: the mask's and its own. `is_filled` says that the
    first mask is there already; it has no time then, for example in `replay_tokens(session, tokens,
    array("q"), is_filled=True)`.
    """
    for position, token in enumerate(tokens):
        if is_filled and not position:
            times.append(NOT_MEASURED)
        else:
            time_call(times, session.clock, session.fill)
        if not session.allows_token(token):
            return position
        commit_token(session, token, times)
    time_call(times, session.clock, session.fill)
    return len(tokens)


def time_call(
    times: array[int],
    clock: Callable[[], int],
    call: Callable[..., object],
    *arguments: object,
) -> object:
    """Make a call of the engine, and append its time by a clock; a call that raises has none. For example
    `time_call(times, perf_counter_ns, session.fill)`."""
    # Nothing else stands between the two looks at the clock.
    begin = clock()
    answer = call(*arguments)
    end = clock()
    times.append(end - begin)
    return answer


def commit_token(session: Session, token: int, times: array[int]) -> None:
    """Take a token that the mask allows. Raises `RuntimeError` where the engine refuses it."""
    is_taken = time_call(times, session.clock, session.commit, token)
    # An engine's call may return anything else, also None, for a token that it took.
    if is_taken is False:
        raise RuntimeError(f"token {token} is in the mask, but is refused.")


def _verdict_on(error: Exception, times: array[int]) -> StepResult:
    """Return the verdict on an exception of the engine."""
    kind = Verdict.LIMITED if isinstance(error, LimitError) else Verdict.CRASHED
    return StepResult(kind, times, detail=_describe_error(error))


def _describe_error(error: Exception) -> str:
    """Return an exception in one line, with its type, cut to a length."""
    return f"{type(error).__name__}: {str(error).strip()}"[:_LONGEST]
