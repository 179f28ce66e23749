"""Goals: what somebody wants of a robot is written as a goal of PDDL.

The grammar is grammars/goals.lark. The checker says whether the goal can hold in the world of the task: the
objects and predicates are there, with arguments of their types, and no two atoms contradict each other (a
block is on two others, the hand holds two things, a tower stands on itself). It refuses a prefix as soon as
an atom that is written to its end does so. At the end the package `pddl` reads the goal in a problem of its
world. A text is right if its atoms are those of the task, in any order.

What differs from the paper: theirs are tasks of Planetarium, whose checker runs a given plan; here the
checker knows the world and no plan, so it tells less of the answer.

`pddl` 0.5.1 asks for lark below 1.2, and structgen for 1.2.2 or later. It runs with 1.3.1, and is installed
by `pip install --no-deps pddl==0.5.1 click`; so it stands in no extra.

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import structgen as sg
from methods.checked_domain import DomainTask, lacking, lark, read, shown

_LITERAL = re.compile(r"\((?:(not) )?\(?([a-z][a-z0-9_-]*(?: [a-z][a-z0-9_-]*)*)\)")
_CLAIMS = {
    "on": lambda x, y: (("below", x), ("above", y)),
    "ontable": lambda x: (("below", x),),
    "clear": lambda x: (("above", x),),
    "holding": lambda x: (("below", x), ("above", x), ("hand",)),
    "handempty": lambda: (("hand",),),
    "at": lambda x, room: (("below", x),),
    "carrying": lambda x: (("below", x), ("hand",)),
    "robot-in": lambda room: (("robot",),),
}
"""What an atom settles, alone: two atoms that settle the same thing contradict each other."""


def literals(text: str) -> list[tuple[bool, tuple[str, ...]]]:
    """Return the atoms of a goal or a prefix that are written to their end, and whether each is denied."""
    body = text.removeprefix("(and ")
    return [(bool(denied), tuple(atom.split(" "))) for denied, atom in _LITERAL.findall(body)]


class CanHold:
    """Goals that can hold in a world with some objects."""

    def __init__(self, world: str, objects: dict[str, str]) -> None:
        self._predicates = read("goals")["worlds"][world]["predicates"]
        self._world, self._objects = world, objects
        self.fingerprint = f"{world} {objects}"

    def copy(self) -> CanHold:
        """Return the checker itself: it keeps no state of a prefix."""
        return self

    def viable(self, prefix: bytes) -> bool:
        """Return False if an atom is none of the world, or contradicts another one."""
        settled: dict[Any, tuple[str, ...]] = {}
        denied = set()
        for is_denied, atom in literals(prefix.decode("utf-8", "replace")):
            types = self._predicates.get(atom[0])
            if types is None or [self._objects.get(name) for name in atom[1:]] != types:
                return False
            if is_denied:
                denied.add(atom)
            elif any(settled.setdefault(claim, atom) != atom for claim in _CLAIMS[atom[0]](*atom[1:])):
                return False
        return not denied & {*settled.values()} and not _stands_on_itself({*settled.values()})

    def final(self, text: str) -> bool:
        """Return whether the goal can hold, and `pddl` reads it."""
        return self.viable(text.encode()) and _is_read(self._world, tuple(self._objects.items()), text)


def _stands_on_itself(atoms: set[tuple[str, ...]]) -> bool:
    under = {atom[1]: atom[2] for atom in atoms if atom[0] == "on"}
    for block, below in under.items():
        for _ in under:
            if below == block:
                return True
            below = under.get(below, "")
    return False


@functools.cache
def _parser() -> Any:
    from pddl.parser.problem import ProblemParser

    return ProblemParser()


@functools.lru_cache(4096)
def _is_read(world: str, objects: tuple[tuple[str, str], ...], goal: str) -> bool:
    declared = " ".join(f"{name} - {kind}" for name, kind in objects)
    problem = (
        f"(define (problem p) (:domain {world}) (:requirements :strips :typing :negative-preconditions) "
        f"(:objects {declared}) (:init) (:goal {goal}))"
    )
    try:
        _parser()(problem)
    except Exception:  # of lark, or what pddl raises of its own
        return False
    return True


def is_right(wanted: str, text: str) -> bool:
    """Return whether a goal has the atoms of another one."""
    return {*literals(text)} == {*literals(wanted)}


def _prompt(world: str, objects: dict[str, str], says: str) -> str:
    about = read("goals")["worlds"][world]
    names = ", ".join(f"{name} ({kind})" for name, kind in objects.items())
    pairs = [(f"Wish: {wish}", f"Goal: {goal}") for wish, goal in about["shown"]]
    asked = shown(pairs, f"Wish: {says}\nAnswer with the goal and nothing else.")
    return f"Write the last wish as a goal in PDDL. {about['says']}\nObjects: {names}\n\n{asked}"


def missing() -> str:
    """Return the package that is not installed, if it is so."""
    return lacking("pddl")


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    return list(_tasks(lark("goals")))


def _tasks(grammar: sg.Grammar) -> Iterator[DomainTask]:
    for number, (world, objects, says, goal) in enumerate(read("goals")["tasks"]):
        right = functools.partial(is_right, goal)
        prompt = _prompt(world, objects, says)
        yield DomainTask(f"{world} {number}", prompt, grammar, CanHold(world, objects), right, goal)


def small() -> DomainTask:
    """Return a task of few texts: one atom or two about two blocks, many of which contradict each other."""
    world, objects, says, goal = read("goals")["tasks"][0]
    atom = r"\((on [ab] [ab]|clear [ab]|ontable [ab])\)"
    right = functools.partial(is_right, goal)
    prompt = _prompt(world, objects, says)
    grammar = sg.regex(rf"{atom}|\(and {atom} {atom}\)")
    return DomainTask("small", prompt, grammar, CanHold(world, objects), right, goal, 24)
