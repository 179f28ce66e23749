"""Tables of options that exclude one another: which, what is wrong, and how to mend it.

What comes in: checked options. What goes out: nothing, or the error of the first row that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NamedTuple, TypeAlias

from structgen.base.errors import OptionError, UnsupportedError

Case: TypeAlias = Callable[..., Any]
"""Takes the options, and returns what is true where the case is there."""


class Exclusion(NamedTuple):
    """One row. It is asked `beside` or `without` others, `when` a case is there, or else always."""

    names: str | tuple[str, ...]
    """The option, or several, of which the error names the first that is given."""
    fault: str
    """The fault in words. `{}` stands for the answer of a case, else for the option; `{name}` for the
    option."""
    cure: str
    beside: str | Case | tuple[str, ...] = ()
    """The options are refused beside this other one, one of these others, or in this case."""
    without: str | Case | tuple[str, ...] = ()
    """The options are refused without this other one, without all of these others, or but in this case."""
    when: str | Case | None = None
    """The first option is named where this other one is given, or this case is there, given itself or not."""
    keyword: str = ""
    """Of what is not offered at all: the keyword of its UnsupportedError. "": it is an OptionError."""


class Exclusions:
    """A table of rows, in the order in which they are asked."""

    def __init__(self, *rows: Exclusion) -> None:
        self.rows = rows

    def raise_first(self, *options: Any) -> None:
        """Raise the error of the first row that holds for some options: dataclasses, or containers of the
        names that are given. Cost: some microseconds a row."""
        for row in self.rows:
            others = row.beside or row.without or row.when
            answers = (_find_case(choice, options) for choice in _split_cases(others))
            case = next(filter(None, answers), None)
            # `beside` and `when` need a case that is there, `without` the lack of all of them.
            if others and bool(case) == bool(row.without):
                continue
            names = (
                name
                for name in _split_cases(row.names)
                if row.when or _find_case(name, options)  # given itself, unless the case names it anyway
            )
            name = next(names, None)
            if name is None:
                continue
            # A case may return words about itself; True says no more than that it is there.
            subject = name if case in (None, True) else case
            fault = row.fault.format(subject, name=name)
            if row.keyword:
                raise UnsupportedError(fault, keyword=row.keyword, where=name, cure=row.cure)
            raise OptionError(fault, where=name, cure=row.cure)


def _split_cases(cases: Any) -> tuple[Any, ...]:
    """Return the cases of a field of a row, which may be one alone."""
    return cases if isinstance(cases, tuple) else (cases,)


def _find_case(excluded: str | Case, options: tuple[Any, ...]) -> Any:
    """Return the answer of a case, or whether an option is given."""
    if callable(excluded):
        return excluded(*options)
    return any(_is_given(excluded, holder) for holder in options)


def _is_given(name: str, options: Any) -> bool:
    """Return whether an option is among some names, or is a field that does not have its default."""
    if isinstance(options, Container):
        return name in options
    fields_by_name = getattr(options, "__dataclass_fields__", {})
    field = fields_by_name.get(name)
    return field is not None and getattr(options, name) != field.default
