"""One case through one engine in this process."""

from __future__ import annotations

from typing import Any

from structgen.doors.maskbench.engines import EngineConfig
from structgen.doors.maskbench.measurements import CaseResult, Verdict
from structgen.doors.maskbench.readers import Case
from structgen.doors.maskbench.replay import Replay


def played_by(engine: Any, tokenizer: Any, case: Case) -> CaseResult:
    """Return what comes of one case."""
    replay = Replay(EngineConfig("fake", ""))
    replay._engine, replay._tokenizer = engine, tokenizer
    found = CaseResult(case.name, case.split, "fake", [replay.compile(case)])
    if found.steps[0].kind == Verdict.RIGHT:
        found.steps += [replay.replay(at) for at in range(1 if case.bare else len(case.instances))]
    return found
