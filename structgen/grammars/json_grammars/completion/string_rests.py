"""Finds the shortest way to finish a string or a key that the document has begun.

The *rest* of a string is the text that completes it, its closing quote included: after `"ab` with a pattern
`^abc$` it is `c"`. A *demand* is a condition on one value; rests are kept by demand, as a dict from the
number of a demand to the shortest rest that meets it (`Demands`). A *listed word* is a string that the schema
names, as in `enum`. An *extra key* is a key of an object that `properties` does not name. A *class* of extra
keys is a set of them that must hold values of the same place; its number is that of a demand on keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from structgen.automata.unicode.charsets import LAST, SURROGATES
from structgen.automata.unicode.decoded_text import decode_text, encode_text
from structgen.base.language.ir import Demands
from structgen.grammars.json_grammars.completion.next_characters import characters_after
from structgen.grammars.json_grammars.completion.shortest_texts import lesser_texts, text_order, with_head
from structgen.machines.json_machine.inspection import Inspection, StateRegisters
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import StringRow
from structgen.schema.reading.missing_bytes import Quoting

_PLAIN_BYTES = bytes(byte for byte in range(32, 256) if byte not in b'"\\\x7f')
"""The bytes that a string contains as they are: no control characters, quotes or backslashes."""
# 34 is the quote, 92 the backslash, 127 DEL
_ESCAPED = (0, 31), (34, 34), (92, 92), (127, 127), SURROGATES
_ESCAPED_ASCII = (*_ESCAPED[:-2], (127, 0xD7FF), SURROGATES, (0xE000, LAST))
"""Ranges of code points that are written as escapes: in UTF-8 (`_ESCAPED`), and in ASCII."""
_ANY = ((0, LAST),)
"""The same ranges where the vocabulary cannot write all bytes: any character may be written as an escape."""


@dataclass(eq=False)
class _ExtraKeys(Collection[str]):
    """The extra keys that an object holds. Each key that somebody looks for in it is noted in `names`."""

    _names: ExtraNames
    _root: int

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self._root != 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.all_names(self._root))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._names.has_name(self._root, key)


class ExtraNames:
    """The names of extra keys that completions have looked for in objects. Two states have the same
    completion if their objects hold the same of these names, and can still get the same of them."""

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear_names()

    def clear_names(self) -> None:
        """Forget all names."""
        self._set_names({})

    def _set_names(self, bytes_by_name: dict[str, bytes]) -> None:
        """Replace the names, and forget what was computed for the old ones. `bytes_by_name`: each name with
        its UTF-8 bytes."""
        # one statement: an interrupted call leaves no rests of other names
        rests_by_text = {0: frozenset(bytes_by_name.values())}
        self._bytes_by_name, self._rests_by_text = bytes_by_name, rests_by_text

    @property
    def count(self) -> int:
        """How many names were looked for."""
        return len(self._bytes_by_name)

    def extra_keys(self, extras: int) -> Collection[str]:
        """Return the extra keys of an object, given the register `extras` of its state."""
        return _ExtraKeys(self, extras & (L.BLUR - 1))

    def has_name(self, root: int, key: str) -> bool:
        """Return whether a set of keys contains a name, and note the name. `root`: the number of the set."""
        self._note_names((key,))
        return self._machine.holds(root, self._bytes_by_name[key])

    def all_names(self, root: int) -> frozenset[str]:
        """Return all names of a set of keys, and note them. `root`: the number of the set; 0: the empty
        set."""
        names: frozenset[str] = frozenset()
        if root:
            names = frozenset(map(decode_text, self._machine.steps_of_set(root)))
        self._note_names(names)
        return names

    def look_for(self, keys: Iterable[bytes]) -> None:
        """Note names, given as UTF-8 bytes. Bytes that begin inside a character are no whole name, and are
        passed over."""
        whole_keys = (key for key in keys if not b"\x80" <= key[:1] < b"\xc0")
        self._note_names(map(decode_text, whole_keys))

    def _note_names(self, keys: Iterable[str]) -> None:
        """Add names to those that were looked for."""
        new_names = {key: encode_text(key) for key in keys if key not in self._bytes_by_name}
        if new_names:
            self._set_names(self._bytes_by_name | new_names)

    def begun_rests(self, text: int) -> frozenset[bytes]:
        """Return the continuations of the noted names that begin with the written part of a key. With the
        names `ab` and `cd` and the written part `a`, that is {`b`}. `text`: the register of the written part.
        Cost: linear in its bytes that were not asked about before."""
        rests_by_text = self._rests_by_text
        text &= L.LOG
        # back along the text, as far as a beginning whose answer is known
        path: list[tuple[int, int]] = []
        while text not in rests_by_text:
            parent_text, byte = self._machine.text_before(text)
            if byte == L.KEY_BEGINS:
                rests_by_text[text] = rests_by_text[0]
                break
            path.append((text, byte))
            text = parent_text
        rests = rests_by_text[text]
        for text, byte in reversed(path):
            first = bytes((byte,))
            rests = frozenset(rest.removeprefix(first) for rest in rests if rest.startswith(first))
            rests_by_text[text] = rests
        return rests


class QuotedRests:
    """Finds the rests of strings and keys, which stand in quotation marks, for one compiled grammar."""

    def __init__(self, machine: Inspection, names: ExtraNames, quoting: Quoting) -> None:
        """`names`: receives the names of extra keys that rests look for; `quoting`: how strings are
        written."""
        self._machine = machine
        self._names = names
        self._quoting = quoting
        self._literal = quoting.write_literal
        self._escaped_ranges: Sequence[tuple[int, int]] = _ESCAPED
        if quoting.missing:
            self._escaped_ranges = _ANY
        elif quoting.is_ascii:
            self._escaped_ranges = _ESCAPED_ASCII
        self._key_rests: dict[int, Demands] = {}

    def clear_rests(self) -> None:
        """Forget what was remembered."""
        self._key_rests.clear()

    def rests_of_string(self, index: int) -> Demands:
        """Return the shortest rests of a string, by demand. `index`: the number of a state inside the string.
        Where the written text begins a listed word, the rest of that word is a candidate too."""
        machine = self._machine
        registers = machine.registers(index)
        prefix = registers.side_node
        if prefix <= 0:
            return self._unlisted_rests(registers)
        row = machine.string_row(registers.residue)
        shortest_other: bytes | None = None
        """The shortest rest, without its quote, after which the string is not a listed word."""
        for text, _, node, agrees in self._find_ways(index):
            registers_after = machine.registers(node)
            candidates: list[bytes] = []
            if not agrees:
                # The quote is removed here; the shortest of all rests gets it back at the end.
                rests = self._unlisted_rests(registers_after).values()
                candidates = [text + rest.removesuffix(b'"') for rest in rests]
            elif shortest_other is not None and len(shortest_other) <= len(text):
                break  # ways that agree come in the order of length: no later one is shorter
            else:
                # The string may end here, unless that would make it a listed word.
                prefix_after = registers_after.side_node
                length = prefix_after & L.POSITION_BITS
                longer_words = machine.words_with_prefix(row[StringRow.words], prefix_after)
                is_word = any(len(word) == length for _, word in longer_words)
                if not is_word and machine.state_after(node, b'"') >= 0:
                    candidates = [text]
            if shortest_other is not None:
                candidates.append(shortest_other)
            shortest_other = min(candidates, key=text_order, default=None)
        words = row[StringRow.words]
        best = self._listed_rests(words, prefix, row[StringRow.outcomes])
        if shortest_other is None:
            return best
        return lesser_texts(best, {0: shortest_other + b'"'})

    def _find_ways(self, index: int) -> Iterator[tuple[bytes, bytes, int, bool]]:
        """Yield texts that may continue a string or a key, as tuples (text, decoded text, state after it,
        whether it agrees). A text *agrees* while the string so far begins a listed word or a key that the
        object holds.

        Texts that agree come in the order of their length, the empty text first. Of a text that does not
        agree, only the shortest beginning that does not agree is yielded: from there the automaton knows the
        shortest rest."""
        heap: list[tuple[int, bytes, bytes, int]] = [(0, b"", b"", index)]
        while heap:
            _, text, characters, node = heappop(heap)
            yield text, characters, node, True
            met_kinds: set[tuple[int, int]] = set()
            for step_characters, step_text, after in self._find_steps(node):
                registers = self._machine.registers(after)
                text_after = text + step_text
                characters_after_step = characters + step_characters
                is_key = registers.mode == L.M_KEY
                state = registers.lexeme & L.STATE_BITS
                position = registers.position
                kind = state, 0 if is_key else position
                if state == L.NO_STATE or kind in met_kinds:
                    continue  # another way of the same kind goes on as well as this one
                if registers.side_node > 0 or (is_key and position >= 0):
                    heappush(heap, (len(text_after), text_after, characters_after_step, after))
                else:
                    met_kinds.add(kind)
                    yield text_after, characters_after_step, after, False

    def _find_steps(self, index: int) -> list[tuple[bytes, bytes, int]]:
        """Return the steps from a state in a string or a key, as tuples (decoded bytes, bytes as they are
        written, state after them), the shortest first. A byte that is written as it is makes one step. Of
        characters that are written as escapes, one step represents all that lead to the same state."""
        machine = self._machine
        missing = self._quoting.missing
        plain_bytes = bytes(byte for byte in _PLAIN_BYTES if byte not in missing)
        states_after = machine.after_each(index, plain_bytes)
        steps: list[tuple[bytes, bytes, int]] = []
        for byte, after in states_after:
            character = bytes((byte,))
            steps.append((character, character, after))
        if any(0x80 <= byte < 0xC0 for byte, _ in states_after):
            return steps  # a byte 0x80 to 0xBF may come: the state is inside a character, not before one
        for low, high in self._escaped_ranges:
            for point in characters_after(machine, index, low, high):
                character = encode_text(chr(point))
                spelling = self._literal(chr(point))[1:-1]  # without its quotes
                after = machine.state_after(index, spelling)
                if after >= 0 and missing.isdisjoint(spelling):
                    steps.append((character, spelling, after))
        return sorted(steps, key=lambda step: text_order(step[1]))

    def _unlisted_rests(self, registers: StateRegisters) -> Demands:
        """Return the rests of a string by demand, found by its automaton alone: listed words are not
        considered. The rests include the quote."""
        machine = self._machine
        row = machine.string_row(registers.residue)
        count = registers.position
        # The automaton does not count characters, so those that minLength still asks for are added here.
        missing_count = max(0, row[StringRow.min_length] - count)
        padding = self._quoting.blank * missing_count
        character_count = count if row[StringRow.phases] >= 0 else 0
        state = registers.lexeme & L.STATE_BITS
        rests = machine.strings.shortest_rests(state, character_count)
        ending = padding + b'"'
        return {demand: self.write_rest(text) + ending for demand, text in rests.items()}

    def rests_of_word(self, registers: StateRegisters) -> Demands:
        """Return the rests of a string that must become a listed word, by demand."""
        row = self._machine.string_row(registers.residue)
        return self._listed_rests(row[StringRow.start], registers.position, row[StringRow.outcomes])

    def _listed_rests(self, words: int, prefix: int, outcomes: int) -> Demands:
        """Return the shortest rest, by demand, that makes a listed word of the string. `words`: the number of
        the list; `prefix`: the written beginning, as a node of the list's trie with its length in the bits
        POSITION_BITS; `outcomes`: the first row of the words' outcomes (the demands that each word meets)."""
        machine = self._machine
        best: Demands = {}
        for number, word in machine.words_with_prefix(words, prefix):
            text = self.write_rest(word[prefix & L.POSITION_BITS :]) + b'"'
            outcome = machine.word_outcome(outcomes + number)
            # The rest of a begun character cannot be an escape, so a missing byte rules the word out.
            if outcome >= 0 and self._quoting.missing.isdisjoint(text):
                demands = machine.network.outcomes.values[outcome]
                best = lesser_texts(best, dict.fromkeys(demands, text))
        return best

    def rests_of_key(self, index: int) -> Demands:
        """Return the rests of an object whose key is being written, by demand. The answer is remembered,
        because states that differ only in white space ask for the same one."""
        rests = self._key_rests.get(index)
        if rests is None:
            rests = self._find_key_rests(index)
            self._key_rests[index] = rests
        return rests

    def _find_key_rests(self, index: int) -> Demands:
        """Compute `rests_of_key`: the key becomes one that the schema names, or an extra key."""
        machine = self._machine
        registers = machine.registers(index)
        residue = machine.residue(registers.residue)
        best: Demands = {}
        if registers.position >= 0:  # the beginning of a named key
            best = self._named_key_rests(registers, residue)
        if registers.lexeme & L.STATE_BITS != L.NO_STATE:
            best = lesser_texts(best, self._extra_key_rests(index, residue))
        return best

    def _named_key_rests(self, registers: StateRegisters, residue: int) -> Demands:
        """Return the rests of an object, by demand, if the begun key becomes one that the schema names.
        `residue`: what the object holds so far, and what it still needs."""
        machine = self._machine
        network = machine.network
        prefix = registers.position
        named_places = network.menu(residue).names
        heads: dict[str, bytes] = {}
        """Key -> the rest of its text, with the quote and the colon."""
        key_list = machine.key_list(registers.residue)
        for _, word in machine.words_with_prefix(key_list, prefix):
            key = decode_text(word)
            rest = word[prefix & L.POSITION_BITS :]
            head = self.write_rest(rest) + b'":'
            if key in named_places and self._quoting.missing.isdisjoint(head):
                heads[key] = head
        best: Demands = {}
        extra_keys = self._names.extra_keys(registers.extras)
        for key in network.first_of_alike(residue, heads):
            value = network.finish_place(named_places[key])
            rests = network.finish_with(residue, key, value, extra_keys)
            best = lesser_texts(best, with_head(heads[key], rests))
        return best

    def _extra_key_rests(self, index: int, residue: int) -> Demands:
        """Return the rests of an object, by demand, if the begun key becomes one that the schema does not
        name."""
        machine = self._machine
        menu = machine.network.menu(residue)
        registers = machine.registers(index)
        heads = machine.strings.shortest_rests(registers.lexeme & L.STATE_BITS)
        is_new = machine.begins_key(registers.text)
        if is_new:
            self._names.look_for(heads.values())
        # The object may hold the shortest key of a class already: then another key of the class is searched.
        closing: set[bytes] = set()
        for head in heads.values():
            if self._class_at(self._state_after_key(index, head)) is not None:
                closing.add(head)
        classes_without_key = {key_class for key_class, head in heads.items() if head not in closing}
        if classes_without_key:
            closing.update(self._unused_keys(index, classes_without_key, is_new))
        best: Demands = {}
        for head in sorted(closing, key=text_order):
            after = self._state_after_key(index, head)
            formulas = self._class_at(after)
            if formulas is None:
                continue
            extra_keys = self._names.extra_keys(machine.registers(after).extras)
            value = machine.network.finish_place(menu.extra_places[formulas])
            rest = machine.network.finish_with(residue, formulas, value, extra_keys)
            best = lesser_texts(best, with_head(self.write_rest(head) + b'":', rest))
        return best

    def _state_after_key(self, index: int, head: bytes) -> int:
        """Return the state after the present key is finished with these decoded bytes, or -1."""
        return self._machine.state_after(index, self.write_rest(head) + b'"')

    def _class_at(self, after: int) -> frozenset[int] | None:
        """Return the class of the extra key that ends in state `after`: the set of demands that it meets.
        None where the key is a named one, or there is no such state (-1)."""
        if after < 0:
            return None
        machine = self._machine
        key = machine.registers(after).lexeme
        if key >= 0:
            return None
        return machine.network.outcomes.values[-2 - key]  # -2, -3, ...: classes by their numbers

    def _unused_keys(self, index: int, key_classes: set[int], is_new: bool) -> Collection[bytes]:
        """Return for each of `key_classes` the shortest rest of an extra key that the object does not hold.
        `is_new`: nothing of the key is written yet; then the keys that are tried are noted as names.
        """
        machine = self._machine
        root = machine.registers(index).extras & (L.BLUR - 1)
        best: dict[int, bytes] = {}

        def offer_head(key_class: int, head: bytes) -> None:
            """Note the rest of a key if it is the best so far of its class."""
            if key_class not in key_classes:
                return
            if key_class in best:
                best_text = self.write_rest(best[key_class])
                if text_order(self.write_rest(head)) >= text_order(best_text):
                    return
            best[key_class] = head

        for text, head, node, agrees in self._find_ways(index):
            if not agrees:
                state = machine.registers(node).lexeme & L.STATE_BITS
                for key_class, rest in machine.strings.shortest_rests(state).items():
                    offer_head(key_class, head + rest)
                continue
            # Ways that agree come in the order of length: no later one is shorter.
            if all(
                key_class in best and len(self.write_rest(best[key_class])) <= len(text)
                for key_class in key_classes
            ):
                break
            if is_new and machine.holds(root, head):
                self._names.look_for((head,))
            for key_class in self._class_at(machine.state_after(node, b'"')) or ():
                offer_head(key_class, head)
        if is_new:
            self._names.look_for(best.values())
        return best.values()

    def write_rest(self, characters: bytes) -> bytes:
        """Return JSON text for the rest of a string's decoded bytes, which may begin inside a character."""
        # Bytes 0x80 to 0xBF continue the begun character, and stay as they are.
        start = 0
        while start < len(characters) and characters[start] & 0xC0 == 0x80:
            start += 1
        literal = self._literal(decode_text(characters[start:]))
        return characters[:start] + literal[1:-1]
