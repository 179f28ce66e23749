"""Goals: what somebody wants of a robot is written as a goal of PDDL.

The grammar is grammars/goals.lark. The checker says whether the goal can hold in the world of the task: the
objects and predicates are there, with arguments of their types, and no two atoms contradict each other (a
block is on two others, the hand holds two things, a tower stands on itself). It refuses a prefix as soon as
an atom that is written to its end does so. At the end the package `pddl` reads the goal in a problem of its
world. A text is right if its atoms are those of the task, in any order.

What differs from the paper: theirs are tasks of Planetarium, whose checker runs a given plan; here the
checker knows the world and no plan, so it tells less of the answer.

`pddl` 0.5.1 asks for lark below 1.2, and structgen for 1.2.2 or later, so it stands in no extra. It runs with
lark 1.3.1, where pip is told not to look at what it asks for (`INSTALL`).

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import re
from typing import Any

import structgen as sg
from methods.checked_domain import DomainTask, lacking, lark, needed, read

INSTALL = "pip install --no-deps pddl==0.5.1 click"
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
    return needed("pddl.parser.problem", INSTALL).ProblemParser()


@functools.lru_cache(4096)
def _is_read(world: str, objects: tuple[tuple[str, str], ...], goal: str) -> bool:
    declared = " ".join(f"{name} - {kind}" for name, kind in objects)
    problem = (
        f"(define (problem p) (:domain {world}) (:requirements :strips :typing :negative-preconditions) "
        f"(:objects {declared}) (:init) (:goal {goal}))"
    )
    parser = _parser()
    try:
        parser(problem)
    except Exception:  # of lark, or what pddl raises of its own
        return False
    return True


def is_right(wanted: str, text: str) -> bool:
    """Return whether a goal has the atoms of another one."""
    return {*literals(text)} == {*literals(wanted)}


def _question(objects: dict[str, str], says: str) -> str:
    names = ", ".join(f"{name} ({kind})" for name, kind in objects.items())
    return f"Objects: {names}\nWish: {says}"


def missing() -> str:
    """Return the command that installs `pddl`, if it is missing."""
    return lacking("pddl", INSTALL)


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    grammar = lark("goals")
    return [_task(f"{task[0]} {at}", grammar, 40, *task) for at, task in enumerate(read("goals")["tasks"])]


def _task(
    name: str, grammar: sg.Grammar, most: int, world: str, objects: dict[str, str], says: str, goal: str
) -> DomainTask:
    about = read("goals")["worlds"][world]
    shown = [(_question(about["objects"], wish), said) for wish, said in about["shown"]]
    told, right = f"Write each wish as a goal in PDDL. {about['says']}", functools.partial(is_right, goal)
    checker = CanHold(world, objects)
    return DomainTask(name, told, shown, _question(objects, says), grammar, checker, right, goal, most)


def small() -> DomainTask:
    """Return a task of few texts: one atom or two about two blocks, many of which contradict each other."""
    atom = r"\((on [ab] [ab]|clear [ab]|ontable [ab])\)"
    return _task("small", sg.regex(rf"{atom}|\(and {atom} {atom}\)"), 24, *read("goals")["tasks"][0])
