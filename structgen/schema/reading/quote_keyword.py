"""`x-quote` and `x-inferred`: keywords that say how a value rests on a text that the schema does not
hold; and `x-key`, of a field that names an item in texts.

`x-quote` is an object: `of` ("words", "sentences" or "lines"), and beside words `words`, the most words of
a quote. `x-inferred` and `x-key` are true. All are annotations: `grounded=` reads the first two, `sg.extract`
the third, and by themselves they restrict nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from structgen.base.errors import OptionError, SchemaError, fields_named
from structgen.base.json_text.exact_json import escape
from structgen.base.language.checks import ChoiceCheck, PositiveCount, check_fields
from structgen.schema.reading.model import show_value

QUOTE: Final = "x-quote"
INFERRED: Final = "x-inferred"
KEY: Final = "x-key"


@fields_named("x-quote(words=6)")
@dataclass(frozen=True, slots=True)
class QuoteMembers:
    """The members of `x-quote`. Raises `OptionError` for other values, and for `words` beside sentences and
    lines."""

    of: Annotated[str, ChoiceCheck(("words", "sentences", "lines"))] = "words"
    """The pieces of text of which a quote is a run."""
    words: PositiveCount | None = None
    """The most words of a quote; None: any number."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.words is not None and self.of != "words":
            raise OptionError(
                f"cannot be combined with of={self.of!r}.",
                where="words",
                cure="Remove one of them.",
            )


def read_quote(value: Any, where: str) -> dict[str, Any]:
    """Return a value of `x-quote` as the keywords of `runs_of`: `of` and `words`.

    `where` is the pointer of the keyword. Raises `SchemaError`.
    """
    if not isinstance(value, Mapping):
        raise SchemaError(
            f"{QUOTE} must be an object, got {show_value(value)}.",
            where=where,
            cure='Write an object: {"words": 6} or {}.',
        )
    # An option's error becomes one of the schema: it names the member by its pointer.
    try:
        return asdict(QuoteMembers(**value))
    except OptionError as error:
        raise SchemaError(error.what, where=f"{where}/{escape(error.where)}", cure=error.cure) from error
