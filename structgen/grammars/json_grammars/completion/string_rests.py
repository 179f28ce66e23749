"""The rests of strings and of keys that were begun, and the names that an object holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from heapq import heappop, heappush

from structgen.automata.unicode.charsets import LAST, SURROGATES
from structgen.automata.unicode.decoded_text import decode, encode
from structgen.base.language.ir import Demands
from structgen.grammars.json_grammars.completion.next_characters import characters
from structgen.grammars.json_grammars.completion.shortest_texts import behind, least, order
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


class _Taken(Collection[str]):
    """The extra keys that an object holds; those that are looked for are noted."""

    def __init__(self, names: Names, root: int) -> None:
        self._names, self._root = names, root

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self._root != 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.all(self._root))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._names.has(self._root, key)


class Names:
    """The names of extra keys that completions looked for among those that objects hold. States that agree in
    which of them they hold, and may still come to hold, are completed alike."""

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self._put({})

    def _put(self, asked: dict[str, bytes]) -> None:
        """Have these be the names, and forget what was worked out of others."""
        begun = {0: frozenset(asked.values())}
        self._asked, self._begun = asked, begun

    @property
    def count(self) -> int:
        """How many names were looked for."""
        return len(self._asked)

    def held(self, extras: int) -> Collection[str]:
        """Return the extra keys of an object, by its register `extras`."""
        return _Taken(self, extras & (L.BLUR - 1))

    def has(self, root: int, key: str) -> bool:
        """Look for a name in a set."""
        self._note((key,))
        return self._machine.holds(root, self._asked[key])

    def all(self, root: int) -> frozenset[str]:
        """Look for all names of a set."""
        names = frozenset(map(decode, self._machine.held(root))) if root else frozenset()
        self._note(names)
        return names

    def look_for(self, keys: Iterable[bytes]) -> None:
        """Note names by their bytes, unless they begin inside a character."""
        self._note(decode(key) for key in keys if key[:1] < b"\x80" or key[:1] >= b"\xc0")

    def _note(self, keys: Iterable[str]) -> None:
        new = {key: encode(key) for key in keys if key not in self._asked}
        if new:
            self._put(self._asked | new)

    def begun(self, text: int) -> frozenset[bytes]:
        """Return how those of the names go on that begin with what is written of a key, its register `text`.
        Cost: its bytes that are new."""
        known, above = self._begun, []
        text &= L.LOG
        while text not in known:
            before, byte = self._machine.text_before(text)
            if byte == L.KEY_BEGINS:
                known[text] = known[0]
                break
            above.append((text, byte))
            text = before
        rests = known[text]
        for text, byte in reversed(above):
            rests = known[text] = frozenset(rest[1:] for rest in rests if rest[:1] == bytes((byte,)))
        return rests


class Quoted:
    """Rests of what stands in quotation marks, for the states of one compiled grammar."""

    def __init__(self, machine: Inspection, names: Names, quoting: Quoting) -> None:
        """`quoting`: how strings are written."""
        self._machine, self._names, self._quoting = machine, names, quoting
        self._literal = quoting.literal
        self._escaped = _ANY if quoting.missing else _ESCAPED_ASCII if quoting.is_ascii else _ESCAPED
        self._keys: dict[int, Demands] = {}

    def clear(self) -> None:
        """Forget what was remembered."""
        self._keys.clear()

    def string(self, index: int) -> Demands:
        """Return the rest of a string; where it agrees with a list beside its automaton, of that too."""
        machine = self._machine
        regs = machine.registers(index)
        prefix = regs.seen
        if prefix <= 0:
            return self._unlisted(regs)
        row = machine.string_row(regs.residue)
        other: bytes | None = None
        for text, _decoded, node, agrees in self._ways(index):
            then = machine.registers(node)
            if not agrees:
                rests = [text + rest[:-1] for rest in self._unlisted(then).values()]
            elif other is not None and len(other) <= len(text):
                break
            else:
                here = then.seen
                words = machine.listed(row[StringRow.words], here)
                ends = any(len(word) == here & L.POSITION_BITS for _, word in words)
                rests = [] if ends or machine.after(node, b'"') < 0 else [text]
            other = min(rests if other is None else [*rests, other], key=order, default=None)
        best = self._listed(row[StringRow.words], prefix, row[StringRow.outcomes])
        return best if other is None else least(best, {0: other + b'"'})

    def _ways(self, index: int) -> Iterator[tuple[bytes, bytes, int, bool]]:
        """Yield texts that a string or a key may go on with, also decoded, with the state behind each and
        whether it agrees with a listed word or a key that the object holds: those that do, from the empty one
        on, by their length, each before its longer ones; of the others the first that do not. The automaton
        knows the rest."""
        heap: list[tuple[int, bytes, bytes, int]] = [(0, b"", b"", index)]
        while heap:
            _, text, decoded, node = heappop(heap)
            yield text, decoded, node, True
            met: set[tuple[int, int]] = set()
            for more, written, after in self._steps(node):
                regs, longer = self._machine.registers(after), text + written
                is_key = regs.mode == L.M_KEY
                lex, position = regs.lexeme & L.STATE_BITS, regs.position
                kind = lex, 0 if is_key else position
                if lex == L.NO_STATE or kind in met:
                    continue  # what is in no list goes on as well
                if regs.seen > 0 or (is_key and position >= 0):
                    heappush(heap, (len(longer), longer, decoded + more, after))
                else:
                    met.add(kind)
                    yield longer, decoded + more, after, False

    def _steps(self, index: int) -> list[tuple[bytes, bytes, int]]:
        """Return steps in a string or a key: decoded bytes, as they are written, and the state after them. A
        byte each where bytes are written as they are; where they are not, one for all characters that are
        alike. The shortest come first."""
        machine = self._machine
        missing = self._quoting.missing
        bytewise = machine.after_each(index, bytes(byte for byte in _KEYS if byte not in missing))
        steps = [(bytes((byte,)), bytes((byte,)), after) for byte, after in bytewise]
        if any(0x80 <= byte < 0xC0 for byte, _ in bytewise):
            return steps  # inside a character
        for low, high in self._escaped:
            for point in characters(machine, index, low, high):
                decoded = encode(chr(point))
                written = self._literal(chr(point))[1:-1]
                after = machine.after(index, written)
                if after >= 0 and missing.isdisjoint(written):
                    steps.append((decoded, written, after))
        return sorted(steps, key=lambda step: order(step[1]))

    def _unlisted(self, regs: StateRegisters) -> Demands:
        machine = self._machine
        row, count = machine.string_row(regs.residue), regs.position
        missing = self._quoting.blank * max(0, row[StringRow.least] - count)
        written = count if row[StringRow.phases] >= 0 else 0
        rests = machine.strings.finish(regs.lexeme & L.STATE_BITS, written)
        return {j: self.written(text) + missing + b'"' for j, text in rests.items()}

    def word(self, regs: StateRegisters) -> Demands:
        """Return the rest of a string that is in a list."""
        row = self._machine.string_row(regs.residue)
        return self._listed(row[StringRow.start], regs.position, row[StringRow.outcomes])

    def _listed(self, words: int, prefix: int, outcomes: int) -> Demands:
        machine = self._machine
        best: Demands = {}
        for at, word in machine.listed(words, prefix):
            text = self.written(word[prefix & L.POSITION_BITS :]) + b'"'
            outcome = machine.word_outcome(outcomes + at)
            # a character that was begun is not written by an escape
            if outcome >= 0 and self._quoting.missing.isdisjoint(text):
                best = least(best, dict.fromkeys(machine.network.outcomes.values[outcome], text))
        return best

    def key(self, index: int) -> Demands:
        """Return the rest of an object in the middle of a key; once, for many blanks lead to one key."""
        rests = self._keys.get(index)
        if rests is None:
            rests = self._keys[index] = self._key(index)
        return rests

    def _key(self, index: int) -> Demands:
        machine = self._machine
        network = machine.network
        regs = machine.registers(index)
        row = regs.residue
        residue, prefix = machine.residue(row), regs.position
        best: Demands = {}
        if prefix >= 0:
            named = network.menu(residue).named
            heads: dict[str, bytes] = {}
            for _at, word in machine.listed(machine.key_list(row), prefix):
                key = decode(word)
                head = self.written(word[prefix & L.POSITION_BITS :]) + b'":'
                if key in named and self._quoting.missing.isdisjoint(head):
                    heads[key] = head
            taken = self._names.held(regs.extras)
            for key in network.first_of_alike(residue, heads):
                value = network.finish_place(named[key])
                rests = network.finish_with(residue, key, value, taken)
                best = least(best, behind(heads[key], rests))
        if regs.lexeme & L.STATE_BITS != L.NO_STATE:
            best = least(best, self._extra(index, residue))
        return best

    def _extra(self, index: int, residue: int) -> Demands:
        """Return the rest of an object whose present key is finished as one that is in no list."""
        machine = self._machine
        menu = machine.network.menu(residue)
        regs = machine.registers(index)
        best: Demands = {}
        heads = machine.strings.finish(regs.lexeme & L.STATE_BITS)
        if is_new := machine.begins_key(regs.text):
            self._names.look_for(heads.values())
        closing = {head for head in heads.values() if self._class_at(self._closed(index, head)) is not None}
        missing = {j for j, head in heads.items() if head not in closing}
        if missing:
            closing.update(self._unused(index, missing, is_new))
        for head in sorted(closing, key=order):
            after = self._closed(index, head)
            formulas = self._class_at(after)
            if formulas is None:
                continue
            taken = self._names.held(machine.registers(after).extras)
            value = machine.network.finish_place(menu.extra_places[formulas])
            rest = machine.network.finish_with(residue, formulas, value, taken)
            best = least(best, behind(self.written(head) + b'":', rest))
        return best

    def _closed(self, index: int, head: bytes) -> int:
        """Return the state after the present key is finished with these decoded bytes, or -1."""
        return self._machine.after(index, self.written(head) + b'"')

    def _class_at(self, after: int) -> frozenset[int] | None:
        """Return the class of the extra key that was closed last, or None for a named key or no state."""
        if after < 0:
            return None
        machine = self._machine
        key = machine.registers(after).lexeme
        return None if key >= 0 else machine.network.outcomes.values[-2 - key]

    def _unused(self, index: int, wanted: set[int], is_new: bool) -> Collection[bytes]:
        """Return, by class of extra keys, the shortest rest of a key that the object does not hold or list.
        `is_new`: nothing of the key is written; then those that are tried are names that were looked for.
        """
        machine = self._machine
        root = machine.registers(index).extras & (L.BLUR - 1)
        best: dict[int, bytes] = {}

        def offer(j: int, head: bytes) -> None:
            if j in wanted and (j not in best or order(self.written(head)) < order(self.written(best[j]))):
                best[j] = head

        for text, head, node, agrees in self._ways(index):
            if not agrees:
                lex = machine.registers(node).lexeme & L.STATE_BITS
                for j, rest in machine.strings.finish(lex).items():
                    offer(j, head + rest)
                continue
            if all(j in best and len(self.written(best[j])) <= len(text) for j in wanted):
                break
            if is_new and machine.holds(root, head):
                self._names.look_for((head,))
            for j in self._class_at(machine.after(node, b'"')) or ():
                offer(j, head)
        if is_new:
            self._names.look_for(best.values())
        return best.values()

    def written(self, decoded: bytes) -> bytes:
        """Return JSON text for the rest of a string's decoded bytes, which may begin inside a character."""
        at = 0
        while at < len(decoded) and decoded[at] & 0xC0 == 0x80:
            at += 1
        return decoded[:at] + self._literal(decode(decoded[at:]))[1:-1]
