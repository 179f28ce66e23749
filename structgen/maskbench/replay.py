"""One schema through one engine: compiled, its instances replayed token by token, every call timed.

Times are `time.perf_counter_ns` immediately before and after the engine's call, as Python sees it; the cost
of the clock and of the call itself is in them, and nothing is subtracted. Every call is in exactly one
figure: the first mask of the first matcher is part of the time to first mask, and of nothing else.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from json import JSONDecodeError
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from structgen.core.rawjson import read
from structgen.maskbench.engines import EngineRefusal, MaskEngine, Session
from structgen.maskbench.measurements import NOT_MEASURED, REFUSED, Failure, Verdict, WorkerPhase
from structgen.maskbench.readers import Case, Instance

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer

Parts: TypeAlias = dict[str, Any]
"""Of a `CaseResult`, as `CaseResult.take` reads them."""

HEAD = 3
WALK_FREE, WALK_MOST, WALK_SEED = 48, 4096, 7


class Probe:
    """What the worker does and has measured, in memory that its parent reads when it hangs or dies.

    Words: the phase, when it began (ns), how many mask and commit times are used; then the times themselves.
    """

    def __init__(self, view: memoryview) -> None:
        """`view` is of int64."""
        self._view, self._full = view, array("q")
        self._room = (len(view) - HEAD) & ~1

    def enter(self, phase: WorkerPhase) -> None:
        """Note that a call of the engine begins."""
        view = self._view
        view[0] = phase
        view[1] = perf_counter_ns()

    def finish(self) -> None:
        """Note that the compilation or the instance has come to its end, and that no call is under way."""
        self._view[0] = WorkerPhase.IDLE

    def record(self, ns: int) -> None:
        """Append one time; masks and commits alternate, `NOT_MEASURED` standing for one that is missing."""
        used = self._view[2]
        if used == self._room:
            self._full, used = self.take(), 0
        self._view[HEAD + used] = ns
        self._view[2] = used + 1

    def take(self) -> array[int]:
        """Return the times gathered since the last call."""
        if self._view[2] % 2:
            # The commit after the last mask raised: it has no time.
            self.record(NOT_MEASURED)
        found = self._full + array("q", self._view[HEAD : HEAD + self._view[2]])
        self._full, self._view[2] = array("q"), 0
        return found


def run(engine: MaskEngine, tokenizer: Tokenizer, case: Case, probe: Probe) -> Iterator[Parts]:
    """Run one case and yield what comes of it: the compilation, then each instance."""

    def failed(
        kind: str, detail: str, index: int | None = None, byte: int | None = None, expected: str = ""
    ) -> list[Failure]:
        return [Failure(case.name, engine.name, kind, index, byte, expected, detail[:2000])]

    probe.enter(WorkerPhase.COMPILE)
    begin = perf_counter_ns()
    try:
        start = engine.compile_schema_of(case)
        compiled = perf_counter_ns() - begin
        session = start()
        session.fill()
        first = perf_counter_ns() - begin
    except EngineRefusal as refusal:
        if refusal.by_policy and _fits_widest(engine, case, probe):
            found: Parts = {"failures": failed(Verdict.POLICY.value, str(refusal))}
        else:
            found = {"reason": refusal.reason, "failures": failed(REFUSED, str(refusal))}
        probe.finish()
        yield found
        return
    except Exception as error:
        probe.finish()
        yield {"failures": failed(_raised(engine, error).value, _describe(error))}
        return
    probe.finish()
    yield {"compiled": True, "compile_ns": compiled, "first_ns": first}
    judged = [partial(_walk, session, tokenizer, case, probe)] if case.bare else []
    fresh: Session | None = session
    for instance in case.instances:
        judged.append(partial(_judged, engine, tokenizer, case, instance, start, fresh, probe))
        fresh = None
    for index, judge in enumerate(judged):
        try:
            verdict, byte, expected, detail = judge()
        except Exception as error:
            verdict, byte, expected, detail = _raised(engine, error), None, "", _describe(error)
        probe.finish()
        wrong = verdict is not Verdict.RIGHT
        faults = failed(verdict.value, detail, index, byte, expected) if wrong else []
        yield {"pairs": probe.take(), "verdicts": [verdict], "failures": faults}


def _judged(
    engine: MaskEngine,
    tokenizer: Tokenizer,
    case: Case,
    instance: Instance,
    start: Callable[[], Session],
    fresh: Session | None,
    probe: Probe,
) -> _Found:
    """Return how one instance fares; `fresh` is the session whose first mask is filled already."""
    tokens = tokenizer.encode(instance.text)
    session = fresh or start()
    taken = replay(session, tokens, probe, filled=fresh is not None)
    accepted = taken == len(tokens) and session.end_allowed()
    if not accepted and session.is_limited():
        return Verdict.LIMITED, None, "", session.error()
    if accepted == instance.valid:
        return Verdict.RIGHT, None, "", ""
    if accepted:
        return Verdict.INVALID_ACCEPTED, None, "", ""
    error = session.error()
    begins = sum(len(tokenizer.token_bytes[token] or b"") for token in tokens[:taken])
    try:
        byte, expected = session.locate(instance.text, begins)
    except Exception as fault:
        # What is told of a refusal must not change the verdict on it.
        byte, expected = begins, f"not told: {_describe(fault)}"
    by_policy = _fits_widest(engine, case, probe, tokens)
    return (Verdict.POLICY if by_policy else Verdict.VALID_REFUSED), byte, expected, error


_Found = tuple[Verdict, "int | None", str, str]
"""A verdict, the byte where the text leaves the language, what was expected there, and the engine's words."""


