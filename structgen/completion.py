"""The shortest way to the end: from any state, the text that completes the document,
and how many tokens it takes.

The completion of a state is the shortest text (ties: the smallest bytes) that completes it in the forms that
the network and the automata call shortest, spaced as the policy asks; it is a function of the state alone,
and the completion after its first byte is the rest of it. Written with the fewest tokens,
it bounds what a document still needs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from structgen.inspection import Inspection, Registers
from structgen.ir import Demands
from structgen.machine import layout as L
from structgen.machine.segment import IMPOSSIBLE, fewest_tokens, scratch
from structgen.machine.tables import address_of
from structgen.masks.vocabulary import Vocabulary
from structgen.schema.values import json_string

_QUOTED = (L.M_STRING, L.M_KEY, L.M_WORDS)
_LAST_IN_ESCAPES = frozenset(b"\\dDu")
"""What may lead from an escape into another (a second half, a surrogate),
tried when nothing else came first."""
_KEPT = 1 << 16
"""Completions remembered for one grammar."""


class _Taken(Collection[str]):
    """The extra keys that an object holds, decoded only when somebody looks."""

    __slots__ = ("_keys", "_load", "_root")

    def __init__(self, root: int, load: Callable[[int], frozenset[str]]) -> None:
        self._root, self._load = root, load
        self._keys: frozenset[str] | None = None

    def _all(self) -> frozenset[str]:
        if self._keys is None:
            self._keys = self._load(self._root)
        return self._keys

    def __len__(self) -> int:
        return 0 if self._root == 0 else len(self._all())

    def __bool__(self) -> bool:
        return self._root != 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __contains__(self, key: object) -> bool:
        return self._root != 0 and key in self._all()


class Completer:
    """Completions of the states of one compiled grammar, remembered by state.
    The grammar's lock is held by the caller."""

    __slots__ = ("_costs", "_machine", "_members", "_texts", "_vocabulary")

    def __init__(self, machine: Inspection, vocabulary: Vocabulary) -> None:
        self._machine, self._vocabulary = machine, vocabulary
        self._texts: dict[int, bytes] = {}
        self._costs: dict[int, int] = {}
        self._members: dict[tuple[int, str], Mapping[int, bytes]] = {}

    def tokens(self, index: int) -> int:
        """Return the tokens that the completion of a state takes: 0 where the document is complete."""
        cost = self._costs.get(index)
        if cost is None:
            text = self.text(index)
            cost = self.count(text)
            if len(self._costs) >= _KEPT:
                self._costs.clear()
            self._costs[index] = cost
        return cost

    def count(self, text: bytes) -> int:
        """Return the fewest tokens that write a text."""
        if not text:
            return 0
        vocabulary = self._vocabulary
        data = np.frombuffer(text, np.uint8)
        best = scratch(len(text))
        cost = int(
            fewest_tokens(
                address_of(vocabulary.nodes),
                len(vocabulary.nodes),
                address_of(vocabulary.first),
                address_of(data),
                len(text),
                address_of(best),
            )
        )
        assert cost < IMPOSSIBLE, "a vocabulary that can write every byte"
        return cost

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the document is complete."""
        text = self._texts.get(index)
        if text is None:
            text = self._find(index)
            if len(self._texts) >= _KEPT:
                self._texts.clear()
            self._texts[index] = text
        return text

    # --- one state ------------------------------------------------------------------------------------------

    def _find(self, index: int) -> bytes:
        machine = self._machine
        if machine.may_end(index):
            return b""
        regs = machine.registers(index)
        if int(regs[L.MODE]) in _QUOTED and (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) != 0:
            return self._escaped(index)
        demands = self._innermost(self._ready(index))
        frame = int(regs[L.FRAME])
        while frame >= 0:
            residue, extras, key, frame = machine.frame(frame)
            demands = machine.network.finish_with(
                machine.residue(residue), machine.key(residue, key), demands, self._taken(extras)
            )
        return self._spaced(min(demands.values(), key=_order), regs)

    def _ready(self, index: int) -> int:
        """Return the state once the white space is written that the policy makes obligatory (and was begun,
        where the next token decides about it)."""
        machine = self._machine
        policy, _indent = machine.space
        if policy not in (L.SPACE_ONELINE, L.SPACE_INDENT):
            return index
        regs = machine.registers(index)
        mode, written = int(regs[L.MODE]), int(regs[L.AT])
        space = b""
        if mode == L.M_VALUE:
            space = b" "
        elif mode in (L.M_KEYS, L.M_NEXT):
            space = self._break(machine.brackets(regs)) if policy == L.SPACE_INDENT else b" "
        elif written and mode in (L.M_OBJECT, L.M_ARRAY):
            space = self._break(machine.brackets(regs))
        elif written and mode in (L.M_MEMBER, L.M_ITEM):
            space = self._break(machine.brackets(regs) - 1)
        return machine.after(index, space[written:])

    def _break(self, level: int) -> bytes:
        return b"\n" + self._machine.space[1] * level

    def _taken(self, extras: int) -> Collection[str]:
        return _Taken(extras & (L.BLUR - 1), self._machine.extra_keys)

    def _innermost(self, index: int) -> Demands:
        """Return the shortest rest of the innermost value or container, for each of its demands."""
        machine = self._machine
        regs = machine.registers(index)
        mode = int(regs[L.MODE])
        if mode == L.M_STRING:
            return self._string(regs)
        if mode == L.M_WORDS:
            return self._word(regs)
        if mode == L.M_NUMBER:
            return machine.finish_number(int(regs[L.LEX]))
        if mode == L.M_LITERAL:
            which, at = int(regs[L.LEX]) >> 4, int(regs[L.LEX]) & 15
            rest = (b"true", b"false", b"null")[which][at:]
            return dict.fromkeys(machine.network.demands(int(regs[L.RES])), rest)
        if mode == L.M_DOC:
            return self._value(machine.network.root, index)
        if mode == L.M_KEY:
            return self._key(index)
        residue = machine.residue(int(regs[L.RES]))
        if mode in (L.M_COLON, L.M_VALUE):
            key = machine.key(int(regs[L.RES]), int(regs[L.LEX]))
            place = machine.child_place(int(regs[L.RES]), int(regs[L.LEX]))
            value = self._value(place, index if mode == L.M_VALUE else None)
            rests = machine.network.finish_with(residue, key, value, self._taken(int(regs[L.EXTRAS])))
            return _behind(b":", rests) if mode == L.M_COLON else rests
        return self._container(index, mode, residue)

    def _container(self, index: int, mode: int, residue: int) -> Demands:
        """Return the rest of an object or array, from between its tokens."""
        machine = self._machine
        regs = machine.registers(index)
        taken = self._taken(int(regs[L.EXTRAS]))
        whole = machine.network.finish(residue, taken)
        if mode in (L.M_OBJECT, L.M_MEMBER, L.M_ARRAY, L.M_ITEM):
            if int(regs[L.AT]) == 0:
                return whole
            # white space was written, after which not every token may stand
            possible = machine.next_bytes(index)
            close = b"}" if mode in (L.M_OBJECT, L.M_MEMBER) else b"]"
            options: dict[int, bytes] = {}
            if close[0] in possible:
                options = {j: text for j, text in whole.items() if text == close}
            comma = b"," if mode in (L.M_MEMBER, L.M_ITEM) else b""
            if comma and comma[0] not in possible:
                return options
            after = machine.after(index, comma) if comma else index
            going_on = self._item(after, residue) if mode in (L.M_ARRAY, L.M_ITEM) else self._member(after)
            return _least(options, _behind(comma, going_on))
        if mode == L.M_NEXT:
            return self._item(index, residue)
        return self._member(index)

    def _item(self, index: int, residue: int) -> Demands:
        """Return the rest of an array that goes on with an item."""
        machine = self._machine
        place = machine.network.items(residue).item
        if place is None:
            return {}
        return machine.network.finish_with(residue, None, self._value(place, index))

    def _member(self, index: int) -> Demands:
        """Return the rest of an object that goes on with a member."""
        after = self._machine.after(index, b'"')
        return {} if after < 0 else _behind(b'"', self._key(after))

    def _value(self, place: int, index: int | None) -> Demands:
        """Return the shortest values of a place; `index`: the state,
        where white space may rule out some of them."""
        machine = self._machine
        shortest = machine.network.finish_place(place)
        if index is None or int(machine.registers(index)[L.AT]) == 0:
            return shortest
        possible = machine.next_bytes(index)
        if all(text[0] in possible for text in shortest.values()):
            return shortest
        # so many blanks that only a bracket may follow
        entry = machine.network.entry(place)
        options: Demands = {}
        if entry.object is not None:
            options = _behind(b"{", machine.network.finish(entry.object))
        if entry.array is not None:
            options = _least(options, _behind(b"[", machine.network.finish(entry.array)))
        return options

    # --- strings and keys -----------------------------------------------------------------------------------

    def _string(self, regs: Registers) -> Demands:
        machine = self._machine
        least = int(machine.string_row(int(regs[L.RES]))[L.S_LEAST])
        missing = b" " * max(0, least - int(regs[L.AT]))
        rests = machine.finish_string(int(regs[L.LEX]) & L.STATE_BITS)
        return {j: _written(text) + missing + b'"' for j, text in rests.items()}

    def _word(self, regs: Registers) -> Demands:
        machine = self._machine
        row = machine.string_row(int(regs[L.RES]))
        place = int(regs[L.AT])
        best: dict[int, bytes] = {}
        for at, word in machine.listed(int(row[L.S_START]), place):
            text = _written(word[place & 0xFFFF :]) + b'"'
            outcome = machine.word_outcome(int(row[L.S_OUTCOMES]) + at)
            for j in machine.network.demands(outcome):
                if j not in best or _order(text) < _order(best[j]):
                    best[j] = text
        return best

    def _key(self, index: int) -> Demands:
        """Return the rest of an object in the middle of a key."""
        machine = self._machine
        network = machine.network
        regs = machine.registers(index)
        row = int(regs[L.RES])
        residue, place = machine.residue(row), int(regs[L.AT])
        best: Demands = {}
        if place >= 0:
            named = network.menu(residue).named
            for _at, word in machine.listed(machine.key_list(row), place):
                key = word.decode("utf-8", "surrogatepass")
                if key in named:
                    head = _written(word[place & 0xFFFF :]) + b'":'
                    best = _least(best, _behind(head, self._with_key(residue, key, named[key], regs)))
        if int(regs[L.LEX]) & L.STATE_BITS != L.NO_STATE:
            best = _least(best, self._extra(index, residue))
        return best

    def _with_key(self, residue: int, key: str, place: int, regs: Registers) -> Mapping[int, bytes]:
        network = self._machine.network
        taken = self._taken(int(regs[L.EXTRAS]))
        if taken:
            return network.finish_with(residue, key, network.finish_place(place), taken)
        found = self._members.get((residue, key))
        if found is None:
            found = network.finish_with(residue, key, network.finish_place(place))
            self._members[residue, key] = found
        return found

    def _extra(self, index: int, residue: int) -> Demands:
        """Return the rest of an object whose present key is finished as one that is in no list."""
        machine = self._machine
        menu = machine.network.menu(residue)
        regs = machine.registers(index)
        best: Demands = {}
        heads = list(machine.finish_string(int(regs[L.LEX]) & L.STATE_BITS).values())
        found = [head for head in heads if self._class_after(index, head) is not None]
        if not found:
            found = self._search(index)
        for head in found:
            formulas = self._class_after(index, head)
            if formulas is None:
                continue
            taken = _Taken(1, lambda _root, head=head: self._with_extra(index, head))  # type: ignore[misc]
            value = machine.network.finish_place(menu.extra_places[formulas])
            rest = machine.network.finish_with(residue, formulas, value, taken)
            best = _least(best, _behind(_written(head) + b'":', rest))
        return best

    def _with_extra(self, index: int, head: bytes) -> frozenset[str]:
        """Return the extra keys of the object once the present key is finished with these decoded bytes."""
        after = self._machine.after(index, _written(head) + b'"')
        return self._machine.extra_keys(int(self._machine.registers(after)[L.EXTRAS]))

    def _class_after(self, index: int, head: bytes) -> frozenset[int] | None:
        """Return the class of the extra key that these decoded bytes finish,
        or None where they do not finish one."""
        machine = self._machine
        after = machine.after(index, _written(head) + b'"')
        if after < 0:
            return None
        key = int(machine.registers(after)[L.LEX])
        return None if key >= 0 else machine.group(-2 - key)

    def _search(self, index: int) -> list[bytes]:
        """Return the shortest, smallest extension of a key (plain characters) that is a new one,
        in a list."""
        machine = self._machine
        level: list[tuple[bytes, int]] = [(b"", index)]
        while level:
            following: list[tuple[bytes, int]] = []
            for head, node in level:
                if head and self._class_after(index, head) is not None:
                    return [head]
                for byte in machine.next_bytes(node):
                    if byte >= 32 and byte not in b'"\\':
                        following.append((head + bytes((byte,)), machine.after(node, bytes((byte,)))))
            level = following[:4096]
        return []

    def _escaped(self, index: int) -> bytes:
        """Return the completion from inside an escape: a byte, and the completion after it.

        Few bytes are looked at, so it need not be the shortest of all;
        after its first byte it still is the rest.
        """
        machine = self._machine
        best: bytes | None = None
        seen: set[int] = set()
        written = _escape(machine.registers(index))
        for byte in sorted(machine.next_bytes(index), key=_LAST_IN_ESCAPES.__contains__):
            after = machine.after(index, bytes((byte,)))
            if after in seen:
                continue
            if best is not None and _escape(machine.registers(after)) != 0:
                # more of the escape, or half of a pair, where a shorter way was found
                continue
            seen.add(after)
            text = bytes((byte,)) + self.text(after)
            if best is None or _order(text) < _order(best):
                best = text
            if written not in (1, 5, 6, 11):
                break
        assert best is not None, "a state that lives"
        return best

    # --- white space ----------------------------------------------------------------------------------------

    def _spaced(self, text: bytes, regs: Registers) -> bytes:
        """Return compact text with the white space that the policy makes obligatory."""
        policy, _indent = self._machine.space
        if policy not in (L.SPACE_ONELINE, L.SPACE_INDENT):
            return text
        mode, written = int(regs[L.MODE]), int(regs[L.AT])
        level = self._machine.brackets(regs)
        out = bytearray()

        def line(depth: int) -> bytes:
            return self._break(depth) if policy == L.SPACE_INDENT else b""

        def item(depth: int) -> bytes:
            return line(depth) if policy == L.SPACE_INDENT else b" "

        quoted = mode in (L.M_STRING, L.M_KEY, L.M_WORDS)
        closes = text[:1] in (b"}", b"]")
        opened = False
        first = b""
        if mode == L.M_VALUE:
            first = b" "
        elif mode in (L.M_KEYS, L.M_NEXT):
            first = item(level)
        elif mode in (L.M_OBJECT, L.M_ARRAY):
            opened = True
            first = b"" if closes else line(level)
        elif mode in (L.M_MEMBER, L.M_ITEM) and closes:
            first = line(level - 1)
        structural = not quoted and mode not in (L.M_LITERAL, L.M_NUMBER)
        if structural:
            out += first[written:]
        started = structural
        escaped = quoted and (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) & 15 in (1, 7)
        for byte in text:
            if quoted:
                out.append(byte)
                if escaped:
                    escaped = False
                elif byte == 92:
                    escaped = True
                elif byte == 34:
                    quoted = False
                started = False
                continue
            if byte in b"}]":
                level -= 1
                if not opened and not started:
                    out += line(level)
                out.append(byte)
                opened = False
            else:
                if opened and not started:
                    out += line(level)
                opened = False
                out.append(byte)
                if byte in b"{[":
                    level += 1
                    opened = True
                elif byte == 44:
                    out += item(level)
                elif byte == 58:
                    out += b" "
                elif byte == 34:
                    quoted = True
            started = False
        return bytes(out)


def _escape(regs: Registers) -> int:
    """Return the state of the escape that is being written: 0 for none (structgen.machine.step)."""
    if int(regs[L.MODE]) not in _QUOTED:
        return 0
    return (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) & 15


def _order(text: bytes) -> tuple[int, bytes]:
    return len(text), text


def _behind(head: bytes, rests: Mapping[int, bytes]) -> Demands:
    return {j: head + rest for j, rest in rests.items()} if head else dict(rests)


def _least(some: Mapping[int, bytes], others: Mapping[int, bytes]) -> Demands:
    best = dict(some)
    for j, text in others.items():
        if j not in best or _order(text) < _order(best[j]):
            best[j] = text
    return best


def _written(decoded: bytes) -> bytes:
    """Return JSON text for the rest of a string's decoded bytes, which may begin inside a character."""
    at = 0
    while at < len(decoded) and decoded[at] & 0xC0 == 0x80:
        at += 1
    return decoded[:at] + json_string(decoded[at:].decode("utf-8", "surrogatepass"))[1:-1]
