"""What a run found out about one schema with one engine: plain values, which cross the process boundary."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NOT_MEASURED = -1


IDLE, COMPILE, MASK, COMMIT = range(4)
PHASES = ("between calls", "compiling", "in a mask", "in a commit")
"""What a worker is doing at this moment; read by its parent when it hangs or dies."""


class Verdict(StrEnum):
    """How one instance fared, or one schema (`REFUSED`); from best to worst."""

    RIGHT = "right"
    """Valid and taken to its end, or invalid and refused somewhere."""
    POLICY = "refused only by a policy"
    DEAD_END = "dead end"
    """A walk came to a mask without tokens; only bare schemas are walked."""
    INVALID_ACCEPTED = "invalid accepted"
    VALID_REFUSED = "valid refused"
    REFUSED = "refused to compile"
    LIMITED = "stopped by a limit"
    """The engine's own bound on its work was met."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"


FINE = (Verdict.RIGHT, Verdict.POLICY)
"""Outcomes that are no fault of an engine: a policy can be widened."""
_FROM_BEST = list(Verdict)


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
    def kinds(self) -> set[Verdict]:
        """All that happened to the schema and its instances."""
        refused = {Verdict.REFUSED} if self.reason else set()
        return refused.union(map(Verdict, self.verdicts), (Verdict(one.kind) for one in self.failures))

    @property
    def outcome(self) -> Verdict:
        """The worst that happened to the schema; `RIGHT` where all is well."""
        return max(self.kinds, key=_FROM_BEST.index, default=Verdict.RIGHT)
