"""How hard hypothesis tries: modest in every run, deep when the slow tests are asked for."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

MODEST = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=_UNHURRIED)
"""The same cases every time, so that a red run is red again."""
BRIEF = settings(MODEST, max_examples=8)
DEEP = settings(max_examples=1_000, deadline=None, suppress_health_check=_UNHURRIED)
"""New cases every time."""
