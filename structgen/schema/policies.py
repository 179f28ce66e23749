"""The written policies: which texts of an accepted value are part of the language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from structgen.errors import OptionError

WHITESPACE = ("bounded", "compact", "oneline", "any")  # or an int or str: json.dumps(indent=...)
PROPERTY_ORDER = ("declared", "any")
NUMBERS = ("bounded", "plain", "any")
ESCAPES = ("canonical", "any")
FORMATS = ("assert", "annotate")

WIDEST: Mapping[str, str] = MappingProxyType(
    {"whitespace": "any", "property_order": "any", "numbers": "any", "escapes": "any"}
)
"""Keyword arguments of `sg.json_schema` under which every JSON text of an accepted value
is in the language."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The checked policy options of one JSON Schema grammar.

    `whitespace` is one of WHITESPACE, or the indent (an int is kept as that many blanks) behind "indent:".
    """

    whitespace: str = "bounded"
    property_order: str = "declared"
    numbers: str = "bounded"
    escapes: str = "canonical"
    formats: str = "assert"

    @classmethod
    def of(
        cls,
        whitespace: str | int = "bounded",
        property_order: str = "declared",
        numbers: str = "bounded",
        escapes: str = "canonical",
        formats: str = "assert",
    ) -> Policies:
        """Return the policies, or raise `OptionError` naming the option and what it takes."""
        if isinstance(whitespace, bool) or not isinstance(whitespace, (str, int)):
            raise OptionError(
                f"whitespace={whitespace!r} is not a policy.",
                where="whitespace",
                cure=f"Use one of {', '.join(WHITESPACE)}, or json.dumps's indent (an int or blanks).",
            )
        if isinstance(whitespace, int):
            whitespace = "indent:" + " " * max(whitespace, 0)
        elif whitespace not in WHITESPACE and not whitespace.startswith("indent:"):
            if whitespace.strip(" \t\n\r"):
                raise OptionError(
                    f"whitespace={whitespace!r} is not a policy.",
                    where="whitespace",
                    cure=f"Use one of {', '.join(WHITESPACE)}, or json.dumps's indent (an int or blanks).",
                )
            whitespace = "indent:" + whitespace
        for name, value, allowed in (
            ("property_order", property_order, PROPERTY_ORDER),
            ("numbers", numbers, NUMBERS),
            ("escapes", escapes, ESCAPES),
            ("formats", formats, FORMATS),
        ):
            if value not in allowed:
                raise OptionError(
                    f"{name}={value!r} is not a policy.", where=name, cure=f"Use one of {', '.join(allowed)}."
                )
        return cls(whitespace, property_order, numbers, escapes, formats)
