"""The shortest way to the end: from any state, the text that completes the document,
and how many tokens it takes.

The completion of a state is the shortest text (ties: the smallest bytes) that completes it in the forms that
the network and the automata call shortest, spaced as the policy asks; it is a function of the state alone,
and the completion after its first byte is the rest of it. Written with the fewest tokens,
it bounds what a document still needs.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from structgen.automata.strings import StringPool
from structgen.errors import LimitError
from structgen.inspection import Inspection, Registers
from structgen.ir import Demands
from structgen.machine import layout as L
from structgen.machine.segment import IMPOSSIBLE, settle_costs
from structgen.machine.tables import address_of
from structgen.masks.vocabulary import Vocabulary
from structgen.schema.values import ascii_string, json_string

_QUOTED = (L.M_STRING, L.M_KEY, L.M_WORDS)
_LAST_IN_ESCAPES = frozenset(b"\\dDu")
"""What may lead from an escape into another (a second half, a surrogate),
tried when nothing else came first."""
_KEPT = 1 << 16
"""States whose costs are remembered for one grammar; past it all are worked out anew as they are met."""
_BRANCHES = 8
"""States that chosen steps may lead to from one; were there more, the completion's first byte is chosen."""
_FAR = 1 << 10
"""Bytes of a completion beyond which nothing is chosen: the far end of a document is written as it comes."""
_BLOCK = 64
"""Steps are chosen as far as the next multiple of this many bytes from the end; what follows is written as it
comes. Its states are not made: they would be as many as the bytes of all completions together."""
_MOST_BYTES = 1 << 21
"""Bytes of completions whose costs are remembered for one grammar; past it all are worked out anew."""
_DIGITS = b"0123456789"
_IN_OBJECTS = (L.M_OBJECT, L.M_COLON, L.M_VALUE, L.M_MEMBER, L.M_KEYS, L.M_KEY)
"""Where EXTRAS holds the extra keys of an object; in arrays it says where an item begins."""
_INSIDE = bytes(byte for byte in range(32, 192) if byte not in b'"\\\x7f')
"""What goes on with a string: characters of one byte, and the bytes that finish a longer one."""
_KEYS = bytes(byte for byte in range(32, 256) if byte not in b'"\\\x7f')
_VALUES = b'"-0123456789[fnt{'
_CHOICES = {
    L.M_DOC: _VALUES,
    L.M_VALUE: _VALUES,
    L.M_ARRAY: _VALUES,
    L.M_NEXT: _VALUES,
    L.M_STRING: _INSIDE,
    L.M_NUMBER: _DIGITS,
    L.M_WORDS: _INSIDE,
}
"""The bytes that are looked at beside the completion's first, by mode."""


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
    """Completions of the states of one compiled grammar, remembered by state. Its lock is held by the caller.

    What a state costs is the least number of tokens over texts as long as its completion: from each state
    some byte steps are chosen (`_choices`) that all shorten the completion by one, its first byte among them,
    as far as the next whole number of blocks from the end; from there the completion is written as it is. The
    cost is the least over the tokens written in these steps. They depend on the state alone, and a state
    further on has more of them to choose from, so the first token of a cheapest text leads to a state that
    costs at least one less.
    """

    __slots__ = (
        "_alike",
        "_begin",
        "_ceilings",
        "_chains",
        "_costs",
        "_end",
        "_folds",
        "_forms",
        "_kinds",
        "_labels",
        "_literal",
        "_machine",
        "_members",
        "_numbers",
        "_targets",
        "_texts",
        "_vocabulary",
        "names_matter",
    )

    def __init__(self, machine: Inspection, vocabulary: Vocabulary, *, ascii: bool = False) -> None:
        """`ascii`: strings are written in ASCII alone."""
        self._machine, self._vocabulary = machine, vocabulary
        self._literal = ascii_string if ascii else json_string
        self._texts: dict[int, tuple[bytes, int]] = {}
        self._members: dict[tuple[int, str], Mapping[int, bytes]] = {}
        self._ceilings: dict[int, int] = {}
        self._kinds: npt.NDArray[np.int64] | None = None
        self.names_matter = False
        """Whether a completion had to avoid extra keys that an object holds: it may depend on their names."""
        self._folds: dict[tuple[int, int, tuple[tuple[int, bytes], ...]], bytes] = {}
        self._clear()

    def _clear(self) -> None:
        self._texts.clear()
        self._folds.clear()
        self._members.clear()
        self._ceilings.clear()
        self._alike: dict[tuple[int, ...], int] = {}
        self._forms: dict[int, int] = {L.NO_FRAME: L.NO_FRAME}
        self._numbers: dict[int, int] = {}
        # for each state by its number here: its cost, and its steps as a range of the other two;
        # number 0 is the end of every document
        self._costs, self._begin, self._end = array("i", (0,)), array("i", (0,)), array("i", (0,))
        self._labels, self._targets = array("i"), array("i")
        self._chains: dict[tuple[bytes, int], int] = {}

    def tokens(self, index: int) -> int:
        """Return the tokens that complete the document from a state: 0 where it is complete.

        Cost: about 30 us for each byte of the completion's first block where there is a choice, once for all
        on the way, and 0.5 us for each of the others.
        """
        number = self._numbers.get(index)
        if number is None:
            if len(self._numbers) > _KEPT or len(self._costs) > _MOST_BYTES:
                self._clear()
            number = self._number(index)
        return self._costs[number]

    def _number(self, index: int) -> int:
        """Return the number of a state that has none yet."""
        twin = self._twin(index)
        number = self._numbers.get(twin)
        if number is None:
            text, start = self._rest(twin)
            if not start < len(text) <= start + _FAR:
                number = self._numbers[twin] = self._chain(text, start)
            else:
                number = self._explore(twin)
            if twin != index and self.names_matter:
                return self._number(index)
        self._numbers[index] = number
        return number

    def _twin(self, index: int) -> int:
        """Return the state that stands for all that differ from this one in the names of extra keys alone.

        What they have left is the same, byte for byte, until the completion of one looks at a name: from then
        on (`names_matter`) each state stands for itself. Cost: 3 us and the depth of new frames.
        """
        if self.names_matter:
            return index
        mode, residue, extras, seen, lex, at, text, frame = self._machine.registers(index).tolist()
        if text & L.CAPTURE:
            return index
        if mode in _IN_OBJECTS:
            if mode == L.M_KEY:
                # The key that is written is one more name. Where it may still become one that the object
                # holds, SEEN says which those are.
                text = 0
            extras = min(extras & (L.BLUR - 1), 1)
        key = (mode, residue, extras, seen, lex, at, text, self._form(frame))
        return self._alike.setdefault(key, index)

    def _form(self, frame: int) -> int:
        """Return the frame that stands for all that differ from this one in the names of extra keys alone."""
        above: list[int] = []
        forms, machine = self._forms, self._machine
        while frame not in forms:
            above.append(frame)
            frame = machine.frame(frame)[3]
        form = forms[frame]
        for frame in reversed(above):
            residue, extras, key, _below = machine.frame(frame)
            if key != -1:
                extras = min(extras & (L.BLUR - 1), 1)
            form = forms[frame] = self._alike.setdefault((residue, extras, key, form), frame)
        return form

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        """Return those of a state's allowed tokens (no end tokens) after which more than `left` are needed.

        Cost: 0.1 us a token, and `tokens` of each state that they lead to.
        """
        states, which = self._after(index, tokens)
        if not self.names_matter:
            most = max(map(self.length, states.tolist()), default=0)
            if most <= left and not self.names_matter:
                # no text needs more tokens than it has bytes
                self._ceilings[index] = most
                return tokens[:0]
        costs = np.fromiter(map(self.tokens, states.tolist()), np.int64, len(states))
        if self.names_matter:
            followed = [self._machine.after_token(index, token) for token in tokens.tolist()]
            costs = np.fromiter(map(self.tokens, followed), np.int64, len(followed))
            which = np.arange(len(followed))
        if len(self._ceilings) > _KEPT:
            self._ceilings.clear()
        self._ceilings[index] = int(costs.max(initial=0))
        return tokens[costs[which] > left]

    def _after(
        self, index: int, tokens: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the states after some allowed tokens, and for each token which of them it is."""
        machine = self._machine
        regs = machine.registers(index)
        mode, lex = int(regs[L.MODE]), int(regs[L.LEX])
        alone = mode == L.M_KEY and int(regs[L.SEEN]) <= 0 and int(regs[L.AT]) < 0
        if lex != StringPool.FREE or not (mode == L.M_STRING or alone) or machine.log(regs):
            states, which = np.unique(machine.after_tokens(index, tokens), return_inverse=True)
            return states, which
        # of the tokens that only count characters, one of each kind stands for all
        if self._kinds is None:
            found = machine.text_kinds(self._vocabulary.vocab_size)
            self._kinds = np.unique(found, return_inverse=True)[1] - int(found.min(initial=0) < 0)
        kinds = self._kinds[tokens]
        first = np.full(int(self._kinds.max(initial=0)) + 1, -1)
        counting = np.flatnonzero(kinds >= 0)
        first[kinds[counting]] = counting
        chosen = np.concatenate([np.flatnonzero(kinds < 0), first[first >= 0]])
        states, of_chosen = np.unique(machine.after_tokens(index, tokens[chosen]), return_inverse=True)
        which = np.empty(len(tokens), np.int64)
        which[chosen] = of_chosen
        which[counting] = which[first[kinds[counting]]]
        return states, which

    def fits(self, index: int, left: int) -> bool:
        """Return whether it is known that `left` tokens suffice after whichever token comes next."""
        return self._ceilings.get(index, left + 1) <= left

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the document is complete."""
        text, start = self._rest(index)
        return text[start:]

    def length(self, index: int) -> int:
        """Return the bytes of the completion of a state."""
        text, start = self._rest(index)
        return len(text) - start

    def _rest(self, index: int) -> tuple[bytes, int]:
        found = self._texts.get(index)
        if found is None:
            twin = self._twin(index)
            found = self._texts.get(twin) or (self._find(twin), 0)
            self._texts[twin] = found
            if twin != index:
                if self.names_matter:
                    found = self._find(index), 0
                self._texts[index] = found
        return found

    # --- what it costs --------------------------------------------------------------------------------------

    def _explore(self, start: int) -> int:
        """Work out the costs of a state and of all in its block that its chosen steps lead to; return its
        number."""
        machine, numbers = self._machine, self._numbers
        found: dict[int, int] = {}
        beyond: dict[int, int] = {}
        steps: list[list[tuple[int, int]]] = []
        text, offset = self._rest(start)
        last = max(0, len(text) - offset - 1) // _BLOCK * _BLOCK
        pending = [start]
        while pending:
            index = pending.pop()
            if index in found or index in beyond:
                continue
            text, offset = self._rest(index)
            length = len(text) - offset
            if length <= last:
                # Taken as written, from here; by itself it may cost less, where its own block is looked at.
                beyond[index] = self._chain(text, offset)
                continue
            if index in numbers:
                continue
            states = [index, *machine.trace(index, text[offset : offset + length - last])]
            self._texts.setdefault(states[-1], (text, len(text) - last))
            pending.append(states[-1])
            choices = machine.modes(states)
            for i, state in enumerate(states[:-1]):
                if state in numbers or state in found:
                    break  # and so are the states after it
                found[state] = length - i
                self._texts.setdefault(state, (text, offset + i))
                step = (text[offset + i], states[i + 1])
                wanted = _CHOICES.get(choices[i])
                if wanted is None:
                    steps.append([step])
                    continue
                others = self._choices(state, step, wanted, length - i - 1)
                steps.append(others)
                pending += [other for _byte, other in others if other != step[1]]
        self._add(found, beyond, steps)
        return numbers[start]

    def _chain(self, text: bytes, start: int) -> int:
        """Return the number of the state before text[start:], which is written byte by byte as it is.

        Blocks from the end are shared by all texts that end alike. Cost: 0.01 us a byte that is known.
        """
        number, end = 0, len(text)
        chains = self._chains
        while end > start:
            head = max(start, end - _BLOCK)
            key = text[head:end], number
            known = chains.get(key)
            if known is None:
                first = len(self._costs)
                count = end - head
                # the byte before the end has the lowest number
                self._begin.extend(range(len(self._labels), len(self._labels) + count))
                self._end.extend(range(len(self._labels) + 1, len(self._labels) + count + 1))
                self._labels.extend(reversed(key[0]))
                self._targets.extend((number, *range(first, first + count - 1)))
                self._costs.extend([IMPOSSIBLE] * count)
                self._settle(array("i", range(first, first + count)))
                known = chains[key] = first + count - 1
            number, end = known, head
        return number

    def _choices(self, state: int, step: tuple[int, int], wanted: bytes, least: int) -> list[tuple[int, int]]:
        """Return the chosen steps of a state, by byte: those that leave `least` bytes, as the given does."""
        found: dict[int, list[int]] = {}
        for byte, after in self._machine.after_each(state, wanted):
            found.setdefault(after, []).append(byte)
        if len(found) > _BRANCHES:
            return [step]
        steps = [
            (byte, after)
            for after, group in found.items()
            if after == step[1] or self.length(after) <= least
            for byte in group
        ]
        if step not in steps:
            steps.append(step)
        return sorted(steps)

    def _add(self, found: dict[int, int], beyond: dict[int, int], steps: list[list[tuple[int, int]]]) -> None:
        """Enter new states, each with the bytes and the steps that it has left; those beyond the block have
        numbers."""
        first = len(self._costs)
        numbers = self._numbers
        numbers.update(zip(found, range(first, first + len(found)), strict=True))
        for following in steps:
            self._begin.append(len(self._labels))
            for byte, after in following:
                self._labels.append(byte)
                number = beyond.get(after)
                self._targets.append(numbers[after] if number is None else number)
            self._end.append(len(self._labels))
        self._costs.extend([IMPOSSIBLE] * len(found))
        self._settle(array("i", (numbers[state] for state in sorted(found, key=found.__getitem__))))

    def _settle(self, order: array[int]) -> None:
        vocabulary = self._vocabulary
        failed = settle_costs(
            address_of(vocabulary.nodes),
            address_of(vocabulary.first),
            *(
                values.buffer_info()[0]
                for values in (self._begin, self._end, self._labels, self._targets, order)
            ),
            len(order),
            self._costs.buffer_info()[0],
        )
        assert not failed, "a vocabulary that can write every byte"

    # --- one state ------------------------------------------------------------------------------------------

    def _find(self, index: int) -> bytes:
        machine = self._machine
        if machine.may_end(index):
            return b""
        regs = machine.registers(index)
        if int(regs[L.MODE]) in _QUOTED and (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) != 0:
            return self._escaped(index)
        demands = self._innermost(self._ready(index))
        return self._spaced(self._outer(int(regs[L.FRAME]), demands, machine.log(regs)), regs)

    def _outer(self, frame: int, demands: Demands, log: int) -> bytes:
        """Return the shortest rest of the document, given those of the innermost value or container.
        `log`: that of items whose values matter."""
        machine = self._machine
        key = frame, log, tuple(demands.items())
        known = self._folds.get(key)
        if known is not None:
            return known
        below = frame
        while below >= 0:
            residue, extras, written, below = machine.frame(below)
            if written == -1 and machine.watches(residue):
                item = machine.written(log, extras)
                demands = machine.network.finish_with(machine.residue(residue), None, demands, written=item)
                continue
            demands = machine.network.finish_with(
                machine.residue(residue), machine.key(residue, written), demands, self._taken(extras)
            )
        found = self._folds[key] = min(demands.values(), key=_order)
        return found

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
        return _Taken(extras & (L.BLUR - 1), self._load)

    def _load(self, root: int) -> frozenset[str]:
        self.names_matter = True
        return self._machine.extra_keys(root)

    def _innermost(self, index: int) -> Demands:
        """Return the shortest rest of the innermost value or container, for each of its demands."""
        machine = self._machine
        regs = machine.registers(index)
        mode = int(regs[L.MODE])
        if mode == L.M_STRING:
            return self._string(index)
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

    def _string(self, index: int) -> Demands:
        """Return the rest of a string; where it agrees with a list beside its automaton, of that too."""
        machine = self._machine
        regs = machine.registers(index)
        place = int(regs[L.SEEN])
        if place <= 0:
            return self._unlisted(regs)
        row = machine.string_row(int(regs[L.RES]))
        best: Demands = {}
        for at, word in machine.listed(row[L.S_WORDS], place):
            outcome = machine.word_outcome(row[L.S_OUTCOMES] + at)
            if outcome >= 0:
                text = self._written(word[place & L.POSITION_BITS :]) + b'"'
                best = _least(best, dict.fromkeys(machine.network.demands(outcome), text))
        # As long as the string agrees with a word it is walked; the automaton knows the rest.
        other: bytes | None = None
        level: list[tuple[bytes, int]] = [(b"", index)]
        while level and (other is None or len(other) > len(level[0][0])):
            following: list[tuple[bytes, int]] = []
            for head, node in level:
                here = int(machine.registers(node)[L.SEEN])
                words = machine.listed(row[L.S_WORDS], here)
                ends = any(len(word) == here & L.POSITION_BITS for _, word in words)
                better = other is None or _order(head) < _order(other)
                if better and not ends and machine.after(node, b'"') >= 0:
                    other = head
                met: set[tuple[int, int]] = set()
                for byte, after in machine.after_each(node, _KEYS):
                    then = machine.registers(after)
                    if int(then[L.SEEN]) > 0:
                        following.append((head + bytes((byte,)), after))
                        continue
                    kind = int(then[L.LEX]), int(then[L.AT])
                    if kind in met:
                        continue
                    met.add(kind)
                    for rest in self._unlisted(then).values():
                        text = head + bytes((byte,)) + rest[:-1]
                        if other is None or _order(text) < _order(other):
                            other = text
            level = following
        if other is not None:
            return _least(best, {0: other + b'"'})
        # No byte goes on as it is: every character that may come is written as an escape.
        _, word = next(machine.listed(row[L.S_WORDS], place))
        rests = machine.finish_prefix(int(regs[L.RES]), word[: place & L.POSITION_BITS])
        return {j: self._written(text) + b'"' for j, text in rests.items()}

    def _unlisted(self, regs: Registers) -> Demands:
        machine = self._machine
        least = int(machine.string_row(int(regs[L.RES]))[L.S_LEAST])
        missing = b" " * max(0, least - int(regs[L.AT]))
        rests = machine.finish_string(int(regs[L.LEX]) & L.STATE_BITS)
        return {j: self._written(text) + missing + b'"' for j, text in rests.items()}

    def _word(self, regs: Registers) -> Demands:
        machine = self._machine
        row = machine.string_row(int(regs[L.RES]))
        place = int(regs[L.AT])
        best: dict[int, bytes] = {}
        for at, word in machine.listed(int(row[L.S_START]), place):
            text = self._written(word[place & L.POSITION_BITS :]) + b'"'
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
                    head = self._written(word[place & L.POSITION_BITS :]) + b'":'
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
        heads = machine.finish_string(int(regs[L.LEX]) & L.STATE_BITS)
        found = {head for head in heads.values() if self._class_after(index, head) is not None}
        missing = {j for j, head in heads.items() if head not in found}
        if missing:
            found.update(self._unused(index, missing))
        for head in sorted(found, key=_order):
            formulas = self._class_after(index, head)
            if formulas is None:
                continue
            taken = _Taken(1, lambda _root, head=head: self._with_extra(index, head))  # type: ignore[misc]
            value = machine.network.finish_place(menu.extra_places[formulas])
            rest = machine.network.finish_with(residue, formulas, value, taken)
            best = _least(best, _behind(self._written(head) + b'":', rest))
        return best

    def _with_extra(self, index: int, head: bytes) -> frozenset[str]:
        """Return the extra keys of the object once the present key is finished with these decoded bytes."""
        self.names_matter = True
        after = self._machine.after(index, self._written(head) + b'"')
        return self._machine.extra_keys(int(self._machine.registers(after)[L.EXTRAS]))

    def _class_after(self, index: int, head: bytes) -> frozenset[int] | None:
        """Return the class of the extra key that these decoded bytes finish,
        or None where they do not finish one."""
        return self._class_at(self._machine.after(index, self._written(head) + b'"'))

    def _class_at(self, after: int) -> frozenset[int] | None:
        """Return the class of the extra key that was closed last, or None for a named key or no state."""
        if after < 0:
            return None
        machine = self._machine
        key = int(machine.registers(after)[L.LEX])
        return None if key >= 0 else machine.group(-2 - key)

    def _unused(self, index: int, wanted: set[int]) -> Collection[bytes]:
        """Return, by class of extra keys, the shortest rest of a key that the object does not hold or list.

        Keys are walked as far as they agree with one that it holds or lists; the automaton knows the rest.
        """
        machine = self._machine
        best: dict[int, bytes] = {}

        def offer(j: int, head: bytes) -> None:
            if j in wanted and (
                j not in best or _order(self._written(head)) < _order(self._written(best[j]))
            ):
                best[j] = head

        level: list[tuple[bytes, int]] = [(b"", index)]
        while level and any(j not in best or len(best[j]) > len(level[0][0]) for j in wanted):
            following: list[tuple[bytes, int]] = []
            for head, node in level:
                for j in self._class_at(machine.after(node, b'"')) or ():
                    offer(j, head)
                seen: set[int] = set()
                for byte, after in machine.after_each(node, _KEYS):
                    regs = machine.registers(after)
                    lex = int(regs[L.LEX]) & L.STATE_BITS
                    if lex == L.NO_STATE or lex in seen:
                        continue
                    if int(regs[L.SEEN]) > 0 or int(regs[L.AT]) >= 0:
                        following.append((head + bytes((byte,)), after))
                        continue
                    seen.add(lex)
                    for j, rest in machine.finish_string(lex).items():
                        offer(j, head + bytes((byte,)) + rest)
            level = following
        if self._literal is ascii_string and not wanted <= best.keys():
            # Keys are walked by their bytes, and those outside ASCII cannot be written one by one.
            raise LimitError(
                "a key outside ASCII that the object does not hold was not found.", limit="oracle_steps"
            )
        return best.values()

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

    def _written(self, decoded: bytes) -> bytes:
        """Return JSON text for the rest of a string's decoded bytes, which may begin inside a character."""
        at = 0
        while at < len(decoded) and decoded[at] & 0xC0 == 0x80:
            at += 1
        return decoded[:at] + self._literal(decoded[at:].decode("utf-8", "surrogatepass"))[1:-1]

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
    """Return the state of the escape that is being written: 0 for none (structgen.machine.escapes)."""
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
