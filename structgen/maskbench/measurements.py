"""What a run found out about one schema with one engine: plain values, which cross the process boundary."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

NOT_MEASURED = -1


class WorkerPhase(IntEnum):
    """What a worker is doing at this moment; read by its parent when it hangs or dies."""

    IDLE = 0
    COMPILE = 1
    MASK = 2
    COMMIT = 3
    POLICY = 4


class Verdict(StrEnum):
    """How one instance fared; `REFUSED` is of a schema."""

    RIGHT = "right"
    """Valid and taken to its end, or invalid and refused somewhere."""
    REFUSED = "refused to compile"
    VALID_REFUSED = "valid refused"
    POLICY = "refused only by a policy"
    INVALID_ACCEPTED = "invalid accepted"
    DEAD_END = "dead end"
    """A walk came to a mask without tokens; only bare schemas are walked."""
    LIMITED = "stopped by a limit"
    """The engine's own bound on its work was met."""
    CRASHED = "crashed"
    TIMED_OUT = "timed out"


_WORST_FIRST = {
    Verdict.CRASHED: "crashed",
    Verdict.TIMED_OUT: "timed_out",
    Verdict.LIMITED: "limited",
    Verdict.REFUSED: "refused",
    Verdict.VALID_REFUSED: "failing",
    Verdict.INVALID_ACCEPTED: "failing",
    Verdict.DEAD_END: "failing",
    Verdict.POLICY: "policy",
}
"""What comes of a schema by the kinds of its faults."""
FINE = ("passing", "policy")
"""Outcomes that are no fault of an engine: a policy can be widened."""


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
    first_ns: int | None = None
    """Schema text to first filled row. Of a compilation cut short: the time until then, a lower bound."""
    pairs: array[int] = field(default_factory=lambda: array("q"))
    """Mask and commit time of each position in turn, ns; `NOT_MEASURED` where a position has only one."""
    verdicts: list[str] = field(default_factory=list)
    skipped: int = 0
    """Instances not replayed since the schema had crashed or timed out before them."""
    failures: list[Failure] = field(default_factory=list)

    def take(self, parts: Mapping[str, Any]) -> None:
        """Take in what a worker found out: lists and times are added to, other fields are set."""
        for name, value in parts.items():
            have = getattr(self, name)
            if isinstance(have, list | array):
                have.extend(value)
            else:
                setattr(self, name, value)

    @property
    def outcome(self) -> str:
        """The one word for the schema, the worst that happened to it: `passing`, `policy`, `failing`,
        `refused`, `limited`, `timed_out` or `crashed`."""
        seen = {failure.kind for failure in self.failures}.union(self.verdicts)
        seen |= {Verdict.REFUSED} if self.reason else set()
        return next((word for kind, word in _WORST_FIRST.items() if kind in seen), "passing")
