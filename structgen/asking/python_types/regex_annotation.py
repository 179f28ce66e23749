"""`sg.Regex`: the annotation that gives a string a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from structgen.base.errors import OptionError, UnsupportedError, fields_named


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
                f"A pattern is a string, not a {type(self.pattern).__name__}.",
                where="sg.Regex",
                cure='Write sg.Regex(r"[A-Z]{3}").',
            )

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Return the schema of what is annotated, with the pattern added (pydantic asks for it). Raises
        `UnsupportedError` where no value is a string."""
        schema: dict[str, Any] = handler(core)
        if not _has_strings(schema, handler):
            raise UnsupportedError(
                f"{self!r} in Annotated, beside a type without strings, would be passed over.",
                keyword="Annotated",
                where="type",
                cure='Annotate the strings inside: list[Annotated[str, sg.Regex("...")]].',
            )
        whole = {"pattern": f"^(?:{self.pattern})$"}
        if "pattern" not in schema and "$ref" not in schema:
            return {**schema, **whole}
        return {"allOf": [schema, whole]}


def _has_strings(schema: dict[str, Any], handler: Any) -> bool:
    """Return whether some string may be a value of a schema that pydantic writes."""
    try:
        schema = handler.resolve_ref_schema(schema)
    except LookupError:  # a class that is being read
        return False
    if branches := schema.get("anyOf", schema.get("oneOf")):
        return any(_has_strings(one, handler) for one in branches)
    if "enum" in schema or "const" in schema:
        return any(isinstance(one, str) for one in schema.get("enum", [schema.get("const")]))
    return "string" in schema.get("type", "string")
