"""What a run found out about one schema with one engine: values that cross the process boundary."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

NOT_MEASURED = -1


class WorkerPhase(IntEnum):
    """What a worker is doing at this moment; read by its parent when it hangs or dies."""

    IDLE = 0
    COMPILE = 1
    MASK = 2
    COMMIT = 3
    POLICY = 4


class Verdict(Enum):
    """How one instance fared."""

    RIGHT = "right"
    """Valid and taken to its end, or invalid and refused somewhere."""
    VALID_REFUSED = "valid refused"
    POLICY = "refused only by a policy"
    INVALID_ACCEPTED = "invalid accepted"
    DEAD_END = "dead end"
    """A walk came to a mask without tokens; only bare schemas are walked."""
    LIMITED = "stopped by a limit"
    """The engine's own bound on its work was met."""
    CRASHED = "crashed"
    TIMED_OUT = "timed out"


class SchemaOutcome(Enum):
    """How one schema fared; each schema has exactly one."""

    PASSING = "passing"
    POLICY = "refused only by a policy"
    REFUSED = "refused to compile"
    FAILING = "failing"
    LIMITED = "stopped by a limit"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"


REFUSED = "refused to compile"
_WORST_FIRST = {
    Verdict.CRASHED.value: SchemaOutcome.CRASHED,
    Verdict.TIMED_OUT.value: SchemaOutcome.TIMED_OUT,
    Verdict.LIMITED.value: SchemaOutcome.LIMITED,
    REFUSED: SchemaOutcome.REFUSED,
    Verdict.VALID_REFUSED.value: SchemaOutcome.FAILING,
    Verdict.INVALID_ACCEPTED.value: SchemaOutcome.FAILING,
    Verdict.DEAD_END.value: SchemaOutcome.FAILING,
    Verdict.POLICY.value: SchemaOutcome.POLICY,
}
"""What comes of a schema by the kinds of its faults."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One fault, as --failures writes it. `instance` is None where the schema itself failed."""

    schema: str
    engine: str
    kind: str
    instance: int | None = None
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
    compiled: bool = False
    reason: str = ""
    """Why it was refused to compile, in words that group; else ""."""
    compile_ns: int | None = None
    """Schema text to the grammar that a session may begin under."""
    first_ns: int | None = None
    """Schema text to first filled row. Of a compilation cut short: the time until then, a lower bound."""
    pairs: array[int] = field(default_factory=lambda: array("q"))
    """Mask and commit time of each position in turn, ns; `NOT_MEASURED` where a position has only one."""
    verdicts: list[Verdict] = field(default_factory=list)
    skipped: int = 0
    """Instances not replayed since the schema had crashed or timed out before them."""
    failures: list[Failure] = field(default_factory=list)

    def take(self, **parts: Any) -> None:
        """Take in what a worker found out: lists and times are added to, other fields are set."""
        for name, value in parts.items():
            have = getattr(self, name)
            if isinstance(have, list | array):
                have.extend(value)
            else:
                setattr(self, name, value)

    @property
    def outcome(self) -> SchemaOutcome:
        """The one word for the schema: the worst that happened to it."""
        seen = {failure.kind for failure in self.failures} | {verdict.value for verdict in self.verdicts}
        seen |= {REFUSED} if self.reason else set()
        return next((one for kind, one in _WORST_FIRST.items() if kind in seen), SchemaOutcome.PASSING)

    def masks(self) -> Iterator[int]:
        """Yield the time of each mask, ns."""
        return (ns for ns in self.pairs[0::2] if ns != NOT_MEASURED)

    def commits(self) -> Iterator[int]:
        """Yield the time of each commit, ns."""
        return (ns for ns in self.pairs[1::2] if ns != NOT_MEASURED)

    def sums(self) -> Iterator[int]:
        """Yield mask + commit of each position that has both, ns."""
        for mask, commit in zip(self.pairs[0::2], self.pairs[1::2], strict=True):
            if mask != NOT_MEASURED and commit != NOT_MEASURED:
                yield mask + commit
