"""Code that may fail, by scripts of what each of its calls does."""

from __future__ import annotations

import random
from typing import Any

import pytest

from structgen.decoding.speculation import guarded
from structgen.decoding.speculation.guarded import GuardedCall


def outcomes(script: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float = 1.0) -> list[Any]:
    """Return what each call of a guarded function returns that answers, raises or is late as a script says,
    by a clock of its own."""
    now, left = [0.0], iter(enumerate(script))

    def scripted(doubled: int) -> int:
        at, does = next(left)
        now[0] += seconds + 1 if does == "late" else seconds
        if does == "raise":
            raise KeyError(at)
        return doubled * 2

    monkeypatch.setattr(guarded, "perf_counter", lambda: now[0])
    ask = GuardedCall(scripted, seconds, lambda error: type(error).__name__)
    return [ask(at) for at in range(len(script))]


@pytest.mark.parametrize("seed", range(50))
def test_an_answer_a_fault_or_a_late_call_that_is_not_the_first(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    script = chance.choices(["answer", "raise", "late"], k=12)
    first_late = script.index("late") if "late" in script else -1
    wanted = {"answer": lambda at: at * 2, "raise": lambda at: "KeyError", "late": lambda at: "TimeoutError"}
    assert outcomes(script, monkeypatch) == [
        at * 2 if at == first_late else wanted[does](at) for at, does in enumerate(script)
    ]


def test_what_the_handler_raises_is_raised() -> None:
    def refuse(error: Exception) -> None:
        raise LookupError("no process") from error

    with pytest.raises(LookupError, match="no process"):
        GuardedCall(int, 1.0, refuse)("x")


def test_ctrl_c_is_no_fault() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GuardedCall(interrupted, 1.0, lambda error: None)()
