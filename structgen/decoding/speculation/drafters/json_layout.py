"""The white space layout of a JSON text: where a grammar allows white space, a model is consistent.

A *layout* is the white space that a text has at each kind of position: after `{`, `[`, `,`, `:`, and before a
closing bracket. A *unit* is the indentation of one level, e.g. two spaces. A line break is followed by as
many units as containers (objects and arrays) are open. For `{"a": 1, "b": ` the layout is a space after `:`
and after `,`.
"""

from __future__ import annotations

from typing import Final

WHITE: Final = frozenset(b" \t\n\r")
_OPENING = frozenset(b"{[")
_CLOSING = frozenset(b"}]")
_BETWEEN = frozenset(b",:")
_QUOTE, _BACKSLASH, _CLOSE, _COMMA, _COLON = b'"\\},:'
_OUTSIDE, _INSIDE, _ESCAPED = 0, 1, 2

Place = tuple[int, int, int]
"""A position in a JSON text: (level, context, string). The level is the number of open containers. The
context is the last bracket, comma or colon as a byte if only white space follows it, else 0. The last number
tells whether the position is in a string, and there after a backslash."""
START: Final[Place] = (0, 0, _OUTSIDE)


def move_place(place: Place, byte: int) -> Place:
    """Return the position after one more byte."""
    depth, _, string = place
    if string == _ESCAPED:
        return depth, 0, _INSIDE
    if string == _INSIDE:
        return depth, 0, {_QUOTE: _OUTSIDE, _BACKSLASH: _ESCAPED}.get(byte, _INSIDE)
    if byte in WHITE:
        return place
    if byte in _OPENING:
        return depth + 1, byte, _OUTSIDE
    if byte in _BETWEEN:
        return depth, byte, _OUTSIDE
    if byte in _CLOSING:
        return depth - 1, 0, _OUTSIDE
    return depth, 0, _INSIDE if byte == _QUOTE else _OUTSIDE


def _kind_of_place(place: Place, byte: int) -> tuple[int, int]:
    """Return the kind of the position before a byte (0: there is never white space), and the number of units
    of indentation after a line break there."""
    depth, context, _ = place
    if byte in _CLOSING:
        # Nobody writes white space in an empty container. A closing bracket belongs to the level outside.
        kind = 0 if context in _OPENING else _CLOSE
        return kind, depth - 1
    return context, depth


class JsonLayout:
    """Learns the white space layout of one text from its bytes. Memory: a few numbers."""

    __slots__ = ("_run", "_space_by_kind", "_unit", "place", "signature")

    def __init__(self) -> None:
        self.place = START
        self._run = b""
        """The white space at the end of the text so far."""
        self._space_by_kind: dict[int, bytes] = {}
        self._unit = b""
        self.signature: object = ()
        """A value that is equal for layouts with the same white space in all positions."""

    def read_bytes(self, data: bytes) -> None:
        """Learn from the next bytes of the text. Cost: 0.2 us a byte."""
        for byte in data:
            if self.place[2] == _OUTSIDE:
                if byte in WHITE:
                    self._run += bytes((byte,))
                    continue
                self._learn_space(byte)
                self._run = b""
            self.place = move_place(self.place, byte)

    def _learn_space(self, byte: int) -> None:
        """Learn the white space before a byte for its kind of position."""
        kind, level = _kind_of_place(self.place, byte)
        if not kind:
            return
        run = self._run
        unit = self._unit
        indentation = run[1:]
        if run.startswith(b"\n") and indentation.strip(b" \t") == b"":
            # The indentation is `level` units. The line break and one unit are kept, as the level varies.
            if level > 0 and len(indentation) % level == 0:
                unit = indentation[: len(indentation) // level]
            run = b"\n"
        if self._space_by_kind.get(kind) != run or unit != self._unit:
            self._space_by_kind[kind] = run
            self._unit = unit
            self.signature = (unit, tuple(sorted(self._space_by_kind.items())))

    @property
    def key(self) -> object:
        """A key of everything that the next white space depends on."""
        return self.signature, self.place, self._run

    def space_before(self, place: Place, byte: int, at_start: bool) -> bytes:
        """Return the white space that the writer of the text would put before a byte.

        `place`: the position. `at_start`: whether it is the end of the text, which may already have some of
        the white space; then only the missing part is returned.
        """
        kind, level = _kind_of_place(place, byte)
        if not kind:
            return b""
        run = self._space_by_kind.get(kind)
        if run is None:
            run = self._guess_space(kind)
        if run == b"\n":
            run += self._unit * max(level, 0)
        if at_start:
            # If the text has begun other white space than usual, nothing is added to it.
            if not run.startswith(self._run):
                return b""
            return run[len(self._run) :]
        return run

    def _guess_space(self, kind: int) -> bytes:
        """Return the white space of a kind of position that has not occurred yet."""
        if kind != _COLON and b"\n" in self._space_by_kind.values():
            return b"\n"
        if kind in _BETWEEN:  # ", " usually comes with ": "
            sibling = _COMMA if kind == _COLON else _COLON
            sibling_space = self._space_by_kind.get(sibling, b"")
            return b"" if sibling_space == b"\n" else sibling_space
        return b""
