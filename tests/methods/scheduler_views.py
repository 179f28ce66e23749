"""Views of a step as schedulers get them, and what they choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from methods.whole_filling import SchedulerView


def view(confidence: Sequence[float], **changes: Any) -> SchedulerView:
    """Return the view of the first step over masked slots; `gap`, `entropy` and `law`: what it computes."""
    count = len(confidence)
    given: dict[str, Any] = {"slots": count, "positions": np.arange(count), "state": {}, "step": 0} | changes
    filling = given.pop("filling", np.zeros(int(given["positions"].max()) + 1, np.int32))
    return SchedulerView(
        given["step"],
        given["slots"],
        given["positions"],
        np.array(confidence),
        np.array(filling, np.int32),
        lambda: np.array(given.get("entropy", [0.0] * count)),
        lambda: given.get("gap", 0.0),
        given.get("law", lambda at: np.ones(1)),
        np.random.default_rng(0),
        state=given["state"],
    )


def chosen(scheduler: Any, seen: SchedulerView) -> list[int]:
    return np.flatnonzero(scheduler.choose(seen)).tolist()  # type: ignore[no-any-return]
