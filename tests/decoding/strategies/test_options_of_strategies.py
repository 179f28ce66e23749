"""Options of strategies that are wrong, and strategies that exclude one another, are refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from for_each import for_each
from strategy_models import RULE

import structgen as sg
from structgen.decoding.engine import Request, Sampling
from structgen.doors.cli.named_values import read_strategy

S = sg.strategies

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a search and guidance": (
        lambda: Sampling(temperature=0.0, strategy=(S.PlanningSearch(reward=len), S.Guidance(""))),
        "strategy",
    ),
    "two searches": (
        lambda: Sampling(temperature=0.0, strategy=(S.PlanningSearch(reward=len),) * 2),
        "strategy",
    ),
    "guidance twice": (lambda: Sampling(strategy=(S.Guidance("y"), S.Guidance("z"))), "strategy"),
    "plan and a temperature": (
        lambda: Sampling(temperature=0.5, strategy=S.PlanningSearch(reward=len)),
        "temperature",
    ),
    "plan, healing": (
        lambda: Request("x", RULE, strategy=S.PlanningSearch(reward=len), healing=True),
        "healing",
    ),
    "mirostat tau": (lambda: S.Mirostat(tau=0.0), "tau"),
    "mirostat nan": (lambda: S.Mirostat(tau=math.nan), "tau"),
    "mirostat eta": (lambda: S.Mirostat(eta=2.0), "eta"),
    "mirostat, greedy": (lambda: Sampling(temperature=0.0, strategy=S.Mirostat()), "temperature"),
    "mirostat and top_k": (lambda: Sampling(top_k=4, strategy=S.Mirostat()), "top_k"),
    "mirostat twice": (lambda: Sampling(strategy=(S.Mirostat(), S.Mirostat())), "strategy"),
    "a text": (lambda: Sampling(strategy="mirostat"), "strategy"),  # type: ignore[arg-type]
    "guidance scale": (lambda: S.Guidance(scale=-1.0), "scale"),
    "guidance prompt": (lambda: S.Guidance(without=3), "without"),  # type: ignore[arg-type]
    "guidance and min_tokens": (lambda: Sampling(min_tokens=3, strategy=S.Guidance()), "min_tokens"),
    "guidance, healing": (
        lambda: Request("x", sampling=Sampling(strategy=S.Guidance()), healing=True),
        "healing",
    ),
    "plan without": (lambda: S.PlanningSearch(), "reward"),
    "plan reward": (lambda: S.PlanningSearch(reward="no"), "reward"),  # type: ignore[arg-type]
    "plan k": (lambda: S.PlanningSearch(reward=len, k=0), "k"),
    "plan rollouts": (lambda: S.PlanningSearch(reward=len, rollouts=0), "rollouts"),
    "plan seconds": (lambda: S.PlanningSearch(reward=len, seconds=0), "seconds"),
    "plan megabytes": (lambda: S.PlanningSearch(reward=len, megabytes=1), "megabytes"),
    "named tau": (lambda: read_strategy("mirostat:tau=0"), "tau"),
    "named taus": (lambda: read_strategy("mirostat:taus=1"), "strategy"),
    "named without a value": (lambda: read_strategy("mirostat:tau"), "strategy"),
    "named tau=x": (lambda: read_strategy("mirostat:tau=x"), "tau"),
    "an unknown name": (lambda: read_strategy("mirostatt"), "strategy"),
}


@for_each("name", REFUSED)
def test_wrong_options_are_refused_by_name(name: str) -> None:
    make, where = REFUSED[name]
    with pytest.raises(sg.errors.OptionError) as caught:
        make()
    assert caught.value.where == where and (caught.value.cure or "must be " in caught.value.what)
