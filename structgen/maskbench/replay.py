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
from json import JSONDecodeError
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from structgen.json_text.raw_json import read
from structgen.maskbench.engines import EngineRefusal, MaskEngine, Session
from structgen.maskbench.measurements import COMMIT, COMPILE, IDLE, MASK, NOT_MEASURED, Failure, Verdict
from structgen.maskbench.readers import Case, Instance

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer

Parts: TypeAlias = dict[str, Any]
"""Fields of a `CaseResult`, as `CaseResult.take` reads them; or of a `Failure`."""

HEAD: Final = 3
WALK_FREE, WALK_MOST, WALK_SEED = 48, 4096, 7

_Found: TypeAlias = tuple[Verdict, Parts]
"""A verdict, and fields of its failure: `byte`, `expected`, `detail`."""


class MaskMismatch(Exception):
    """An engine's mask and its commit contradict each other."""


class Probe:
    """What the worker does and has measured, in memory that its parent reads when it hangs or dies.

    Words: the phase, when it began (ns), how many mask and commit times are used; then the times themselves.
    """

    def __init__(self, view: memoryview) -> None:
        """`view` is of int64."""
        self._view, self._full = view, array("q")
        self._room = (len(view) - HEAD) & ~1

    def enter(self, phase: int) -> None:
        """Note that a call of the engine begins."""
        self._view[0] = phase
        self._view[1] = perf_counter_ns()

    def record(self, ns: int) -> None:
        """Append one time; masks and commits alternate, `NOT_MEASURED` standing for one that is missing."""
        used = self._view[2]
        if used == self._room:
            self._full, used = self.take(), 0
        self._view[HEAD + used] = ns
        self._view[2] = used + 1

    def timed(self, phase: int, call: Callable[..., object], *given: object) -> object:
        """Make a call of the engine, and record its time; a call that raises has none."""
        self.enter(phase)
        begin = perf_counter_ns()
        answer = call(*given)
        end = perf_counter_ns()
        self.record(end - begin)
        return answer

    def take(self) -> array[int]:
        """Return the times gathered since the last call."""
        if self._view[2] % 2:
            # The commit after the last mask raised: it has no time.
            self.record(NOT_MEASURED)
        found = self._full + array("q", self._view[HEAD : HEAD + self._view[2]])
        self._full, self._view[2] = array("q"), 0
        return found


