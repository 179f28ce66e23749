"""What was asked of a grammar's network, in order: asked again in the same order, a new network hands out the
same numbers, and a new expander the same rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

from structgen.errors import StructgenError
from structgen.language.ir import ArrayMenu, Demands, Key, Network, ObjectMenu, ValueMenu

Call: TypeAlias = tuple[object, ...]

CALL, NUMBER, FREE_STRING = -1, -2, -3
"""Kinds of entries beside the questions of json_blocks.Q_*: a call of the network by somebody else (its place
in `calls`), a plain object's row whose residue was asked for, the row of the free string."""
MOST_CALLS = 2000
"""Calls by others that are noted; who plans whole documents makes no end of them."""


class Journal:
    """The questions that an expander answered, and what others called the network for. Cost: 0.1 us an
    entry."""

    __slots__ = ("_met", "calls", "questions", "spoiled")

    def __init__(self) -> None:
        self.questions: list[tuple[int, int, int, int]] = []
        self.calls: list[Call] = []
        self.spoiled = False
        """Whether something happened that cannot be repeated: an error half way, a call that is not noted."""
        self._met: set[Call] = set()

    @classmethod
    def of(cls, questions: list[tuple[int, int, int, int]], calls: list[Call]) -> Journal:
        """Return a journal that goes on after some entries."""
        journal = cls()
        journal.questions, journal.calls = list(questions), list(calls)
        journal._met.update(calls)
        return journal

    def call(self, *call: object) -> None:
        """Note a call by somebody else, the first time."""
        if call in self._met:
            return
        if len(self.calls) >= MOST_CALLS:
            self.spoiled = True
            return
        at = len(self.calls)
        self.calls.append(call)
        self.questions.append((CALL, at, 0, 0))
        self._met.add(call)


class TakenKeys(Collection[str]):
    """The extra keys that an object holds, handed on, and which of them anybody found: half written ones
    cannot be read, nor need they be."""

    __slots__ = ("_found", "_keys", "_looked")

    def __init__(self, keys: Collection[str]) -> None:
        self._keys, self._looked = keys, False
        self._found: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __len__(self) -> int:
        self._looked = True
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        self._looked = True
        self._found.update(self._keys)
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        self._looked = True
        if isinstance(key, str) and key in self._keys:
            self._found.add(key)
            return True
        return False

    @property
    def seen(self) -> tuple[str, ...] | bool:
        """What was looked at: the keys that were found, or whether there are any."""
        return tuple(sorted(self._found)) if self._looked else bool(self._keys)


class _Unread(Collection[str]):
    """Keys of which nobody looks at more than whether there are any."""

    def __init__(self, any_: bool) -> None:
        self._any = any_

    def __bool__(self) -> bool:
        return self._any

    def __len__(self) -> int:
        raise LookupError("keys are read that were not read before")

    def __iter__(self) -> Iterator[str]:
        raise LookupError("keys are read that were not read before")

    def __contains__(self, key: object) -> bool:
        raise LookupError("keys are read that were not read before")


class Recorded:
    """A network whose calls are noted where they could make numbers (`ir.Network`, as far as a reader of
    states asks it)."""

    __slots__ = ("_journal", "network")

    def __init__(self, network: Network, journal: Journal) -> None:
        self.network = network
        self._journal = journal

    @property
    def root(self) -> int:
        return self.network.root

    def entry(self, place: int) -> ValueMenu:
        self._journal.call("entry", place)
        return self.network.entry(place)

    def demands(self, outcome: int) -> frozenset[int]:
        return self.network.demands(outcome)

    def keys(self, residue: int) -> Sequence[str]:
        self._journal.call("keys", residue)
        return self.network.keys(residue)

    def menu(self, residue: int) -> ObjectMenu:
        self._journal.call("menu", residue)
        return self.network.menu(residue)

    def items(self, residue: int) -> ArrayMenu:
        self._journal.call("items", residue)
        return self.network.items(residue)

    def finish_place(self, place: int) -> Demands:
        self._journal.call("finish_place", place)
        return self.network.finish_place(place)

    def finish(self, residue: int, taken: Collection[str] = ()) -> Demands:
        keys = TakenKeys(taken)
        try:
            found = self.network.finish(residue, keys)
            self._journal.call("finish", residue, keys.seen)
        except StructgenError:
            raise
        except BaseException:
            self._journal.spoiled = True  # it may have made numbers that are not noted
            raise
        return found

    def finish_with(
        self, residue: int, key: Key, value: Demands, taken: Collection[str] = (), written: bytes = b""
    ) -> Demands:
        keys = TakenKeys(taken)
        try:
            found = self.network.finish_with(residue, key, value, keys, written)
            self._journal.call("finish_with", residue, key, tuple(value.items()), keys.seen, written)
        except StructgenError:
            raise
        except BaseException:
            self._journal.spoiled = True
            raise
        return found

    def owed(self, residue: int) -> tuple[Sequence[str], int]:
        self._journal.call("owed", residue)
        return self.network.owed(residue)

    def sources(self, place: int) -> Sequence[str]:
        return self.network.sources(place)


def repeat(network: Network, call: Call) -> None:
    """Make a call that was noted again."""
    name, residue, *rest = call
    assert isinstance(residue, int)
    if name == "finish":
        network.finish(residue, _taken(rest[0]))
    elif name == "finish_with":
        key, value, taken, written = rest
        network.finish_with(residue, key, dict(value), _taken(taken), written)  # type: ignore[arg-type, call-overload]
    else:
        getattr(network, str(name))(residue)


def _taken(seen: object) -> Collection[str]:
    return _Unread(seen) if isinstance(seen, bool) else seen  # type: ignore[return-value]


def plain(call: Call) -> list[object]:
    """Return a call in terms of JSON: a class of keys is a list, bytes are the characters of their
    numbers."""
    if call[0] != "finish_with":
        return list(call)
    name, residue, key, value, taken, written = call
    if isinstance(key, frozenset):
        key = sorted(key)
    texts = [[demand, text.decode("latin-1")] for demand, text in value]  # type: ignore[attr-defined]
    assert isinstance(written, bytes)
    return [name, residue, key, texts, taken, written.decode("latin-1")]


def from_plain(call: list[object]) -> Call:
    """Return the call that `plain` was given."""
    call = [tuple(part) if isinstance(part, list) and call[0] == "finish" else part for part in call]
    if call[0] != "finish_with":
        return tuple(call)
    name, residue, key, texts, taken, written = call
    if isinstance(key, list):
        key = frozenset(key)
    value = tuple((demand, text.encode("latin-1")) for demand, text in texts)  # type: ignore[attr-defined]
    assert isinstance(written, str)
    keys = tuple(taken) if isinstance(taken, list) else taken
    return (name, residue, key, value, keys, written.encode("latin-1"))
