"""Chains of `if` on one key: a case for each of its values, and not a split for each `if`.

A hundred `if` on the value of one key (`type`, `kind`, `version`) are a hundred choices of two branches, each
of which contradicts nearly all others. Divided by the values of the key, each case knows the truth of every
test without asking: only the `then` of its own value is taken up.
"""

from __future__ import annotations

from typing import NamedTuple

from structgen.schema.meaning.branch_facts import counts_or_depends
from structgen.schema.meaning.facts import Choice, FactConjunction, Forbid, Hold, Obligate, Step
from structgen.schema.meaning.place import ALWAYS, OBJECT, PlaceTables
from structgen.schema.meaning.shape import AtKey

_TESTS_OF_A_CHAIN = 3
"""Fewer tests on one key than this are split one by one."""


class _Test(NamedTuple):
    """A choice by the value of one key."""

    key: str
    literal: int
    """The literal of the values for which the test holds."""
    values: tuple[int, ...]
    """The literal of each of them."""
    holds_without: bool
    """The test holds where the key is absent."""
    then: tuple[Step, ...]
    other: tuple[Step, ...]


class KeyCases:
    """Divides the choices of an object by the values of a key."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables

    def divide(self, facts: FactConjunction) -> Choice | None:
        """Take the longest chain of tests on one key out of the choices; return it as one choice between the
        cases of the key's value, or None where no key has a chain. Cost: the choices and their values."""
        tests: dict[str, dict[int, _Test]] = {}
        for at, choice in enumerate(facts.choices):
            test = self._test(choice)
            if test is not None:
                tests.setdefault(test.key, {})[at] = test
        key = max(tests, key=lambda key: len(tests[key]), default=None)
        if key is None or len(tests[key]) < _TESTS_OF_A_CHAIN:
            return None
        chain = tests[key]
        facts.choices = [choice for at, choice in enumerate(facts.choices) if at not in chain]
        return self._cases(key, list(chain.values()))

    def _cases(self, key: str, chain: list[_Test]) -> Choice:
        constants = self.tables.constants
        holding: dict[int, list[int]] = {}
        for at, test in enumerate(chain):
            for value in dict.fromkeys(test.values):
                holding.setdefault(value, []).append(at)
        groups: dict[tuple[int, ...], list[int]] = {(): []}
        for value, tests in holding.items():
            groups.setdefault(tuple(tests), []).append(value)
        with_other = [at for at, test in enumerate(chain) if test.other]
        cases: Choice = []
        for held, values in groups.items():
            if not held:
                lies = tuple(dict.fromkeys(self.tables.negate(test.literal) for test in chain))
            elif len(held) == 1 and set(values) == set(chain[held[0]].values):
                lies = (chain[held[0]].literal,)
            else:
                lies = (constants.among(frozenset(values)),)
            steps: list[Step] = [Obligate((AtKey(key, lies),))]
            for at in held:
                steps.extend(chain[at].then)
            for at in with_other:
                if at not in held:
                    steps.extend(chain[at].other)
            cases.append(tuple(steps))
        absent = [step for test in chain for step in (test.then if test.holds_without else test.other)]
        cases.append((Forbid(key), *absent))
        return cases

    def _test(self, choice: Choice) -> _Test | None:
        """Return a choice as a test of one key by constants, if it is one."""
        if len(choice) != 2:
            return None
        first, second = choice
        if not (first and second and isinstance(first[0], Hold) and isinstance(second[0], Hold)):
            return None
        literal = first[0].literal
        if literal < 0 or literal & 1 or second[0].literal != literal ^ 1:
            return None
        info = self.tables.about(literal)
        schema = info.schema
        if info.combined or schema.enum is not None or not info.types & OBJECT or counts_or_depends(schema):
            return None
        if len(schema.properties) != 1 or schema.pattern_properties or schema.additional is not None:
            return None
        ((key, child),) = schema.properties.items()
        value = self.tables.literal(child)
        if not set(schema.required) <= {key} or value == ALWAYS or value < 0 or value & 1:
            return None
        of_key = self.tables.about(value)
        if not of_key.only_values or of_key.schema.enum is None:
            return None
        values = [self.tables.constants.value(one, of_key.schema.pointer) for one in of_key.schema.enum]
        return _Test(key, value, tuple(values), not schema.required, first[1:], second[1:])
