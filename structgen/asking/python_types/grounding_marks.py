"""`sg.Quote`, `sg.Inferred` and `sg.Key`: annotations of fields for answers that are grounded in a text.

A *quote* must be a part of the text. An *inferred* value need not stand in it. A *key* is a field that names
an item. For example `name: Annotated[str, sg.Quote()]` asks for a name as the text writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from structgen.base.errors import options_named
from structgen.base.json_text.exact_json import JsonObject
from structgen.schema.reading.quote_keyword import INFERRED, KEY, QUOTE, QuoteMembers
from structgen.schema.reading.string_annotations import annotate_schema


class QuoteMark(QuoteMembers):
    """The strings that stand in the text word for word: `Annotated[str, sg.Quote]`,
    `Annotated[str, sg.Quote(words=6)]`, `Annotated[str, sg.Quote(of="sentences")]`.

    `of`: a quote is a run of "words", "sentences" or "lines" of the text. `words`: the most words of a run;
    None: any number. A call holds the string to its texts, those of `grounded=` where some are given.
    """

    __slots__ = ()

    @options_named("sg.Quote(words=6)", name="sg.Quote")
    def __call__(self, *, of: str = "words", words: int | None = None) -> QuoteMark:
        """Return the mark with other members. Raises `OptionError` for members that are none."""
        return QuoteMark(of, words)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonObject:
        """Return the schema of what is annotated, with `x-quote` added (pydantic asks for it). Raises
        `UnsupportedError` where no value is a string."""
        members = {"of": self.of} if self.of != "words" else {"words": self.words} if self.words else {}
        return annotate_schema(f"sg.{self!r}", core, handler, {QUOTE: members})


@dataclass(frozen=True, slots=True)
class InferredMark:
    """A value that is a conclusion, and need not stand in the text: `Annotated[int, sg.Inferred]`, with or
    without brackets. `grounded=` leaves it free, with all that is inside of it."""

    @options_named("sg.Inferred()", name="sg.Inferred")
    def __call__(self) -> InferredMark:
        """Return the mark."""
        return self

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonObject:
        """Return the schema of what is annotated, with `x-inferred` added (pydantic asks for it)."""
        return {**handler(core), INFERRED: True}


@dataclass(frozen=True, slots=True)
class KeyMark:
    """A field that names an item: `Annotated[str, sg.Key]`, with or without brackets. `sg.extract` takes
    items with the same keys for one, on whatever pages they stand."""

    @options_named("sg.Key()", name="sg.Key")
    def __call__(self) -> KeyMark:
        """Return the mark."""
        return self

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonObject:
        """Return the schema of what is annotated, with `x-key` added (pydantic asks for it)."""
        return {**handler(core), KEY: True}


Quote: Final = QuoteMark()
"""Marks strings that stand in the text word for word: `Annotated[str, sg.Quote]`, `sg.Quote(words=6)`."""
Inferred: Final = InferredMark()
"""Marks a value that is a conclusion, and need not stand in the text: `Annotated[int, sg.Inferred]`."""
Key: Final = KeyMark()
"""Marks a field that names an item of `sg.extract`: `Annotated[str, sg.Key]`."""
