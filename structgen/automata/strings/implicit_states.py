"""Implicit automata (`instructions.ImplicitAutomaton`): their states by number, as a string pool needs them.

Nearly every text is a state of its own, so that nothing is worked out before it is asked: the row of such a
state is filled one column at a time, and no search passes through one. It lives where its shortest end does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.instructions import IMPLICIT, ImplicitAutomaton
from structgen.automata.strings import determinizer as k
from structgen.automata.strings.boolean_formulas import Atom, BooleanTree, atoms_of
from structgen.errors import LimitError
from structgen.language.ir import UNKNOWN
from structgen.limits import Limits

ANY_LENGTH = 1 << 40
PADDING = "." + 63 * "A"
"""What may follow the end of a stepper where more characters are asked for."""
_PADDED, _SHORTEST = len(PADDING), 7


class ImplicitStates:
    """What a string pool knows of its steppers, of their states, and of its own states that are in them."""

    __slots__ = ("_arrays", "_ask", "_ends", "_limits", "_numbers", "_steppers", "_texts", "specs")

    def __init__(self, arrays: Mapping[str, Any], ask: Callable[..., int], limits: Limits) -> None:
        """`arrays`: the pool's, which are replaced as they grow; `ask`: its questions to the kernel."""
        self._arrays, self._ask, self._limits = arrays, ask, limits
        self._steppers: list[ImplicitAutomaton] = []
        self._texts: list[str] = [""]  # by number; 0 is the start of every stepper
        self._numbers: dict[tuple[int, str], tuple[int, int, int]] = {}
        self._ends: dict[int, str] = {}
        """Node in a text -> the text from there to an end with an outcome."""
        self.specs: dict[int, bool] = {}
        """The specs with steppers, and whether nothing else is asked there (`_LoadedSpec.descends`)."""

    # Steppers.

    def add(self, stepper: ImplicitAutomaton) -> int:
        """Return the stepper's number here."""
        if stepper not in self._steppers:
            self._steppers.append(stepper)
        return self._steppers.index(stepper)

    def text(self, stepper: int, number: int) -> str:
        """Return what a stepper's state is."""
        return self._texts[number] if number else self._steppers[stepper].start()

    def answer_step(self, key: int) -> None:
        """Say which thread of a stepper comes after another and a character. Raises `LimitError`."""
        keys, prog = self._arrays["keys"], self._arrays["prog"]
        thread, char = int(keys[key, 1]), int(keys[key, 2])
        pc, number = int(keys[thread, 0]), int(keys[thread, 3])
        after = self._step(int(prog[pc, 1]), number, chr(char))
        if after is None:
            self._arrays["keys"][key, ar.VALUE] = -1
            return
        number, least, safe = after
        then = self._ask(k.ASK_STEPPED, thread, safe << 32 | number)
        self._arrays["keys"][then, ar.VALUE] = least
        self._arrays["keys"][key, ar.VALUE] = then

    def _step(self, stepper: int, number: int, char: str) -> tuple[int, int, int] | None:
        """Return (state, least characters to an end, characters that are safe) after a character, or None."""
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
            found = self._numbers[stepper, after] = (len(self._texts), least, machine.safe(after))
            self._texts.append(after)
        return found

    # States of the pool.

    def __bool__(self) -> bool:
        return bool(self._steppers)

    def at(self, node: int) -> bool:
        """Return whether a node is in a text."""
        return bool(self._steppers) and bool(self._ask(k.ASK_STEPS, node))

    def holds(self, state: int) -> bool:
        """Return whether a state is in a text."""
        states = self._arrays["states"]
        return states[state, ar.KIND] == ar.NODE_STATE and self.at(int(states[state, ar.ARG_A]))

    def among(self, states: Any) -> list[int]:
        """Return the places of those of some states (an array) that are in a text."""
        if not self._steppers:
            return []
        return [place for place, state in enumerate(states.tolist()) if self.holds(state)]

    def spec(self, state: int) -> int:
        """Return the number of a state's spec where that has steppers, or -1."""
        arrays = self._arrays
        if not self._steppers or arrays["states"][state, ar.KIND] != ar.NODE_STATE:
            return -1
        number = int(arrays["nodes"][int(arrays["states"][state, ar.ARG_A]), ar.Q_SPEC])
        return number if number in self.specs else -1

    def of_specs(self, first: int, end: int, numbers: Collection[int]) -> list[int]:
        """Return the states from number `first` to `end` of some specs, those inside characters left out."""
        arrays = self._arrays
        states = arrays["states"][first:end]
        mine = np.flatnonzero(states[:, ar.KIND] == ar.NODE_STATE)
        specs = arrays["nodes"][states[mine, ar.ARG_A], ar.Q_SPEC]
        found: list[int] = (first + mine[np.isin(specs, list(numbers))]).tolist()
        return found

    def expand(self, state: int, column: int) -> None:
        """Fill a column of the row of a state in a text; all of them where it is -1."""
        columns = (
            np.flatnonzero(self._arrays["trans"][state] == UNKNOWN).tolist() if column < 0 else (column,)
        )
        for one in columns:
            if self._arrays["trans"][state, one] == UNKNOWN:
                self._ask(k.ASK_COLUMN, state, one)

    def distance(self, state: int) -> int:
        """Return how many characters a state in a text needs to its end."""
        node, arrays = int(self._arrays["states"][state, ar.ARG_A]), self._arrays
        if arrays["nodes"][node, ar.Q_OUTCOME] >= 0:
            return 0
        number, length = arrays["nodes"][node, [ar.Q_SPEC, ar.Q_LENGTH]].tolist()
        cap, most = arrays["spec"][number, [ar.P_CAP, ar.P_TEXTS]].tolist()
        least = min(least for _, _, least in self._steppers_of(node))
        # where no length asks for more than is written by then, the end is the stepper's own
        alone = self.specs[number] or (most >= ANY_LENGTH and length + least >= cap)
        return least if alone else len(self.end(node))

    def end(self, node: int) -> str:
        """Return the text from a node in a text to an end with an outcome; mark the node live or dead.

        It is the stepper's own, and where that does not do (a length asks for more) a label `A...` behind it.
        """
        found = self._ends.get(node)
        if found is not None:
            return found
        nodes = self._arrays["nodes"]
        done = nodes[node, ar.Q_OUTCOME] >= 0
        text = "" if done else self._shortest(node)
        live = 1
        if not done and not self.specs[int(nodes[node, ar.Q_SPEC])]:
            at, live, longer = node, -1, text + PADDING
            for index, char in enumerate(longer):
                at = self._ask(k.ASK_AFTER, at, ord(char))
                if self._arrays["nodes"][at, ar.Q_OUTCOME] >= 0:
                    text, live = longer[: index + 1], 1
                    break
        self._arrays["nodes"][node, ar.Q_LIVE] = live
        self._ends[node] = text
        return text

    def _shortest(self, node: int) -> str:
        """Return the shortest, then smallest text to an end of a stepper that a node is in."""
        near = self._steppers_of(node)
        least = min(least for _, _, least in near)
        texts = (
            self._steppers[one].rest(self.text(one, number)) for one, number, far in near if far == least
        )
        return min(texts)

    def _steppers_of(self, node: int) -> list[tuple[int, int, int]]:
        """Return (stepper, its state, least characters to an end) of each stepper that a node is in."""
        arrays, found = self._arrays, []
        off, size = (int(x) for x in arrays["sets"][int(arrays["nodes"][node, ar.Q_SET]), :2])
        for thread in arrays["heap"][off : off + size].tolist():
            pc, number = int(arrays["keys"][thread, 0]), int(arrays["keys"][thread, 3])
            op, stepper, _, least = arrays["prog"][pc, :4].tolist()
            if op == IMPLICIT:
                least = int(arrays["keys"][thread, ar.VALUE]) if number else least
                found.append((stepper, number, least))
        return found


def length_of_texts(nodes: tuple[BooleanTree, ...], atoms: list[Atom], trimmed: bool) -> int:
    """Return up to how many characters of a string what a stepper calls safe is safe (arena.P_TEXTS).

    That holds where an end is all that a formula asks for beside its length; 0 where something else is asked.
    """
    if trimmed:
        return ANY_LENGTH
    most = 0
    ways: list[BooleanTree] = list(nodes)
    while ways:
        node = ways.pop()
        if node[0] == "any":
            ways.extend(node[1:])
            continue
        parts = node[1:] if node[0] == "all" else (node,)
        mine = {part[1] for part in parts if part[0] == "atom"}
        if not any(getattr(atoms[index], "steppers", ()) for index in atoms_of(node)):
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
