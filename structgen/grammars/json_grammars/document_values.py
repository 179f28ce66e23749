"""Reads JSON texts as Python values, as `json.loads` does, but with an int where only integers are allowed.

In JSON Schema `1.0`, `1e2` and `-0.0` are integers, but `json.loads` makes floats of them: where the schema
has `{"type": "integer"}`, `1e2` becomes 100 here. A model may write such numerals under the policies
`numbers="any"` and `"python"`, and so may servers with masks of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from structgen.base.json_text.growing_json import value_of as json_value

_SUSPECT = re.compile(rb"[0-9](?:\.0+(?![0-9])|(?:\.[0-9]+)?[eE])")
"""Matches in each integer that is not written as digits alone, and in some texts that are not integers."""


def value_of(text: bytes, only_integers: Callable[[bytes], bool], most_digits: int) -> Any:
    """Return the value of a JSON text.

    `only_integers`: a function of the text up to and including a numeral's first character; it returns
    whether the numeral must be an integer. `most_digits`: an integer with more digits stays the float that
    `json.loads` makes. Raises ValueError for a text that is not JSON. Cost: that of `json.loads`, and 50
    times as much where an integer is not written as digits.
    """
    if _SUSPECT.search(text) is None:
        return json.loads(text)
    json.loads(text)  # what follows reads JSON alone

    def replace_float(_place: object, start: int, end: int, value: Any) -> Any:
        """Return the value of text[start:end], as an integer where it must be one: `1e2` is 100."""
        if value.__class__ is float:
            exact = _integer_value(text[start:end].decode(), most_digits)
            if exact is not None and only_integers(text[: start + 1]):
                return int(exact)
        return value

    return json_value(text.decode("utf-8", "surrogatepass"), on_close=replace_float)


def _integer_value(numeral: str, most_digits: int) -> Decimal | None:
    """Return the value of a numeral if it is an integer of at most `most_digits` digits, else None."""
    try:
        exact = Decimal(numeral)
    except InvalidOperation:  # of its exponent
        return None
    if not exact:  # zero, of any exponent
        return exact
    # The number of digits is checked first: `1e999999999`, written out, would fill the memory.
    if exact.adjusted() >= most_digits:
        return None
    return exact if exact == exact.to_integral_value() else None
