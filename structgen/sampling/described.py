"""What `Samples` says beside the draws: the mass that was allowed at each token, and of what run they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from structgen.sampling.run_limits import SamplingRun


def described(run: SamplingRun, drawn: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return the fields of `Samples` that no method works out; `drawn` has the tokens of each draw."""
    target = run.target
    return {
        "masses": [target.masses.along(tokens, run.tree.root) for tokens in drawn],
        "is_json": target.compiled.has_events,
        "about": {
            "model": target.rows.name,
            "temperature": float(target.temperature),
            "max_tokens": target.max_tokens,
            "checkers": len(target.checkers),
            "n": run.n,
            "seed": run.seed,
        },
        "pieces": {
            token: target.text((token,)).decode("utf-8", "replace") for token in set[int]().union(*drawn)
        },
    }
