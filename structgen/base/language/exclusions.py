"""Tables of options that exclude one another: which, what is wrong, and how to mend it.

What comes in: checked options. What goes out: nothing, or the error of the first row that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final, NamedTuple

from structgen.base.errors import OptionError, UnsupportedError

_VERBS: Final = ("excludes", "needs", "if")


class Exclusion(NamedTuple):
    """One row."""

    names: tuple[str, ...]
    """Options of which the error names the first that is given."""
    verb: str
    others: tuple[str, ...]
    """Options or cases."""
    text: str
    """What is wrong. `{}` stands for what a case found, else for the option; `{name}` for the option."""
    cure: str
    keyword: str = ""
    """Of what is not offered at all: the keyword of its UnsupportedError. "": it is an OptionError."""


class Exclusions:
    """A table. A row is written `options excludes others: what is wrong | cure`; a further `| keyword` makes
    an UnsupportedError. An indented line goes on with the row above.

    `excludes`: an option is refused beside one of the others; `needs`: without all of them; `if`: it is named
    where one of the others holds, given or not. A row without a verb refuses its options everywhere.
    """

    def __init__(self, table: str, **cases: Callable[..., Any]) -> None:
        """`cases`: by name, what takes the options and returns what is true where the case is there. A case
        with the name of an option says whether that is given."""
        self.cases = cases
        self.rows = [_row(line) for line in table.replace("\n    ", " ").strip().splitlines()]

    def refuse(self, *options: Any) -> None:
        """Raise the error of the first row that holds for some options: dataclasses, or containers of the
        names that are given. Cost: some microseconds a row."""
        for row in self.rows:
            found = next(filter(None, (self._holds(name, options) for name in row.others)), None)
            if row.others and bool(found) == (row.verb == "needs"):
                continue
            names = (name for name in row.names if row.verb == "if" or self._holds(name, options))
            if (name := next(names, None)) is None:
                continue
            text = row.text.format(name if found in (None, True) else found, name=name)
            if row.keyword:
                raise UnsupportedError(text, keyword=row.keyword, where=name, cure=row.cure)
            raise OptionError(text, where=name, cure=row.cure)

    def _holds(self, name: str, options: tuple[Any, ...]) -> Any:
        """Return what a case found, or whether an option is given."""
        if name in self.cases:
            return self.cases[name](*options)
        return any(_is_given(name, one) for one in options)


def _row(line: str) -> Exclusion:
    head, _, said = line.partition(": ")
    words, (text, *more) = head.split(), said.split(" | ")
    at = next((at for at, word in enumerate(words) if word in _VERBS), len(words))
    return Exclusion(tuple(words[:at]), "".join(words[at : at + 1]), tuple(words[at + 1 :]), text, *more)


def _is_given(name: str, options: Any) -> bool:
    if isinstance(options, Container):
        return name in options
    field = getattr(options, "__dataclass_fields__", {}).get(name)
    return field is not None and getattr(options, name) != field.default
