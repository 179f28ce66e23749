"""`Expected`: one thing that may come next in a text, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """One thing that may come next."""

    what: str
    """In words, for a person: `the key "name"`, `an integer`, `","`, `the end of the document`."""
    sources: tuple[str, ...] = ()
    """JSON pointers of the schema places that ask for it ("#": the root); none where JSON itself does."""
    first: bytes = b""
    """The bytes with which it may go on, ascending; empty for the end."""
    read_before: str = ""
    """The terminal of a Lark grammar as which the text just before was read; "" inside a lexeme."""
    in_string: bool = False
    """Whether it goes on with a text of a grammar that stands in a string of the document."""
