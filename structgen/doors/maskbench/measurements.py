"""The results of one schema with one engine: plain values, which are sent from one process to another.

A *step* is a compilation of the schema, or the replay of one instance (a JSON text). A *verdict* is its
outcome.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from structgen.base.json_text.exact_json import JsonObject

NOT_MEASURED = -1


class Verdict(StrEnum):
    """The outcome of a compilation or of an instance. The members are ordered from best to worst."""

    RIGHT = "right"
    """The schema was compiled; or a valid instance was accepted to its end; or an invalid one was refused."""
    DEAD_END = "dead end"
    """A walk came to a mask without tokens; only bare schemas are walked."""
    INVALID_ACCEPTED = "invalid accepted"
    VALID_REFUSED = "valid refused"
    REFUSED = "refused to compile"
    LIMITED = "stopped by a limit"
    """The engine's own bound on its work was met."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"


# An enumeration keeps the order in which its members are written.
_FROM_BEST = list(Verdict)


@dataclass(slots=True)
class StepResult:
    """The verdict and the times of one compilation, or of one instance."""

    kind: Verdict = Verdict.RIGHT
    times: array[int] = field(default_factory=lambda: array("q"))
    """Nanoseconds. Of a compilation: from the schema's text to the first filled row, or until it was cut
    short, a lower bound. Of an instance: mask and token of each position in turn; `NOT_MEASURED` where a
    position has only one."""
    cpu: int = NOT_MEASURED
    """Nanoseconds of the processor that the same calls took, in all threads of the process."""
    pauses: array[int] = field(default_factory=lambda: array("q"))
    """Nanoseconds of each garbage collection in the middle of them."""
    reason: str = ""
    """Why the schema is refused, in words that group."""
    byte: int | None = None
    """Where the text left the engine's language; None where it did not."""
    expected: str = ""
    detail: str = ""


@dataclass(slots=True)
class CaseResult:
    """One schema with one engine."""

    name: str
    split: str
    engine: str
    steps: list[StepResult] = field(default_factory=list)
    """The compilation, then each instance that was replayed. After a crash or a timeout there are no more."""

    @property
    def outcome(self) -> Verdict:
        """The worst that happened to the schema; `RIGHT` where all is well."""
        kinds = (step.kind for step in self.steps)
        return Verdict(max(kinds, key=_FROM_BEST.index, default=Verdict.RIGHT))

    def failure_records(self) -> Iterator[JsonObject]:
        """Yield each fault, as --failures writes it; `instance` is None where the schema itself failed."""
        for at, step in enumerate(self.steps):
            if step.kind != Verdict.RIGHT:
                record = asdict(step)
                # The times are left out of a fault's record: they are long, and do not explain it.
                del record["times"], record["cpu"], record["pauses"]
                # Step 0 is the compilation.
                instance = at - 1 if at else None
                yield {"schema": self.name, "engine": self.engine, "instance": instance, **record}

    def to_plain(self) -> JsonObject:
        """Return it as JSON has it."""
        steps = []
        for step in self.steps:
            lists = {"times": step.times.tolist(), "pauses": step.pauses.tolist()}
            steps.append(asdict(step) | lists)
        return {**asdict(self), "steps": steps}

    @classmethod
    def of_plain(cls, plain: JsonObject) -> CaseResult:
        """Return the result of what `to_plain` returned."""
        steps = []
        for step in plain["steps"]:
            # JSON has lists in place of arrays.
            arrays = {name: array("q", step[name]) for name in ("times", "pauses")}
            steps.append(StepResult(**{**step, **arrays}))
        return cls(**{**plain, "steps": steps})
