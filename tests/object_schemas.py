"""Schemas of objects whose members are all required, and no other may be there."""

from __future__ import annotations

from typing import Any

STRING, INTEGER, BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def object_of(**properties: Any) -> dict[str, Any]:
    """Return the schema of objects with exactly these members; `required` names fewer than all."""
    required = properties.pop("required", list(properties))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
