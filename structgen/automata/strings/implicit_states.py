"""Implicit automata (`instructions.ImplicitAutomaton`): their states by number, as a string pool needs them.

Nearly every text is a state of its own, so a state is computed when a text reaches it: its row is filled one
column at a time, and no search passes through it. It is live if the automaton's shortest end leads to an
outcome.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.determinizer_tables import Key, LoadedSpec, StringNode, StringState
from structgen.automata.programs.instructions import IMPLICIT, ImplicitAutomaton
from structgen.automata.strings import determinizer as k
from structgen.automata.strings.boolean_formulas import Atom, BooleanTree, atoms_of
from structgen.automata.strings.string_memory import StringMemory
from structgen.errors import LimitError
from structgen.language.ir import UNKNOWN
from structgen.limits import Limits

ANY_LENGTH = 1 << 40
PADDING = "." + 63 * "A"
"""A text that may follow an end, if a length asks for more characters."""
_PADDED, _SHORTEST = len(PADDING), 7


class ImplicitStates:
    """The implicit automata of a string pool, their states, and the pool's states inside them."""

    __slots__ = ("_arrays", "_ask", "_automata", "_ends", "_limits", "_numbers", "_texts", "specs")

    def __init__(self, memory: StringMemory, limits: Limits) -> None:
        self._arrays, self._ask, self._limits = memory.arrays, memory.ask, limits
        self._automata: list[ImplicitAutomaton] = []
        self._texts: list[str] = [""]  # by number; 0 is the start of every automaton
        self._numbers: dict[tuple[int, str], tuple[int, int, int]] = {}
        self._ends: dict[int, str] = {}
        """Node inside an automaton -> its shortest completion."""
        self.specs: dict[int, bool] = {}
        """The specs with implicit automata, and whether they ask for nothing else
        (`StringSpec.exact`)."""

    # The automata.

    def add(self, stepper: ImplicitAutomaton) -> int:
        """Return the number of an automaton; it is added if it is new."""
        if stepper not in self._automata:
            self._automata.append(stepper)
        return self._automata.index(stepper)

    def text(self, number: int) -> str:
        """Return the text that names a state of an automaton."""
        return self._texts[number]

    def answer_step(self, key: int) -> None:
        """Answer which thread follows a thread and a character. Raises `LimitError`."""
        keys, prog = self._arrays["keys"], self._arrays["code"]
        thread, char = int(keys[key, 1]), int(keys[key, 2])
        pc, number = int(keys[thread, 0]), int(keys[thread, 3])
        after = self._step(int(prog[pc, 1]), number, chr(char))
        if after is None:
            self._arrays["keys"][key, Key.value] = -1
            return
        number, least, safe = after
        then = self._ask(k.ASK_STEPPED, thread, safe << 32 | number)
        self._arrays["keys"][then, Key.value] = least
        self._arrays["keys"][key, Key.value] = then

    def _step(self, stepper: int, number: int, char: str) -> tuple[int, int, int] | None:
        """Return (state, distance to the nearest end, `safe`) after a character, or None."""
        automaton = self._automata[stepper]
        after = automaton.step(self.text(number), char)
        if after is None:
            return None
        found = self._numbers.get((stepper, after))
        if found is None:
            if len(self._texts) >= self._limits.automaton_states:
                raise LimitError(
                    f"The string automata have more than {self._limits.automaton_states} states.",
                    limit="automaton_states",
                )
            found = self._numbers[stepper, after] = (
                len(self._texts),
                len(automaton.rest(after)),
                automaton.safe(after),
            )
            self._texts.append(after)
        return found

    # States of the pool.

    def __bool__(self) -> bool:
        return bool(self._automata)

    def at(self, node: int) -> bool:
        """Return whether a node is inside an implicit automaton."""
        return bool(self._automata) and bool(self._ask(k.ASK_STEPS, node))

    def holds(self, state: int) -> bool:
        """Return whether a state is inside an implicit automaton."""
        states = self._arrays["states"]
        return states[state, StringState.kind] == ar.NODE_STATE and self.at(int(states[state, StringState.a]))

    def among(self, states: Any) -> list[int]:
        """Return the indices of the states (an array) that are inside an implicit automaton."""
        if not self._automata:
            return []
        return [place for place, state in enumerate(states.tolist()) if self.holds(state)]

    def spec(self, state: int) -> int:
        """Return the number of a state's spec if it has implicit automata, else -1."""
        arrays = self._arrays
        if not self._automata or arrays["states"][state, StringState.kind] != ar.NODE_STATE:
            return -1
        number = int(arrays["nodes"][int(arrays["states"][state, StringState.a]), StringNode.spec])
        return number if number in self.specs else -1

    def of_specs(self, first: int, end: int, numbers: Collection[int]) -> list[int]:
        """Return the states from `first` to `end` that belong to some specs and are not inside a
        character."""
        arrays = self._arrays
        states = arrays["states"][first:end]
        mine = np.flatnonzero(states[:, StringState.kind] == ar.NODE_STATE)
        specs = arrays["nodes"][states[mine, StringState.a], StringNode.spec]
        found: list[int] = (first + mine[np.isin(specs, list(numbers))]).tolist()
        return found

    def expand(self, state: int, column: int) -> None:
        """Fill a column of a row inside an implicit automaton; all columns if it is -1."""
        columns = (
            np.flatnonzero(self._arrays["trans"][state] == UNKNOWN).tolist() if column < 0 else (column,)
        )
        for one in columns:
            if self._arrays["trans"][state, one] == UNKNOWN:
                self._ask(k.ASK_COLUMN, state, one)

    def distance(self, state: int) -> int:
        """Return how many characters the shortest completion of a state inside an implicit automaton has."""
        node, arrays = int(self._arrays["states"][state, StringState.a]), self._arrays
        if arrays["nodes"][node, StringNode.outcome] >= 0:
            return 0
        number, length = arrays["nodes"][node, [StringNode.spec, StringNode.length]].tolist()
        cap, most = arrays["specs"][number, [LoadedSpec.cap, LoadedSpec.texts]].tolist()
        least = min(least for _, _, least in self._automata_of(node))
        # if no length asks for more characters, the completion is the automaton's own
        alone = self.specs[number] or (most >= ANY_LENGTH and length + least >= cap)
        return least if alone else len(self.end(node))

    def end(self, node: int) -> str:
        """Return the shortest completion of a node inside an implicit automaton; mark the node live or dead.

        It is the automaton's own; if a length asks for more, PADDING follows it.
        """
        found = self._ends.get(node)
        if found is not None:
            return found
        nodes = self._arrays["nodes"]
        done = nodes[node, StringNode.outcome] >= 0
        text = "" if done else self._shortest(node)
        live = 1
        if not done and not self.specs[int(nodes[node, StringNode.spec])]:
            at, live, longer = node, -1, text + PADDING
            for index, char in enumerate(longer):
                at = self._ask(k.ASK_AFTER, at, ord(char))
                if self._arrays["nodes"][at, StringNode.outcome] >= 0:
                    text, live = longer[: index + 1], 1
                    break
        self._arrays["nodes"][node, StringNode.live] = live
        self._ends[node] = text
        return text

    def _shortest(self, node: int) -> str:
        """Return the shortest, then smallest text from a node to an end of one of its implicit automata."""
        met = self._automata_of(node)
        least = min(least for _, _, least in met)
        texts = (self._automata[one].rest(self.text(number)) for one, number, far in met if far == least)
        return min(texts)

    def _automata_of(self, node: int) -> list[tuple[int, int, int]]:
        """Return (number, state, distance to the nearest end) of each implicit automaton that a node is
        in."""
        arrays, found = self._arrays, []
        off, size = (int(x) for x in arrays["sets"][int(arrays["nodes"][node, StringNode.set]), :2])
        for thread in arrays["heap"][off : off + size].tolist():
            pc, number = int(arrays["keys"][thread, 0]), int(arrays["keys"][thread, 3])
            op, stepper, _, least = arrays["code"][pc, :4].tolist()
            if op == IMPLICIT:
                least = int(arrays["keys"][thread, Key.value]) if number else least
                found.append((stepper, number, least))
        return found


def length_of_texts(nodes: tuple[BooleanTree, ...], atoms: list[Atom], trimmed: bool) -> int:
    """Return up to how many characters of a string `ImplicitAutomaton.safe` holds (P_TEXTS); 0: it does not.

    It holds if a formula asks for an end of the automaton and a length, and for nothing else.
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
        # The shortest name with an A-label has seven characters; PADDING has to fit behind a longer one.
        if least > (_PADDED if top == ANY_LENGTH else _SHORTEST):
            return 0
        most = max(most, top)
    return most
