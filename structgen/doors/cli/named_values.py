"""Strategies by name: `mirostat:tau=3,eta=0.1`."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from typing import Any, Final, get_args, get_origin, get_type_hints

from structgen.base.errors import GONE, WHERE, OptionError, unknown_option
from structgen.base.language.checks import ChoiceCheck
from structgen.decoding.engine.searches.plan import PlanningSearch
from structgen.decoding.engine.strategies.guidance import Guidance
from structgen.decoding.engine.strategies.mirostat import Mirostat
from structgen.decoding.engine.strategies.strategy import Strategy
from structgen.doors.cli.target_language import resolve_target

STRATEGIES: Final = {kind.name: kind for kind in (Mirostat, Guidance, PlanningSearch)}
_NEXT_OPTION: Final = re.compile(r",(?=[a-z_]+=)")


def read_strategy(text: str) -> Strategy:
    """Return the strategy of a text NAME or NAME:option=value,option=value. A reward is `module:function`. A
    value ends before a comma that another option follows. Raises OptionError for names and options that there
    are not, and those of the strategy."""
    name, _colon, rest = text.partition(":")
    if name in GONE:
        raise OptionError(f"{GONE[name]} is no longer in the package.", where="strategy", cure=WHERE)
    ChoiceCheck([*STRATEGIES])("strategy", name)
    types = get_type_hints(STRATEGIES[name].__init__)
    parameters = signature(STRATEGIES[name]).parameters
    strategy_options: dict[str, Any] = {}
    # a value may have commas: `reward=module:function,k=3` ends it at the next name
    for option in _NEXT_OPTION.split(rest) if rest else ():
        key, equals, value = option.partition("=")
        if not equals or key not in parameters:
            raise unknown_option(name, key, [*parameters], where="strategy")
        strategy_options[key] = _read_value(key, value, types[key])
    strategy: Strategy = STRATEGIES[name](**strategy_options)
    return strategy


def _read_value(name: str, value: str, kind: Any) -> Any:
    """Return the value of an option of a strategy. `kind`: the type of the option."""
    if any(get_origin(part) is Callable for part in get_args(kind)):  # a reward
        return resolve_target(value, name, "module:function")
    if kind not in (int, float):
        return value
    with suppress(ValueError):  # the option's own check refuses what is no number
        number = float(value)
        return int(number) if number.is_integer() and "." not in value else number
    return value
