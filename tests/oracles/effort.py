"""How hard hypothesis tries: modest in every run, deep when the slow tests are asked for."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_UNHURRIED = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.nested_given,  # cases.py draws within a test what all tests share
]


def tries(few: int, many: int) -> int:
    """Return how many examples a law is tried on: few in `make test`, many under the profile "deep" of
    `make test-all`. Few are enough where the faults that were seeded are found by as many."""
    return few if settings().derandomize else many


MODEST = settings(
    max_examples=tries(10, 25), deadline=None, derandomize=True, suppress_health_check=_UNHURRIED
)
"""The same cases every time, so that a red run is red again."""
BRIEF = settings(MODEST, max_examples=tries(5, 8))
DEEP = settings(max_examples=1_000, deadline=None, suppress_health_check=_UNHURRIED)
"""New cases every time."""