class CaseReplay:
    """One case through one engine."""

    def __init__(self, engine: MaskEngine, tokenizer: Tokenizer, case: Case, probe: Probe) -> None:
        self._engine, self._tokenizer, self._case, self._probe = engine, tokenizer, case, probe

    def parts(self) -> Iterator[Parts]:
        """Compile and replay, and yield what comes of it: the compilation, then each instance."""
        probe = self._probe
        probe.enter(COMPILE)
        begin = perf_counter_ns()
        try:
            start = self._engine.compile(self._case.schema)
            session = start()
            session.fill()
            found: Parts = {"compiled": True, "first_ns": perf_counter_ns() - begin}
        except EngineRefusal as refusal:
            by_policy = refusal.by_policy and self._fits_widest()
            kind = Verdict.POLICY if by_policy else Verdict.REFUSED
            found = {"failures": [self._failure(kind, {"detail": str(refusal)})]}
            found |= {} if by_policy else {"reason": refusal.reason}
        except Exception as error:
            found = {"failures": [self._failure(*self._raised(error))]}
        probe.enter(IDLE)
        yield found
        if "compiled" not in found:
            return
        fresh: Session | None = session
        for index, instance in enumerate([None] if self._case.bare else self._case.instances):
            try:
                if instance is None:
                    verdict, told = self._walked(session)
                else:
                    verdict, told = self._replayed(instance, start, fresh)
            except Exception as error:
                verdict, told = self._raised(error)
            fresh = None
            probe.enter(IDLE)
            failures = [] if verdict is Verdict.RIGHT else [self._failure(verdict, told, index)]
            yield {"pairs": probe.take(), "verdicts": [verdict], "failures": failures}

    def _failure(self, kind: Verdict, told: Parts, index: int | None = None) -> Failure:
        detail = told.get("detail", "")[:2000]
        return Failure(self._case.name, self._engine.name, kind, index, **{**told, "detail": detail})

    def _raised(self, error: Exception) -> _Found:
        """Return the verdict on an exception of the engine."""
        is_limit = isinstance(error, self._engine.limits)
        return Verdict.LIMITED if is_limit else Verdict.CRASHED, {"detail": _describe(error)}

    def _replayed(self, instance: Instance, start: Callable[[], Session], fresh: Session | None) -> _Found:
        """Return how one instance fares; `fresh` is the session whose first mask is filled already."""
        tokens = self._tokenizer.encode(instance.text)
        session = fresh or start()
        taken = replay(session, tokens, self._probe, filled=fresh is not None)
        accepted = taken == len(tokens) and session.end_allowed()
        if not accepted and session.is_limited():
            return Verdict.LIMITED, {"detail": session.error()}
        if accepted or not instance.valid:
            return Verdict.RIGHT if accepted == instance.valid else Verdict.INVALID_ACCEPTED, {}
        told: Parts = {"detail": session.error()}
        begins = len(self._tokenizer.decode(tokens[:taken]))
        try:
            told["byte"], told["expected"] = session.locate(instance.text, begins)
        except Exception as fault:
            # What is told of a refusal must not change the verdict on it.
            told |= {"byte": begins, "expected": f"not told: {_describe(fault)}"}
        return Verdict.POLICY if self._fits_widest(tokens) else Verdict.VALID_REFUSED, told

    def _fits_widest(self, tokens: Sequence[int] | None = None) -> bool:
        """Return whether the schema compiles, and takes the tokens if there are any, with every text of an
        accepted value in its language; nothing of it is measured."""
        self._probe.enter(IDLE)
        widest = self._engine.widest()
        if widest is None:
            return False
        try:
            session = widest.compile(self._case.schema)()
        except EngineRefusal:
            return False
        silent = Probe(memoryview(array("q", [0] * (HEAD + 2))))
        return tokens is None or (replay(session, tokens, silent) == len(tokens) and session.end_allowed())

    def _walked(self, session: Session) -> _Found:
        """Write one document of a bare schema: at first any token that is allowed, later what leads to the
        end; the first mask is filled already.

        The walk fails at a mask without tokens where the end is not allowed either, and with a finished
        document that is not valid (judged by jsonschema-rs where it is installed). An engine that cannot lead
        to the end may run out of positions: that is no verdict against it.
        """
        import numpy as np

        draw, probe = random.Random(WALK_SEED), self._probe
        text, ends = bytearray(), set(session.ends)
        for position in range(WALK_MOST):
            if position:
                probe.timed(MASK, session.fill)
            else:
                probe.record(NOT_MEASURED)
            may_end = session.end_allowed()
            if position >= WALK_FREE and not may_end and session.fill_closing is not None:
                session.fill_closing()
            bits = np.unpackbits(np.asarray(session.row, np.int32).view(np.uint8), bitorder="little")
            allowed = [token for token in np.flatnonzero(bits).tolist() if token not in ends]
            if may_end and (not allowed or position >= WALK_FREE or draw.random() < 0.25):
                return self._judged(bytes(text))
            if not allowed:
                return Verdict.DEAD_END, {"byte": len(text), "detail": f"after {bytes(text[-80:])!r}"}
            token = allowed[draw.randrange(len(allowed))]
            commit(session, token, position, probe)
            text += self._tokenizer.token_bytes[token] or b""
        return Verdict.RIGHT, {}

    def _judged(self, text: bytes) -> _Found:
        """Return whether a finished walk is a document of its schema, as far as that can be told here."""
        try:
            read(text.decode())
        except (UnicodeDecodeError, JSONDecodeError) as error:
            return Verdict.INVALID_ACCEPTED, {"detail": f"{error}: {text[:200]!r}"}
        try:
            import jsonschema_rs

            validator = jsonschema_rs.validator_for(json.loads(self._case.schema), validate_formats=True)
            valid = validator.is_valid(json.loads(text))
        except Exception:
            # Not installed, or it refuses the schema or the nesting: then there is no second opinion.
            return Verdict.RIGHT, {}
        return (
            (Verdict.RIGHT, {})
            if valid
            else (Verdict.INVALID_ACCEPTED, {"detail": f"a walk wrote {text[:200]!r}"})
        )


def replay(session: Session, tokens: Sequence[int], probe: Probe, *, filled: bool = False) -> int:
    """Return how many of the tokens the engine takes, each allowed by the mask before it.

    With all taken, one more mask is filled, so that the session can tell whether the end is allowed. `filled`
    says that the first mask is there already. Raises `MaskMismatch` where `commit` refuses what the mask
    allows.
    """
    for position, token in enumerate(tokens):
        if filled and not position:
            probe.record(NOT_MEASURED)
        else:
            probe.timed(MASK, session.fill)
        if not session.allows(token):
            probe.record(NOT_MEASURED)
            return position
        commit(session, token, position, probe)
    probe.timed(MASK, session.fill)
    probe.record(NOT_MEASURED)
    return len(tokens)


def commit(session: Session, token: int, position: int, probe: Probe) -> None:
    """Take a token that the mask allows. Raises `MaskMismatch` where the engine refuses it."""
    try:
        taken = probe.timed(COMMIT, session.commit, token)
    except session.refusals:
        taken = False
    if taken is False:
        raise MaskMismatch(
            f"token {token} at position {position} is in the mask, and refused. {session.error()}"
        )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}"[:500]
