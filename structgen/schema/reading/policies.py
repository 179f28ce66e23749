"""The policies of a grammar: which of the many JSON texts of a value a model may write.

A *policy* is one choice about texts: the white space, the order of keys, the spelling of numbers and escapes.
For example under `whitespace="compact"` the value `[1, 2]` is written as `[1,2]` and in no other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias, Union

from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import Json, nearest_double
from structgen.base.language import checks
from structgen.base.language.checks import Count

WHITESPACE = ("bounded", "compact", "oneline", "any")  # or "any:3"; an int or str: json.dumps(indent=...)
PROPERTY_ORDER = ("declared", "any")
NUMBERS = ("bounded", "plain", "python", "decimal", "any")
ESCAPES = ("canonical", "utf8", "ascii", "any")
FORMATS = ("assert", "annotate")
ANY_VALUE = ("any", "scalar")  # or an int: how deep arrays and objects may be nested
DEEPEST_ANY_VALUE = 100
"""The largest bound on the nesting of a value that the schema does not restrict."""

MOST_INDENT = 1_000
"""The largest indent of a level. A request of a stranger may ask for it."""

DEMANDING = ("oneline", "indent")
"""The policies that prescribe where white space stands. Only these exclude values if its length is
bounded."""

PolicyOptions: TypeAlias = Mapping[str, Any]
"""Options of `sg.json_schema`, by name."""
WIDEST: PolicyOptions = MappingProxyType(
    {"whitespace": "any", "property_order": "any", "numbers": "any", "escapes": "any"}
)
"""Keyword arguments of `sg.json_schema` under which every JSON text of an accepted value
is in the language."""


CustomFormat: TypeAlias = Union[str, "tuple[tuple[str, int], ...]"]
"""The meaning of a format that the caller defines: a pattern of strings, or NUMERIC keywords of numbers."""

NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
"""The keywords that a format of numbers may use."""


def _finite_bounds(precision: int, exponent: int) -> Mapping[str, int]:
    """Return the numbers that IEEE 754 rounds to a finite binary of so many digits, to the nearest, ties to
    even: those below half a step more than the largest (sections 4.3.1 and 3.3)."""
    beyond = 2 ** (exponent + 1) - 2 ** (exponent - precision)
    return MappingProxyType({"exclusiveMinimum": -beyond, "exclusiveMaximum": beyond})


def _integer_bounds(minimum: int, maximum: int) -> Mapping[str, int]:
    """Return the integers from `minimum` to `maximum`."""
    return MappingProxyType({"multipleOf": 1, "minimum": minimum, "maximum": maximum})


_SIZES = (8, 16, 32, 64)

OPENAPI_FORMATS: Mapping[str, str | Mapping[str, int]] = MappingProxyType(
    {
        **{f"int{bits}": _integer_bounds(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in _SIZES},
        **{f"uint{bits}": _integer_bounds(0, 2**bits - 1) for bits in _SIZES},
        "double-int": _integer_bounds(1 - 2**53, 2**53 - 1),
        "float": _finite_bounds(24, 127),
        "double": _finite_bounds(53, 1023),
        "byte": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
        "base64url": "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$",
        "binary": "",
        "password": "",
    }
)
"""The formats that OpenAPI adds (3.0.3, section 4.4; 3.1's registry of formats), for `custom_formats`.

int8 to int64, uint8 to uint64: integers of so many bits. double-int: integers that a double holds exactly.
float and double: numbers that are finite once rounded. byte: base64 as an encoder writes it (RFC 4648,
section 4). base64url: the same with the alphabet for URLs (section 5), without padding. binary, password: any
string.
"""

JSON_DUMPS: PolicyOptions = MappingProxyType(
    {"whitespace": "oneline", "numbers": "python", "escapes": "ascii"}
)
"""Keyword arguments of `sg.json_schema` for what `json.dumps(value)` writes; with `escapes="utf8"` for what
`json.dumps(value, ensure_ascii=False)` does, and with `whitespace=n` for `indent=n`."""
READABLE_DUMPS: PolicyOptions = MappingProxyType({**JSON_DUMPS, "escapes": "utf8"})
"""The keyword arguments for `json.dumps(value, ensure_ascii=False)`."""


def _read_whitespace(value: object) -> str:
    is_long = isinstance(value, int) and value > MOST_INDENT
    if is_long or (isinstance(value, str) and len(value) > len("indent:") + MOST_INDENT):
        raise OptionError(f"must be at most {MOST_INDENT} blanks.", where="whitespace", cure="Pass fewer.")
    if isinstance(value, int) and not isinstance(value, bool):
        # json.dumps takes a negative indent as 0.
        return "indent:" + " " * max(value, 0)
    words = rf"({'|'.join(WHITESPACE)}|indent:[ \t\n\r]*)(?::([0-9]{{1,18}}))?"
    match = re.fullmatch(words, value) if isinstance(value, str) else None
    if match is not None:
        kind = match[1]
        count = None if match[2] is None else int(match[2])
        # A bound excludes nothing where the policy writes at most one character anyway.
        writes_one_character = kind in ("oneline", "indent:")
        if count is None or kind == "compact" or (writes_one_character and count):
            return kind
        # Up to 8 characters "bounded" and "any" allow the same texts.
        counted_kind = "any" if kind == "bounded" and count <= 8 else kind
        return f"{counted_kind}:{count}"
    if isinstance(value, str) and not value.strip(" \t\n\r"):
        return "indent:" + value
    takes = f"one of {', '.join(WHITESPACE)}, or json.dumps's indent (an int or blanks)"
    raise checks.option_error("whitespace", value, takes)


def counted_space(whitespace: object, max_blanks: int) -> str:
    """Return a policy of white space with a bound: at most `max_blanks` characters of it stand together."""
    kind, blanks, known_limit = Policies(whitespace=whitespace).space  # type: ignore[arg-type]
    limit = max_blanks if known_limit is None else min(max_blanks, known_limit)
    # The blanks of an indent stand between two colons; other policies have one colon.
    separator = ":" if kind == "indent" else ""
    return f"{kind}{separator}{blanks}:{limit}"


def _any_value(value: Any) -> int | None:
    if value in ANY_VALUE:
        return None if value == "any" else 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= DEEPEST_ANY_VALUE:
        return value
    takes = f"one of {', '.join(ANY_VALUE)}, or a depth from 0 to {DEEPEST_ANY_VALUE}"
    raise checks.option_error("any_value", value, takes)


def _read_own_formats(formats: Any) -> tuple[tuple[str, CustomFormat], ...]:
    if formats is None:
        return ()
    if isinstance(formats, tuple):  # formats that were checked before
        # A tuple of another shape stays as it is, and is refused below.
        with suppress(TypeError, ValueError):
            formats = {
                name: format_rule if isinstance(format_rule, str) else dict(format_rule)
                for name, format_rule in formats
            }
    if not isinstance(formats, Mapping) or not all(
        isinstance(name, str) and (isinstance(meaning, str) or _is_numeric(meaning))
        for name, meaning in formats.items()
    ):
        raise OptionError(
            "must be a dict of names and patterns, or bounds of numbers.",
            where="custom_formats",
            cure='Pass a dict such as {"sku": "^[A-Z]{3}-[0-9]+$", "percent": {"minimum": 0}}.',
        )
    # Sorted tuples: equal formats are equal policies, whose grammars are compiled once.
    sorted_formats = sorted(formats.items(), key=lambda item: item[0])
    return tuple(
        (name, meaning if isinstance(meaning, str) else tuple(sorted(meaning.items())))
        for name, meaning in sorted_formats
    )


def _is_numeric(meaning: object) -> bool:
    return isinstance(meaning, Mapping) and all(
        keyword in NUMERIC and isinstance(value, int) and not isinstance(value, bool)
        for keyword, value in meaning.items()
    )


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy options of one JSON Schema grammar, checked. Errors: `OptionError` naming the option and
    what it takes.

    `whitespace` is one of WHITESPACE, or json.dumps's indent, which is kept as blanks behind "indent:"; and
    behind ":" how many characters stand together at most, where that leaves something out.
    """

    whitespace: Annotated[str, checks.NamedCheck(_read_whitespace)] = "bounded"
    property_order: Annotated[str, checks.ChoiceCheck(PROPERTY_ORDER)] = "declared"
    numbers: Annotated[str, checks.ChoiceCheck(NUMBERS)] = "bounded"
    escapes: Annotated[str, checks.ChoiceCheck(ESCAPES)] = "canonical"
    formats: Annotated[str, checks.ChoiceCheck(FORMATS)] = "assert"
    max_string: Count | None = None
    """The most code points of a string that the schema does not bound; None: no limit."""
    max_items: Count | None = None
    """The most items of an array that the schema does not bound; None: no limit."""
    any_value: Annotated[int, checks.NamedCheck(_any_value)] | None = None
    """The greatest depth of a value that the schema does not restrict. 0 ("scalar"): only scalars; None
    ("any"): no limit."""
    custom_formats: Annotated[tuple[tuple[str, CustomFormat], ...], checks.NamedCheck(_read_own_formats)] = ()
    """The formats that the caller defines, each a name and its meaning, sorted by name."""

    def __post_init__(self) -> None:
        checks.check_fields(self)

    @property
    def space(self) -> tuple[str, str, int | None]:
        """The three parts of the policy of white space: its word, the blanks of an indent, and the most
        characters that stand together (None: no bound). For example `("oneline", "", None)`."""
        kind, *rest = self.whitespace.split(":")
        blanks = rest.pop(0) if kind == "indent" else ""
        return kind, blanks, int(rest[0]) if rest else None

    @property
    def narrow_options(self) -> tuple[str, ...]:
        """The names of the options that exclude some documents of the schema; `formats` does not count."""
        choices = ("property_order", "numbers", "escapes")
        bounds = ("max_string", "max_items", "any_value")
        words = tuple(name for name in choices if getattr(self, name) != "any")
        kind, _, blank_limit = self.space
        # Under the other policies a count leaves texts out, but no value: its text without blanks stays.
        if kind in DEMANDING and blank_limit is not None:
            words += ("whitespace",)
        return words + tuple(name for name in bounds if getattr(self, name) is not None)

    @property
    def of_point(self) -> Callable[[str], Json]:
        """A function that reads numerals with a point or an exponent: as the nearest double, or exactly."""
        if self.numbers in ("decimal", "any"):
            return Decimal
        return nearest_double

    def widen_options(self, *names: str) -> Policies:
        """Return the policies with some options at their widest."""
        widest = {name: "any" if name in WIDEST else None for name in names}
        return replace(self, **widest)  # type: ignore[arg-type]
