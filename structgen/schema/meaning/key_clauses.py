"""Turns choices between schemas about keys into cases of one key's value, or into obligations.

A *choice* is a disjunction of branches, for example an `anyOf` or an `if`. An *obligation* is a set of
alternatives, one of which must come true while the object is written.

Choices multiply shapes where each is split: twenty `if` on twenty keys would be a million shapes. As
obligations they are twenty parts of one shape. Such a choice is a conjunction of clauses, and one member, or
one absent key, can make a clause true. A hundred `if` on the value of one key (`type`, `kind`, `version`) are
one choice between its values. Each value knows the truth of every test, so that only its own `then` counts.

A few choices are left as they are, since a shape of one branch has simpler demands on its members. All this
is an optimisation: where clauses cannot express a schema, the answer is None and the choice is split.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from structgen.schema.meaning.branch_facts import CLAUSE_SIZE, BranchReader, Clauses, all_of
from structgen.schema.meaning.facts import Choice, FactConjunction, Hold, Obligate, Step, absence_step
from structgen.schema.meaning.literals import Literal, Literals
from structgen.schema.meaning.shape import AtKey, Obligation, Without

_MOST_SHAPES = 16
"""Up to so many shapes are made; where there were more, obligations are."""
_TESTS_OF_A_CHAIN = 3
"""Fewer tests on one key than this are split one by one."""
_INFINITE_SETS = 3
"""Choices over a key of whose value clauses ask more infinite sets than this are split into shapes: values
may lie in all combinations of them. Finite sets are told apart value by value."""


class _Test(NamedTuple):
    """A choice by the value of one key."""

    key: str
    literal: Literal
    """The literal of the values for which the test holds."""
    values: Literals
    """The literals of the single values for which the test holds."""
    holds_without: bool
    """The test holds where the key is absent."""
    then: tuple[Step, ...]
    """The steps where the test holds."""
    otherwise: tuple[Step, ...]
    """The steps where it fails."""


class ClauseReader:
    """Reads choices as clauses."""

    def __init__(self, branches: BranchReader) -> None:
        self.tables = branches.tables
        self.branches = branches

    def divide_choices(self, facts: FactConjunction) -> Choice | None:
        """Take the longest chain of tests on one key out of the choices; return it as one choice between the
        cases of the key's value, or None where no key has a chain. Cost: the choices and their values."""
        tests: dict[str, dict[int, _Test]] = {}
        for number, choice in enumerate(facts.choices):
            test = self._read_test(choice)
            if test is not None:
                tests.setdefault(test.key, {})[number] = test
        key = max(tests, key=lambda key: len(tests[key]), default=None)
        if key is None or len(tests[key]) < _TESTS_OF_A_CHAIN:
            return None
        chain = tests[key]
        facts.choices = [choice for number, choice in enumerate(facts.choices) if number not in chain]
        return self._cases_of_key(key, list(chain.values()))

    def _cases_of_key(self, key: str, chain: list[_Test]) -> Choice:
        """Return one choice for all tests of a key: a case for each group of values that pass the same
        tests, one for all other values, one without the key."""
        constants = self.tables.constants
        # For each value the numbers of the tests that it passes.
        holding: dict[Literal, list[int]] = {}
        for number, test in enumerate(chain):
            for value in dict.fromkeys(test.values):
                holding.setdefault(value, []).append(number)
        # Values that pass the same tests are one case. Those that no test names pass none: the first case.
        groups: dict[tuple[int, ...], list[Literal]] = {(): []}
        for value, tests in holding.items():
            groups.setdefault(tuple(tests), []).append(value)
        with_otherwise = [number for number, test in enumerate(chain) if test.otherwise]
        cases: Choice = []
        for test_numbers, values in groups.items():
            if not test_numbers:
                literals = tuple(dict.fromkeys(self.tables.negate_literal(test.literal) for test in chain))
            elif len(test_numbers) == 1 and set(values) == set(chain[test_numbers[0]].values):
                # All values of one test: its own literal stands in the text, and keeps its place.
                literals = (chain[test_numbers[0]].literal,)
            else:
                literals = (constants.literal_of_set(frozenset(values)),)
            steps: list[Step] = [Obligate((AtKey(key, literals),))]
            for number in test_numbers:
                steps.extend(chain[number].then)
            for number in with_otherwise:
                if number not in test_numbers:
                    steps.extend(chain[number].otherwise)
            cases.append(tuple(steps))
        steps_without_key: list[Step] = [absence_step(key)]
        for test in chain:
            steps_without_key.extend(test.then if test.holds_without else test.otherwise)
        cases.append(tuple(steps_without_key))
        return cases

    def convert_choices(self, facts: FactConjunction) -> bool:
        """Turn choices of an object into obligations, where clauses can express them: choices by the presence
        of a key, and all choices if they would multiply.

        Returns whether any choice was turned. Linear in the choices.
        """
        has_many = prod(map(len, facts.choices)) > _MOST_SHAPES
        clauses_by_choice: list[Clauses | None] = []
        for choice in facts.choices:
            is_converted = has_many or _by_presence(choice)
            clauses_by_choice.append(self.clauses_of_choice(choice) if is_converted else None)
        all_clauses = (*clauses_by_choice, facts.obligations)
        busy = self.busy_keys(clause for clauses in all_clauses for clause in clauses or ())
        kept_choices: list[Choice] = []
        for choice, clauses in zip(facts.choices, clauses_by_choice, strict=True):
            if clauses is None or not busy.isdisjoint(_keys_with_values(clauses)):
                kept_choices.append(choice)
            else:
                facts.obligations.extend(clauses)
        has_changed = len(kept_choices) < len(facts.choices)
        facts.choices = kept_choices
        return has_changed

    def busy_keys(self, clauses: Iterable[Obligation]) -> set[str]:
        """Return the keys of whose values so many different sets are asked that clauses do not fit them."""
        schema_ids: dict[str, set[int]] = {}
        for clause in clauses:
            for alternative in clause:
                if isinstance(alternative, AtKey):
                    ids_of_key = schema_ids.setdefault(alternative.key, set())
                    for literal in alternative.literals:
                        if not literal.schema.only_values:
                            ids_of_key.add(literal.schema.id)
        return {key for key, literals in schema_ids.items() if len(literals) > _INFINITE_SETS}

    # Inside

    def _read_test(self, choice: Choice) -> _Test | None:
        """Return a choice as a test of one key by constants, if it is one."""
        match choice:
            # The form of `if`: a literal and its steps, or its negation and other steps.
            case [(Hold(test), *then), (Hold(opposite), *otherwise)] if test.is_negation_of(opposite):
                clauses = self.branches.clauses_of(test)
            case _:
                return None
        match clauses:
            case [(AtKey(key, (literal,)),)]:
                holds_without = False
            # `properties` alone allows that the key is absent; `required` beside it does not.
            case [(Without(key), AtKey(_, (literal,)))]:
                holds_without = True
            case _:
                return None
        schema = literal.schema
        if literal.is_negated or not schema.only_values or schema.enum is None:
            return None
        values = [self.tables.constants.literal_of_value(value, schema.pointer) for value in schema.enum]
        return _Test(key, literal, tuple(values), holds_without, tuple(then), tuple(otherwise))

    def clauses_of_choice(self, choice: Choice) -> Clauses | None:
        """Return the clauses of a choice; None where clauses cannot express it."""
        if len(choice) > CLAUSE_SIZE:
            return None
        clauses = self.branches.any_of_parts(list(map(self.clauses_of_steps, choice)))
        if clauses is not None and self.branches.keeps_key_order(clauses):
            return clauses
        return None

    def clauses_of_steps(self, steps: Iterable[Step]) -> Clauses | None:
        """Return the clauses of steps that are all taken up; None where clauses cannot express them."""
        clauses: list[Clauses | None] = []
        for step in steps:
            match step:
                case Hold(literal):
                    clauses.append(self.branches.clauses_of(literal))
                case Obligate(alternatives):
                    clauses.append([alternatives])
                case _:
                    return None
        return all_of(clauses)


def _by_presence(choice: Choice) -> bool:
    """Return whether a choice is between the presence and the absence of one key."""
    match choice:
        case [(Obligate((AtKey(key, ()),)), *_), (Obligate((Without(absent_key),)),)]:
            return key == absent_key
    return False


def _keys_with_values(clauses: Clauses) -> set[str]:
    """Return the keys of whose values clauses ask something."""
    alternatives = (alternative for clause in clauses for alternative in clause)
    return {
        alternative.key
        for alternative in alternatives
        if isinstance(alternative, AtKey) and alternative.literals
    }
