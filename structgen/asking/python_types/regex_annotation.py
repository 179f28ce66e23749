"""`sg.Regex`: the annotation that gives a string a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from structgen.base.errors import OptionError, fields_named
from structgen.schema.reading.string_annotations import annotate_schema


@fields_named('sg.Regex("[0-9]{4}")')
@dataclass(frozen=True, slots=True)
class Regex:
    """The strings that a regular expression matches as a whole: `Annotated[str,
    sg.Regex(r"[A-Z]{3}-[0-9]+")]`.

    `pattern` is read as JSON Schema reads `pattern` (ECMA-262 with the flag u), between anchors of its own.
    """

    pattern: str

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str):
            raise OptionError(
                f"A pattern must be a string, got {type(self.pattern).__name__}.",
                where="sg.Regex",
                cure='Write sg.Regex(r"[A-Z]{3}").',
            )

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Return the schema of what is annotated, with the pattern added (pydantic asks for it). Raises
        `UnsupportedError` where no value is a string."""
        # JSON Schema searches for a pattern: only anchors make it match the whole string
        return annotate_schema(repr(self), core, handler, {"pattern": f"^(?:{self.pattern})$"})
