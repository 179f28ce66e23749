"""Strategies by name, as a command line gives them: `mirostat:tau=3,eta=0.1`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final

from structgen.engine.searches.cautious import Cautious
from structgen.engine.searches.plan import PlanningSearch
from structgen.engine.strategies.guidance import Guidance
from structgen.engine.strategies.mirostat import Mirostat
from structgen.engine.strategies.strategy import Strategy
from structgen.errors import OptionError

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    one.name: one for one in (Mirostat, Guidance, Cautious, PlanningSearch)
}
GONE: Final = {
    "momentum": "Momentum",
    "contrast": "Contrast",
    "contrastive": "ContrastiveDecoding",
    "proxy": "ProxyTuning",
    "pause": "PauseAndRerank",
    "valued": "ValueGuided",
    "superposed": "SuperposedDecoding",
    "fused": "FusedModels",
    "switched": "SwitchedModels",
}
"""Methods that did not pay in the package, by their names here: their classes."""
WHERE: Final = "Take it from bench/methods of the sources; docs/methods.md names its file."
"""Where these are."""
_NEXT_OPTION: Final = re.compile(r",(?=[a-z_]+=)")


def strategy_named(told: str, object_of: Callable[[str, str], Any] | None = None) -> Strategy:
    """Return the strategy of a text NAME or NAME:option=value,option=value. A value ends before a comma that
    another option follows. `object_of` returns the object of an option, such as a reward, that
    `module:function` names. Raises OptionError for names and options that there are not, and those of the
    strategy."""
    name, _colon, rest = told.partition(":")
    kind: Any = STRATEGIES.get(name)
    if name in GONE:
        raise OptionError(f"{GONE[name]} is no longer in the package.", where="strategy", cure=WHERE)
    if kind is None:
        near = [*get_close_matches(name, STRATEGIES, 1), ""][0]
        raise OptionError(
            f"There is no strategy {name!r}.",
            where="strategy",
            cure=f"Write {near}." if near else f"Choose from {', '.join(STRATEGIES)}.",
        )
    types = {one.name: _plain(str(one.type)) for one in fields(kind) if one.init}
    given: dict[str, Any] = {}
    for option in _NEXT_OPTION.split(rest) if rest else ():
        key, equals, value = option.partition("=")
        if not equals:
            raise OptionError(
                f"{option!r} is no option.", where="strategy", cure=f"Write {name}:{next(iter(types))}=..."
            )
        if types.get(key) in ("int", "float"):
            given[key] = _number(key, value)
        elif object_of is not None and types.get(key, "").startswith("Reward"):
            given[key] = object_of(value, key)
        else:
            given[key] = value
    made: Strategy = kind(**given)
    return made


def _plain(annotation: str) -> str:
    """Return the type that an annotation begins with, without the check beside it."""
    return annotation.removeprefix("Annotated[").partition(",")[0]


def _number(name: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        raise OptionError(f"{value!r} is no number.", where=name, cure="Give a number.") from None
    return int(found) if found.is_integer() and "." not in value else found
