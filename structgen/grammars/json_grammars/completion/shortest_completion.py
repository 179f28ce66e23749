"""The shortest way to the end: from any state, the text that completes the document.

The completion of a state is the shortest text (ties: the smallest bytes; of items that must differ, of keys
without a name, the shortest first) that completes it in the forms that the network and the automata call
shortest, spaced as the policy asks. It is a function of the state alone, and the completion after its first
byte is the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from structgen.base.language.ir import Demands
from structgen.grammars.json_grammars.completion.begun_values import BegunValues
from structgen.grammars.json_grammars.completion.next_characters import escape_of, escape_rests
from structgen.grammars.json_grammars.completion.obligatory_space import (
    state_after_space,
    with_obligatory_space,
)
from structgen.grammars.json_grammars.completion.shortest_texts import lesser_texts, text_order, with_head
from structgen.grammars.json_grammars.completion.string_rests import ExtraNames, QuotedRests
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.schema.reading.missing_bytes import Quoting


class ShortestCompletions:
    """Completions of the states of one compiled grammar, remembered; its lock is held by the caller."""

    def __init__(self, machine: Inspection, quoting: Quoting) -> None:
        """`quoting`: how strings are written."""
        self._machine = machine
        self._quoting = quoting
        self._names = ExtraNames(machine)
        self._begun_values = BegunValues(machine)
        self._quoted_rests = QuotedRests(machine, self._names, quoting)
        self._texts: dict[int, tuple[bytes, int]] = {}
        """State -> its completion, as a text that states share and where in it the completion begins."""
        self.clear_completions()

    @property
    def names_asked(self) -> int:
        """How many names of extra keys were looked for among those that objects hold, and values among those
        of arrays. With one more, fewer states are alike."""
        return self._names.count + self._begun_values.count

    def names_begun(self, text: int) -> frozenset[bytes]:
        """Return how names go on that were looked for and begin with the text of a key
        (`ExtraNames.begun_rests`)."""
        return self._names.begun_rests(text)

    def clear_completions(self) -> None:
        """Forget what was remembered."""
        self._asked_states: set[int] = set()
        """States whose completions were worked out, and not shown by another state's."""
        self._alike: dict[tuple[int, ...], int] = {}
        """The registers that count -> the first state with them (`stand_in`)."""
        self._texts.clear()
        self._quoted_rests.clear_rests()
        self._names.clear_names()
        self._begun_values.clear_values()
        self._names_of_alike = 0
        """How many names were looked for when `_alike` was begun."""

    def completion_text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the document is complete."""
        text, start = self.find_completion(index)
        return text[start:]

    def completion_length(self, index: int) -> int:
        """Return the bytes of the completion of a state."""
        text, start = self.find_completion(index)
        return len(text) - start

    def remember_text(self, index: int, text: bytes, start: int) -> None:
        """Note the completion of a state, text[start:], where another one has shown it."""
        self._texts.setdefault(index, (text, start))

    def _comparing_frames(self, frame: int) -> Iterator[tuple[int, int]]:
        """Yield the frames of items, from one on down, on which the rest of an array depends: the array's
        residue, and where in the log the item begins."""
        while frame >= 0:
            residue, begin, key, frame = self._machine.frame(frame)
            if self._depends_on_item(residue, key):
                yield self._machine.residue(residue), begin & L.LOG

    def find_completion(self, index: int) -> tuple[bytes, int]:
        """Return the completion of a state as a text and where in it it begins."""
        while (completion := self._texts.get(index)) is None:
            like = self.stand_in(index)
            names_before = self.names_asked
            self.look_for_names(like)
            # with a new name the state may stand for fewer others: then another one is looked for
            if names_before == self.names_asked:
                self._texts[index] = self._texts[like]
        return completion

    def look_for_names(self, index: int) -> None:
        """Have the names looked for on which the completion of a state depends: where another state has shown
        the text, nobody has. Only then may it stand for others."""
        if index not in self._asked_states:
            self._texts.setdefault(index, (self._complete_state(index), 0))
            self._asked_states.add(index)

    def stand_in(self, index: int) -> int:
        """Return the state that stands for all that differ from this one in the text of a key or an item
        alone, of which none may become a name or a value that was looked for. Their completions are the same,
        byte for byte, unless a completion looks for one more, and the same tokens may come in them. So the
        text so far, however long, adds nothing to the cost."""
        if self._names_of_alike != self.names_asked:
            self._alike.clear()
            self._names_of_alike = self.names_asked
        registers = self._machine.registers(index)
        *key, text, frame = registers
        is_begun_name = registers.mode == L.M_KEY and self._names.begun_rests(text)
        if not text or is_begun_name or self.near_rests(text, frame) is not None:
            return index
        return self._alike.setdefault((*key, text & L.CAPTURE, frame), index)

    def near_rests(self, text: int, frame: int) -> frozenset[bytes] | None:
        """Return how the string goes on in which an item ends, by the registers `completion_text` and
        `frame`, to become a value that was looked for among those of its array (`BegunValues`); None where no
        rest depends on the item."""
        log = text & L.LOG if text & L.CAPTURE else 0
        if not log:
            return None
        near: frozenset[bytes] | None = None
        if self.wants_again(frame):
            near = frozenset()
        for _, begin in self._comparing_frames(frame):
            rests = self._begun_values.rests_of_item(log, begin)
            if rests is not None:
                near = rests.union(near or ())
        return near

    def wants_again(self, frame: int) -> bool:
        """Return whether, around a frame, the rest of an array may be the item that is being written."""
        network = self._machine.network
        return any(network.wants_again(residue) for residue, _ in self._comparing_frames(frame))

    # --- one state ------------------------------------------------------------------------------------------

    def _complete_state(self, index: int) -> bytes:
        machine = self._machine
        if machine.may_end(index):
            return b""
        registers = machine.registers(index)
        if escape_of(registers) != 0:
            return self._complete_escape(index)
        # a compact text first, from the innermost value outwards; then its white space
        rests = self._innermost_rests(state_after_space(machine, index))
        text = self._outer_rest(registers.frame, rests, machine.log(registers))
        return with_obligatory_space(machine, text, index)

    def _outer_rest(self, frame: int, demands: Demands, log: int) -> bytes:
        """Return the shortest rest of the document, given those of the innermost value or container.
        `log`: that of items whose values matter."""
        machine = self._machine
        while frame >= 0:
            residue, extras, key, frame = machine.frame(frame)
            if self._depends_on_item(residue, key):
                # of such a frame the register `extras` says where in the log the item begins
                item = machine.expander.item_text(log, extras)
                demands = machine.network.finish_with(
                    machine.residue(residue), None, demands, text_so_far=item
                )
                continue
            demands = machine.network.finish_with(
                machine.residue(residue),
                machine.expander.network_key(residue, key),
                demands,
                self._names.extra_keys(extras),
            )
        return min(demands.values(), key=text_order)

    def _depends_on_item(self, row: int, key: int) -> bool:
        """Return whether the rest of an array (of an object: never) depends on the item that is being
        written."""
        machine = self._machine
        if key != -1 or not machine.watches(row):
            return False
        return not machine.network.items(machine.residue(row)).closes_next

    def _innermost_rests(self, index: int) -> Demands:
        """Return the shortest rest of the innermost value or container, for each of its demands."""
        machine = self._machine
        registers = machine.registers(index)
        mode = registers.mode
        if mode == L.M_STRING:
            return self._quoted_rests.rests_of_string(index)
        if mode == L.M_WORDS:
            return self._quoted_rests.rests_of_word(registers)
        if mode == L.M_NUMBER:
            return machine.numbers.shortest_rests(registers.lexeme)
        if mode == L.M_LITERAL:
            # the lexeme is the number of the word and how much of it is written
            word = (b"true", b"false", b"null")[registers.lexeme >> 4]
            rest = word[registers.lexeme & 15 :]
            return dict.fromkeys(machine.network.outcomes.values[registers.residue], rest)
        if mode == L.M_DOC:
            return self._shortest_values(machine.network.root, index)
        if mode == L.M_KEY:
            return self._quoted_rests.rests_of_key(index)
        row = registers.residue
        residue = machine.residue(row)
        if mode in (L.M_COLON, L.M_VALUE):
            # the key is written: of these modes the lexeme is its number
            key = machine.expander.network_key(row, registers.lexeme)
            place = machine.child_place(row, registers.lexeme)
            values = self._shortest_values(place, index if mode == L.M_VALUE else None)
            extra_keys = self._names.extra_keys(registers.extras)
            rests = machine.network.finish_with(residue, key, values, extra_keys)
            return with_head(b":", rests) if mode == L.M_COLON else rests
        return self._container_rests(index, mode, residue)

    def _container_rests(self, index: int, mode: int, residue: int) -> Demands:
        """Return the rest of an object or array, from between its tokens."""
        machine = self._machine
        registers = machine.registers(index)
        # asked in every mode: the network looks for names of extra keys, which other states depend on
        extra_keys = self._names.extra_keys(registers.extras)
        whole = machine.network.finish(residue, extra_keys)
        if mode == L.M_NEXT:
            return self._item_rests(index, residue)
        if mode not in (L.M_OBJECT, L.M_MEMBER, L.M_ARRAY, L.M_ITEM):
            return self._member_rests(index)
        if registers.position == 0:
            return whole
        # white space was written, after which not every token may stand
        possible = machine.next_bytes(index)
        is_array = mode in (L.M_ARRAY, L.M_ITEM)
        close = b"]" if is_array else b"}"
        closing: dict[int, bytes] = {}
        if close[0] in possible:
            closing = {demand: text for demand, text in whole.items() if text == close}
        comma = b"," if mode in (L.M_MEMBER, L.M_ITEM) else b""
        if comma and comma[0] not in possible:
            return closing
        after = machine.state_after(index, comma) if comma else index
        going_on = self._item_rests(after, residue) if is_array else self._member_rests(after)
        return lesser_texts(closing, with_head(comma, going_on))

    def _item_rests(self, index: int, residue: int) -> Demands:
        """Return the rest of an array that goes on with an item."""
        network = self._machine.network
        menu = network.items(residue)
        if menu.item is None:
            return {}
        values = self._shortest_values(menu.item, index)
        if menu.values:
            network.look_for(values.values())
        return network.finish_with(residue, None, values)

    def _member_rests(self, index: int) -> Demands:
        """Return the rest of an object that goes on with a member."""
        after = self._machine.state_after(index, b'"')
        if after < 0:
            return {}
        return with_head(b'"', self._quoted_rests.rests_of_key(after))

    def _shortest_values(self, place: int, index: int | None) -> Demands:
        """Return the shortest values of a place; `index`: the state,
        where white space may rule out some of them."""
        machine = self._machine
        shortest = machine.network.finish_place(place)
        if index is None or machine.registers(index).position == 0:
            return shortest
        possible = machine.next_bytes(index)
        if all(text[0] in possible for text in shortest.values()):
            return shortest
        # so many blanks that only a bracket may follow
        return machine.network.finish_bracketed(place)

    def _complete_escape(self, index: int) -> bytes:
        """Return the completion from inside an escape: the least over the characters that it may become."""
        machine = self._machine
        ways: dict[int, list[bytes]] = {}
        for way in escape_rests(machine, index, self._quoting.lost_digits):
            # Digits in lower case where the policy takes both, as they are written elsewhere: a completion of
            # this state is the rest of one that was found before it.
            for rest in self._quoting.escape_cases(way):
                after = machine.state_after(index, rest)
                if after >= 0:
                    ways.setdefault(after, []).append(rest)
                    break
        if escape_of(machine.registers(index)) == 6:
            # after a high surrogate another one only where nothing else may come: that could go on for ever
            finished = {
                state: rests for state, rests in ways.items() if escape_of(machine.registers(state)) == 0
            }
            ways = finished or ways
        if not ways:  # the characters that stand for others have other digits: the first byte that may come
            present = bytes({*range(128)}.difference(self._quoting.missing))
            byte, after = machine.after_each(index, present)[0]
            return bytes((byte,)) + self.completion_text(after)
        # of the rests that lead to one state only the least counts
        least_rests = {after: min(rests, key=text_order) for after, rests in ways.items()}
        texts = (rest + self.completion_text(after) for after, rest in least_rests.items())
        return min(texts, key=text_order)
