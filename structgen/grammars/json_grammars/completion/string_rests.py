"""The rests of strings and of keys that were begun, and the names that an object holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
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

_KEYS = bytes(byte for byte in range(32, 256) if byte not in b'"\\\x7f')
"""Bytes that strings write as they are, where a policy has no other way."""
_ESCAPED = (0, 31), (34, 34), (92, 92), (127, 127), SURROGATES
_ESCAPED_ASCII = (*_ESCAPED[:-2], (127, 0xD7FF), SURROGATES, (0xE000, LAST))
"""Characters that are written as escapes, in UTF-8 and in ASCII; DEL, in one of them alone."""
_ANY = ((0, LAST),)
"""Where bytes are missing, any character may be."""


class _ExtraKeys(Collection[str]):
    """The extra keys that an object holds; those that are looked for are noted."""

    def __init__(self, names: ExtraNames, root: int) -> None:
        self._names, self._root = names, root

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self._root != 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.all_names(self._root))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._names.has_name(self._root, key)


class ExtraNames:
    """The names of extra keys that completions looked for among those that objects hold. States that agree in
    which of them they hold, and may still come to hold, are completed alike."""

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear_names()

    def clear_names(self) -> None:
        """Forget them."""
        self._set_names({})

    def _set_names(self, bytes_by_name: dict[str, bytes]) -> None:
        """Have these be the names, and forget what was worked out of others."""
        rests_by_text = {0: frozenset(bytes_by_name.values())}
        self._bytes_by_name, self._rests_by_text = bytes_by_name, rests_by_text

    @property
    def count(self) -> int:
        """How many names were looked for."""
        return len(self._bytes_by_name)

    def extra_keys(self, extras: int) -> Collection[str]:
        """Return the extra keys of an object, by its register `extras`."""
        return _ExtraKeys(self, extras & (L.BLUR - 1))

    def has_name(self, root: int, key: str) -> bool:
        """Look for a name in a set."""
        self._note_names((key,))
        return self._machine.holds(root, self._bytes_by_name[key])

    def all_names(self, root: int) -> frozenset[str]:
        """Look for all names of a set."""
        names = frozenset(map(decode_text, self._machine.steps_of_set(root))) if root else frozenset()
        self._note_names(names)
        return names

    def look_for(self, keys: Iterable[bytes]) -> None:
        """Note names by their bytes, unless they begin inside a character."""
        self._note_names(decode_text(key) for key in keys if key[:1] < b"\x80" or key[:1] >= b"\xc0")

    def _note_names(self, keys: Iterable[str]) -> None:
        new = {key: encode_text(key) for key in keys if key not in self._bytes_by_name}
        if new:
            self._set_names(self._bytes_by_name | new)

    def begun_rests(self, text: int) -> frozenset[bytes]:
        """Return how those of the names go on that begin with what is written of a key, its register `text`.
        Cost: its bytes that are new."""
        rests_by_text, path = self._rests_by_text, []
        text &= L.LOG
        while text not in rests_by_text:
            parent_text, byte = self._machine.text_before(text)
            if byte == L.KEY_BEGINS:
                rests_by_text[text] = rests_by_text[0]
                break
            path.append((text, byte))
            text = parent_text
        rests = rests_by_text[text]
        for text, byte in reversed(path):
            rests = rests_by_text[text] = frozenset(rest[1:] for rest in rests if rest[:1] == bytes((byte,)))
        return rests


class QuotedRests:
    """Rests of what stands in quotation marks, for the states of one compiled grammar."""

    def __init__(self, machine: Inspection, names: ExtraNames, quoting: Quoting) -> None:
        """`quoting`: how strings are written."""
        self._machine, self._names, self._quoting = machine, names, quoting
        self._literal = quoting.write_literal
        self._escaped_ranges = _ANY if quoting.missing else _ESCAPED_ASCII if quoting.is_ascii else _ESCAPED
        self._keys: dict[int, Demands] = {}

    def clear_rests(self) -> None:
        """Forget what was remembered."""
        self._keys.clear()

    def rests_of_string(self, index: int) -> Demands:
        """Return the rest of a string; where it agrees with a list beside its automaton, of that too."""
        machine = self._machine
        regs = machine.registers(index)
        prefix = regs.side_node
        if prefix <= 0:
            return self._unlisted_rests(regs)
        row = machine.string_row(regs.residue)
        shortest_other: bytes | None = None
        for text, _characters, node, agrees in self._find_ways(index):
            then = machine.registers(node)
            if not agrees:
                rests = [text + rest[:-1] for rest in self._unlisted_rests(then).values()]
            elif shortest_other is not None and len(shortest_other) <= len(text):
                break
            else:
                here = then.side_node
                words = machine.words_with_prefix(row[StringRow.words], here)
                ends = any(len(word) == here & L.POSITION_BITS for _, word in words)
                rests = [] if ends or machine.state_after(node, b'"') < 0 else [text]
            shortest_other = min(
                rests if shortest_other is None else [*rests, shortest_other], key=text_order, default=None
            )
        best = self._listed_rests(row[StringRow.words], prefix, row[StringRow.outcomes])
        return best if shortest_other is None else lesser_texts(best, {0: shortest_other + b'"'})

    def _find_ways(self, index: int) -> Iterator[tuple[bytes, bytes, int, bool]]:
        """Yield texts that a string or a key may go on with, also decoded, with the state behind each and
        whether it agrees with a listed word or a key that the object holds: those that do, from the empty one
        on, by their length, each before its longer ones; of the others the first that do not. The automaton
        knows the rest."""
        heap: list[tuple[int, bytes, bytes, int]] = [(0, b"", b"", index)]
        while heap:
            _, text, characters, node = heappop(heap)
            yield text, characters, node, True
            met: set[tuple[int, int]] = set()
            for step_characters, step_text, after in self._find_steps(node):
                regs, longer = self._machine.registers(after), text + step_text
                is_key = regs.mode == L.M_KEY
                lex, position = regs.lexeme & L.STATE_BITS, regs.position
                kind = lex, 0 if is_key else position
                if lex == L.NO_STATE or kind in met:
                    continue  # what is in no list goes on as well
                if regs.side_node > 0 or (is_key and position >= 0):
                    heappush(heap, (len(longer), longer, characters + step_characters, after))
                else:
                    met.add(kind)
                    yield longer, characters + step_characters, after, False

    def _find_steps(self, index: int) -> list[tuple[bytes, bytes, int]]:
        """Return steps in a string or a key: decoded bytes, as they are written, and the state after them. A
        byte each where bytes are written as they are; where they are not, one for all characters that are
        alike. The shortest come first."""
        machine = self._machine
        missing = self._quoting.missing
        bytewise = machine.after_each(index, bytes(byte for byte in _KEYS if byte not in missing))
        steps = [(bytes((byte,)), bytes((byte,)), after) for byte, after in bytewise]
        if any(0x80 <= byte < 0xC0 for byte, _ in bytewise):
            return steps  # inside a character
        for low, high in self._escaped_ranges:
            for point in characters_after(machine, index, low, high):
                character = encode_text(chr(point))
                literal = self._literal(chr(point))[1:-1]
                after = machine.state_after(index, literal)
                if after >= 0 and missing.isdisjoint(literal):
                    steps.append((character, literal, after))
        return sorted(steps, key=lambda step: text_order(step[1]))

    def _unlisted_rests(self, regs: StateRegisters) -> Demands:
        machine = self._machine
        row, count = machine.string_row(regs.residue), regs.position
        missing = self._quoting.blank * max(0, row[StringRow.min_length] - count)
        character_count = count if row[StringRow.phases] >= 0 else 0
        rests = machine.strings.shortest_rests(regs.lexeme & L.STATE_BITS, character_count)
        return {j: self.write_rest(text) + missing + b'"' for j, text in rests.items()}

    def rests_of_word(self, regs: StateRegisters) -> Demands:
        """Return the rest of a string that is in a list."""
        row = self._machine.string_row(regs.residue)
        return self._listed_rests(row[StringRow.start], regs.position, row[StringRow.outcomes])

    def _listed_rests(self, words: int, prefix: int, outcomes: int) -> Demands:
        machine = self._machine
        best: Demands = {}
        for at, word in machine.words_with_prefix(words, prefix):
            text = self.write_rest(word[prefix & L.POSITION_BITS :]) + b'"'
            outcome = machine.word_outcome(outcomes + at)
            # a character that was begun is not written by an escape
            if outcome >= 0 and self._quoting.missing.isdisjoint(text):
                best = lesser_texts(best, dict.fromkeys(machine.network.outcomes.values[outcome], text))
        return best

    def rests_of_key(self, index: int) -> Demands:
        """Return the rest of an object in the middle of a key; once, for many blanks lead to one key."""
        rests = self._keys.get(index)
        if rests is None:
            rests = self._keys[index] = self._find_key_rests(index)
        return rests

    def _find_key_rests(self, index: int) -> Demands:
        machine = self._machine
        network = machine.network
        regs = machine.registers(index)
        row = regs.residue
        residue, prefix = machine.residue(row), regs.position
        best: Demands = {}
        if prefix >= 0:
            named_places = network.menu(residue).names
            heads: dict[str, bytes] = {}
            for _at, word in machine.words_with_prefix(machine.key_list(row), prefix):
                key = decode_text(word)
                head = self.write_rest(word[prefix & L.POSITION_BITS :]) + b'":'
                if key in named_places and self._quoting.missing.isdisjoint(head):
                    heads[key] = head
            extra_keys = self._names.extra_keys(regs.extras)
            for key in network.first_of_alike(residue, heads):
                value = network.finish_place(named_places[key])
                rests = network.finish_with(residue, key, value, extra_keys)
                best = lesser_texts(best, with_head(heads[key], rests))
        if regs.lexeme & L.STATE_BITS != L.NO_STATE:
            best = lesser_texts(best, self._extra_key_rests(index, residue))
        return best

    def _extra_key_rests(self, index: int, residue: int) -> Demands:
        """Return the rest of an object whose present key is finished as one that is in no list."""
        machine = self._machine
        menu = machine.network.menu(residue)
        regs = machine.registers(index)
        best: Demands = {}
        heads = machine.strings.shortest_rests(regs.lexeme & L.STATE_BITS)
        if is_new := machine.begins_key(regs.text):
            self._names.look_for(heads.values())
        closing = {
            head for head in heads.values() if self._class_at(self._state_after_key(index, head)) is not None
        }
        missing = {j for j, head in heads.items() if head not in closing}
        if missing:
            closing.update(self._unused_keys(index, missing, is_new))
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
        """Return the class of the extra key that was closed last, or None for a named key or no state."""
        if after < 0:
            return None
        machine = self._machine
        key = machine.registers(after).lexeme
        return None if key >= 0 else machine.network.outcomes.values[-2 - key]

    def _unused_keys(self, index: int, key_classes: set[int], is_new: bool) -> Collection[bytes]:
        """Return, by class of extra keys, the shortest rest of a key that the object does not hold or list.
        `is_new`: nothing of the key is written; then those that are tried are names that were looked for.
        """
        machine = self._machine
        root = machine.registers(index).extras & (L.BLUR - 1)
        best: dict[int, bytes] = {}

        def offer_head(j: int, head: bytes) -> None:
            if j in key_classes and (
                j not in best or text_order(self.write_rest(head)) < text_order(self.write_rest(best[j]))
            ):
                best[j] = head

        for text, head, node, agrees in self._find_ways(index):
            if not agrees:
                lex = machine.registers(node).lexeme & L.STATE_BITS
                for j, rest in machine.strings.shortest_rests(lex).items():
                    offer_head(j, head + rest)
                continue
            if all(j in best and len(self.write_rest(best[j])) <= len(text) for j in key_classes):
                break
            if is_new and machine.holds(root, head):
                self._names.look_for((head,))
            for j in self._class_at(machine.state_after(node, b'"')) or ():
                offer_head(j, head)
        if is_new:
            self._names.look_for(best.values())
        return best.values()

    def write_rest(self, characters: bytes) -> bytes:
        """Return JSON text for the rest of a string's decoded bytes, which may begin inside a character."""
        at = 0
        while at < len(characters) and characters[at] & 0xC0 == 0x80:
            at += 1
        return characters[:at] + self._literal(decode_text(characters[at:]))[1:-1]
