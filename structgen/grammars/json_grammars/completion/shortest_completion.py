"""Finds the shortest completion of each state: the text that completes the document.

With `{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}` the completion after
`{` is `"a":0}`. It depends on the state alone. After its first byte, the completion is the same text without
that byte. Of equally short texts the one with the smallest bytes is taken. Of items that must differ, and of
keys without a name, the shortest come first. "Shortest" is meant among the forms that the network and the
automata write; white space is added as the policy demands.

A *demand* is a condition on one value. A *place* is the demands on one value, of which one must come true;
texts are kept by demand, as a dict from the number of a demand to the shortest text (`Demands`). A *residue*
is how far an object or array has come, and what it still needs. A *frame* is the residue of an open object or
array around the current value, with its key. A *rest* completes one value or container. A *name* is that of a
key that `properties` does not list; completions look for such names among the keys that an object holds.
A *log* is the text of the items whose values matter. *Registers* are the numbers that make up a state.
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
    """Finds and remembers the completions of one compiled grammar. The caller holds the grammar's lock."""

    def __init__(self, machine: Inspection, quoting: Quoting) -> None:
        """`machine`: reads the grammar's states; `quoting`: how strings may be written."""
        self._machine = machine
        self._quoting = quoting
        self.names = ExtraNames(machine)
        self._begun_values = BegunValues(machine)
        self._quoted_rests = QuotedRests(machine, self.names, quoting)
        self._texts: dict[int, tuple[bytes, int]] = {}
        """State -> a text that several states share, and where in it the state's completion begins."""
        self.clear_completions()

    @property
    def names_asked(self) -> int:
        """The number of names and of item values that completions have looked for so far. With each new one,
        fewer states have the same completion."""
        return self.names.count + self._begun_values.count

    def clear_completions(self) -> None:
        """Forget all completions."""
        self._asked_states: set[int] = set()
        """States whose own completions were computed, not taken from another state's text."""
        self._alike: dict[tuple[int, ...], int] = {}
        """The registers on which a completion depends -> the first state with them (`stand_in`)."""
        self._texts.clear()
        self._quoted_rests.clear_rests()
        self.names.clear_names()
        self._begun_values.clear_values()
        self.names_of_alike = 0
        """The value of `names_asked` for which `_alike` holds."""

    def completion_text(self, index: int) -> bytes:
        """Return the completion of the state `index`; b"" where the document is complete."""
        text, start = self.find_completion(index)
        return text[start:]

    def completion_length(self, index: int) -> int:
        """Return the length of the completion of the state `index`, in bytes."""
        text, start = self.find_completion(index)
        return len(text) - start

    def remember_text(self, index: int, text: bytes, start: int) -> None:
        """Note `text[start:]` as the completion of the state `index`, unless it has one. The text is from a
        state before it, whose completion leads through this one."""
        self._texts.setdefault(index, (text, start))

    def _comparing_frames(self, frame: int) -> Iterator[tuple[int, int]]:
        """Yield the arrays whose rest depends on the current item, from `frame` outwards: the residue of each
        array, and where in the log its item begins."""
        while frame >= 0:
            residue, begin, key, frame = self._machine.frame(frame)
            if self._depends_on_item(residue, key):
                yield self._machine.residue(residue), begin & L.LOG

    def find_completion(self, index: int) -> tuple[bytes, int]:
        """Return a text, and where in it the completion of the state `index` begins."""
        while (completion := self._texts.get(index)) is None:
            like = self.stand_in(index)
            names_before = self.names_asked
            self.look_for_names(like)
            # a new name may separate the two states: then a stand-in is chosen again
            if names_before == self.names_asked:
                self._texts[index] = self._texts[like]
        return completion

    def look_for_names(self, index: int) -> None:
        """Compute the completion of the state `index`, so that the names it depends on are noted. A text that
        was taken from another state (`remember_text`) has noted none. Only then may the state stand for
        others."""
        if index not in self._asked_states:
            self._texts.setdefault(index, (self._complete_state(index), 0))
            self._asked_states.add(index)

    def stand_in(self, index: int) -> int:
        """Return the state that stands for `index` and all states that have the same completion.

        These states differ only in the text of an unfinished key or item, which can no longer become a name
        or a value looked for. Their completions are equal, byte for byte, and allow the same tokens, until a
        completion looks for a new name. So the length of the text does not add to the cost."""
        if self.names_of_alike != self.names_asked:
            self._alike.clear()
            self.names_of_alike = self.names_asked
        registers = self._machine.registers(index)
        *key, text, frame = registers
        is_begun_name = registers.mode == L.M_KEY and self.names.begun_rests(text)
        if not text or is_begun_name or self.near_rests(text, frame) is not None:
            return index
        return self._alike.setdefault((*key, text & L.CAPTURE, frame), index)

    def near_rests(self, text: int, frame: int) -> frozenset[bytes] | None:
        """Return the rests with which the last string of the current item may become part of a value looked
        for (`BegunValues`); None where no rest of the document depends on the item. `text`, `frame`: the
        registers of these names."""
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
        """Return whether an array at `frame` or around it may still have to repeat an item: then its rest may
        contain the item that is being written."""
        network = self._machine.network
        return any(network.wants_again(residue) for residue, _ in self._comparing_frames(frame))

    # --- one state ------------------------------------------------------------------------------------------

    def _complete_state(self, index: int) -> bytes:
        """Compute the completion of the state `index`."""
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
        """Return the shortest rest of the document as compact text. `frame`: the frame around the innermost
        value or container; `demands`: the rests of that value or container; `log`: the log of the items whose
        values matter, 0: none."""
        machine = self._machine
        while frame >= 0:
            residue, extras, key, frame = machine.frame(frame)
            if self._depends_on_item(residue, key):
                # in such a frame `extras` is where in the log the item begins
                item = machine.expander.item_text(log, extras)
                demands = machine.network.finish_with(
                    machine.residue(residue), None, demands, text_so_far=item
                )
                continue
            demands = machine.network.finish_with(
                machine.residue(residue),
                machine.expander.network_key(residue, key),
                demands,
                self.names.extra_keys(extras),
            )
        return min(demands.values(), key=text_order)

    def _depends_on_item(self, row: int, key: int) -> bool:
        """Return whether the rest of an array depends on the item that is being written; False for an object.
        `row`: the machine's row of the residue; `key`: the key of the frame, -1 in an array."""
        machine = self._machine
        if key != -1 or not machine.watches(row):
            return False
        return not machine.network.items(machine.residue(row)).closes_next

    def _innermost_rests(self, index: int) -> Demands:
        """Return the shortest rest of the innermost value or container of the state `index`, by demand."""
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
            # the lexeme is the number of the word, and in its low four bits how many bytes are written
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
            # the key is written, and in these modes the lexeme is its number
            key = machine.expander.network_key(row, registers.lexeme)
            place = machine.child_place(row, registers.lexeme)
            values = self._shortest_values(place, index if mode == L.M_VALUE else None)
            extra_keys = self.names.extra_keys(registers.extras)
            rests = machine.network.finish_with(residue, key, values, extra_keys)
            return with_head(b":", rests) if mode == L.M_COLON else rests
        return self._container_rests(index, mode, residue)

    def _container_rests(self, index: int, mode: int, residue: int) -> Demands:
        """Return the rests of an object or array in the state `index`, which is between two of its tokens.
        `mode`: the state's; `residue`: the container's."""
        machine = self._machine
        registers = machine.registers(index)
        # computed in every mode: the network looks for names of extra keys, which other states depend on
        extra_keys = self.names.extra_keys(registers.extras)
        whole = machine.network.finish(residue, extra_keys)
        if mode == L.M_NEXT:
            return self._item_rests(index, residue)
        if mode not in (L.M_OBJECT, L.M_MEMBER, L.M_ARRAY, L.M_ITEM):
            return self._member_rests(index)
        if registers.position == 0:
            return whole
        # white space is written, after which the policy may refuse some tokens
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
        """Return the rests of an array that goes on with an item, by demand; {} where no item may follow."""
        network = self._machine.network
        menu = network.items(residue)
        if menu.item is None:
            return {}
        values = self._shortest_values(menu.item, index)
        if menu.values:
            network.look_for(values.values())
        return network.finish_with(residue, None, values)

    def _member_rests(self, index: int) -> Demands:
        """Return the rests of an object that goes on with a member, by demand; {} where none may follow."""
        after = self._machine.state_after(index, b'"')
        if after < 0:
            return {}
        return with_head(b'"', self._quoted_rests.rests_of_key(after))

    def _shortest_values(self, place: int, index: int | None) -> Demands:
        """Return the shortest values of a place, by demand. `index`: the state before the value, whose white
        space may rule out some of them; None: no white space is written."""
        machine = self._machine
        shortest = machine.network.finish_place(place)
        if index is None or machine.registers(index).position == 0:
            return shortest
        possible = machine.next_bytes(index)
        if all(text[0] in possible for text in shortest.values()):
            return shortest
        # after so many blanks the policy allows only a bracket
        return machine.network.finish_bracketed(place)

    def _complete_escape(self, index: int) -> bytes:
        """Return the completion of a state inside an escape: the least one over all characters that it may
        become."""
        machine = self._machine
        # State after the escape -> the ways to finish the escape that lead to it.
        ways: dict[int, list[bytes]] = {}
        for way in escape_rests(machine, index, self._quoting.lost_digits):
            # Digits in lower case where the policy takes both, as they are written elsewhere: a completion of
            # this state is the rest of one that was found before it.
            for rest in self._quoting.escape_cases(way):
                after = machine.state_after(index, rest)
                if after >= 0:
                    ways.setdefault(after, []).append(rest)
                    break
        if escape_of(machine.registers(index)) == 6:  # 6: a whole escape of a high surrogate is written
            # after a high surrogate another one only where nothing else may come: that could go on for ever
            finished = {
                state: rests for state, rests in ways.items() if escape_of(machine.registers(state)) == 0
            }
            ways = finished or ways
        if not ways:  # no way is allowed: take the first byte that is
            present = bytes({*range(128)}.difference(self._quoting.missing))
            byte, after = machine.after_each(index, present)[0]
            return bytes((byte,)) + self.completion_text(after)
        # of the rests that lead to one state only the least counts
        least_rests = {after: min(rests, key=text_order) for after, rests in ways.items()}
        texts = (rest + self.completion_text(after) for after, rest in least_rests.items())
        return min(texts, key=text_order)
