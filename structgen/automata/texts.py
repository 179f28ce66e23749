"""Texts in steppers (`program.Stepper`): their states by number, and what a string pool asks of them.

Nearly every text is a state of its own, so that nothing is worked out before it is asked: the row of such a
state is filled one column at a time, and no search passes through one. It lives where its shortest end does.
"""

from __future__ import annotations

from structgen.automata.program import Stepper
from structgen.automata.truth import Atom, TruthTree
from structgen.errors import LimitError
from structgen.limits import Limits

ANY_LENGTH = 1 << 40
PADDING = "." + 63 * "A"
"""What may follow the end of a stepper where more characters are asked for."""
_PADDED, _SHORTEST = len(PADDING), 7


class StepperTexts:
    """The states of the steppers of one string pool."""

    __slots__ = ("_limits", "_numbers", "_steppers", "_texts")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steppers: list[Stepper] = []
        self._texts: list[tuple[str, int]] = []  # a state, what is safe there
        self._numbers: dict[tuple[int, str], tuple[int, int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._steppers)

    def add(self, stepper: Stepper) -> int:
        """Return the stepper's number here; its start is state 0, as every stepper's is."""
        if not self._texts:
            self._texts.append(("", 0))
        if stepper not in self._steppers:
            self._steppers.append(stepper)
        return self._steppers.index(stepper)

    def text(self, stepper: int, number: int) -> str:
        """Return what is read in a state."""
        return self._texts[number][0] if number else self._steppers[stepper].start()

    def step(self, stepper: int, number: int, char: str) -> tuple[int, int, int] | None:
        """Return (state, least characters to an end, characters that are safe) after a character, or None.

        Raises `LimitError` where there are too many.
        """
        machine = self._steppers[stepper]
        stepped = machine.step(self.text(stepper, number), char)
        if stepped is None:
            return None
        after, least = stepped
        found = self._numbers.get((stepper, after))
        if found is None:
            if len(self._texts) >= self._limits.automaton_states:
                raise LimitError(
                    f"The string automata have more than {self._limits.automaton_states} states.",
                    limit="automaton_states",
                )
            found = (len(self._texts), least, machine.safe(after))
            self._texts.append((after, found[2]))
            self._numbers[stepper, after] = found
        return found

    def rest(self, stepper: int, number: int) -> str:
        """Return the shortest, then smallest text from a state to an end."""
        return self._steppers[stepper].rest(self.text(stepper, number))


def length_of_texts(nodes: tuple[TruthTree, ...], atoms: list[Atom], trimmed: bool) -> int:
    """Return up to how many characters of a string what a stepper calls safe is safe (arena.P_TEXTS).

    That holds where an end is all that a formula asks for beside its length; 0 where something else is asked.
    """
    if trimmed:
        return ANY_LENGTH
    most = 0
    ways: list[TruthTree] = list(nodes)
    while ways:
        node = ways.pop()
        if node[0] == "any":
            ways.extend(node[1:])
            continue
        parts = node[1:] if node[0] == "all" else (node,)
        mine = {part[1] for part in parts if part[0] == "atom"}
        if not any(getattr(atoms[index], "steppers", ()) for index in _atoms_of(node)):
            continue
        bounds = [part for part in parts if part[0] == "length"]
        least = max((part[1] for part in bounds), default=0)
        top = min((part[2] for part in bounds if part[2] is not None), default=ANY_LENGTH)
        if len(mine) != 1 or len(mine) + len(bounds) != len(parts):
            return 0
        # A name with an A-label has seven characters; what pads a longer one has to fit too.
        if least > (_PADDED if top == ANY_LENGTH else _SHORTEST):
            return 0
        most = max(most, top)
    return most


def _atoms_of(node: TruthTree) -> list[int]:
    found: list[int] = []
    stack = [node]
    while stack:
        top = stack.pop()
        if top[0] == "atom":
            found.append(top[1])
        elif top[0] != "length":
            stack.extend(top[1:])
    return found