def _raised(engine: MaskEngine, error: Exception) -> Verdict:
    """Return the verdict on an exception of an engine."""
    return Verdict.LIMITED if isinstance(error, engine.limits) else Verdict.CRASHED


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}"[:500]


def replay(session: Session, tokens: Sequence[int], probe: Probe, *, filled: bool = False) -> int:
    """Return how many of the tokens the engine takes, each allowed by the mask before it.

    With all taken, one more mask is filled, so that the session can tell whether the end is allowed. `filled`
    says that the first mask is there already. Raises `MaskMismatch` where `commit` refuses what the mask
    allows.
    """
    fill, commit, row, refusals = session.fill, session.commit, session.row, session.refusals
    clock, enter, record = perf_counter_ns, probe.enter, probe.record
    for position, token in enumerate(tokens):
        if filled and not position:
            record(NOT_MEASURED)
        else:
            enter(WorkerPhase.MASK)
            begin = clock()
            fill()
            end = clock()
            record(end - begin)
        if not row[token >> 5] >> (token & 31) & 1:
            record(NOT_MEASURED)
            return position
        enter(WorkerPhase.COMMIT)
        try:
            begin = clock()
            taken = commit(token)
            end = clock()
        except refusals:
            end, taken = clock(), False
        record(end - begin)
        if taken is False:
            raise MaskMismatch(
                f"token {token} at position {position} is in the mask, and refused. {session.error()}"
            )
    if not (filled and not tokens):
        _timed(probe, WorkerPhase.MASK, fill)
        record(NOT_MEASURED)
    return len(tokens)


def _timed(probe: Probe, phase: WorkerPhase, call: Callable[[], object]) -> object:
    """Make a call of the engine and record its time; `replay` does so in line, for its figures."""
    probe.enter(phase)
    begin = perf_counter_ns()
    found = call()
    probe.record(perf_counter_ns() - begin)
    return found


class MaskMismatch(Exception):
    """An engine's mask and its commit contradict each other."""


def _fits_widest(engine: MaskEngine, case: Case, probe: Probe, tokens: Sequence[int] | None = None) -> bool:
    """Return whether the schema compiles, and takes the tokens if there are any, with every text of an
    accepted value in its language; nothing of it is measured."""
    probe.enter(WorkerPhase.POLICY)
    widest = engine.widest()
    if widest is None:
        return False
    try:
        start = widest.compile_schema_of(case)
        if tokens is None:
            return True
        session = start()
        silent = Probe(memoryview(bytearray(8 * (HEAD + 2))).cast("q"))
        return replay(session, tokens, silent) == len(tokens) and session.end_allowed()
    except EngineRefusal:
        return False


def _walk(session: Session, tokenizer: Tokenizer, case: Case, probe: Probe) -> _Found:
    """Write one document of a bare schema: at first any token that is allowed, later what leads to the end.

    The walk fails at a mask without tokens where the end is not allowed either, and with a finished document
    that is not valid (judged by jsonschema-rs where it is installed). An engine that cannot lead to the end
    may run out of positions: that is no verdict against it.
    """
    import numpy as np

    draw = random.Random(WALK_SEED)
    text = bytearray()
    ends = set(session.end_tokens)
    for position in range(WALK_MOST):
        if position:
            _timed(probe, WorkerPhase.MASK, session.fill)
        else:
            probe.record(NOT_MEASURED)
        may_end = session.end_allowed()
        if position >= WALK_FREE and not may_end:
            session.fill_closing()
        bits = np.unpackbits(np.asarray(session.row, np.int32).view(np.uint8), bitorder="little")
        allowed = [int(token) for token in np.flatnonzero(bits) if int(token) not in ends]
        if may_end and (not allowed or position >= WALK_FREE or draw.random() < 0.25):
            probe.record(NOT_MEASURED)
            return _judge(case, bytes(text))
        if not allowed:
            probe.record(NOT_MEASURED)
            return Verdict.DEAD_END, len(text), "", f"after {bytes(text[-80:])!r}"
        token = allowed[draw.randrange(len(allowed))]
        if _timed(probe, WorkerPhase.COMMIT, partial(session.commit, token)) is False:
            raise MaskMismatch(
                f"token {token} at position {position} is in the mask, and refused. {session.error()}"
            )
        text += tokenizer.token_bytes[token] or b""
    return Verdict.RIGHT, None, "", "the walk came to no end"


def _judge(case: Case, text: bytes) -> _Found:
    """Return whether a finished walk is a document of its schema, as far as that can be told here."""
    try:
        read(text.decode())
    except (UnicodeDecodeError, JSONDecodeError) as error:
        return Verdict.INVALID_ACCEPTED, None, "", f"{error}: {text[:200]!r}"
    try:
        import jsonschema_rs

        validator = jsonschema_rs.validator_for(json.loads(case.schema), validate_formats=True)
        valid = validator.is_valid(json.loads(text))
    except Exception:
        # Not installed, or it refuses the schema or the nesting: then there is no second opinion.
        return Verdict.RIGHT, None, "", ""
    if valid:
        return Verdict.RIGHT, None, "", ""
    return Verdict.INVALID_ACCEPTED, None, "", f"a walk wrote {text[:200]!r}"
