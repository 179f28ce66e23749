"""`sg.in_json_string`: the texts of a grammar, written as JSON strings (RFC 8259, section 7).

The *value* of a JSON string is its text after escapes are decoded: the value of `"\\u0061"` is `a`. The
grammar inside says which values are allowed.
"""

from __future__ import annotations

from typing import Final, Literal

from structgen.base.errors import options_named
from structgen.base.language import checks
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema
from structgen.grammars.text_grammars.text_grammar import Operand, TextGrammar, as_text

_POLICIES: Final = {"any": "any", "canonical": "utf8"}
"""For each value of the option `escapes` here, the value of that option in `sg.json_schema`."""


@options_named("sg.in_json_string(grammar)")
def in_json_string(of: Operand, *, escapes: Literal["any", "canonical"] = "any") -> TextGrammar:
    """Return the grammar of JSON strings, quotes included, whose value is a text of a grammar: the strings of
    a schema with `x-grammar`.

    `escapes`: "any", every way in which JSON may write a character, surrogate pairs included; "canonical",
    those that json.dumps(ensure_ascii=False) writes. Raises `OptionError`. A special token cannot stand in a
    string.
    """
    checks.ChoiceCheck(("any", "canonical"))("escapes", escapes)
    part = as_text(of)
    # the machine of JSON strings has the escapes already: a schema of one string is the whole grammar
    schema = {"type": "string", "x-grammar": part.keyword}
    grammar = unwarned_schema(schema, whitespace="compact", escapes=_POLICIES[escapes], limits=part.limits)
    return as_text(grammar)
