"""Any arguments one by one, in a style that says how each stands: where a schema says nothing of them.

What comes in: a style of arguments, policies, texts that no string holds. What goes out: a grammar of texts.
Its rules are written in Lark, since objects and arrays in the style may hold one another without end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from structgen.base.language.ir import Not
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.grammars.lark_grammars.lark_grammar import lark
from structgen.grammars.text_grammars.composition.argument_grammar import blank_of
from structgen.grammars.text_grammars.composition.argument_styles import JSON_TYPES, ArgumentStyle
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.composition.quoted_values import quoted_values, writes_as_json
from structgen.grammars.text_grammars.composition.templates import TEXT, template_pieces
from structgen.grammars.text_grammars.context_free.rules import group_by_first
from structgen.grammars.text_grammars.regular import RegularGrammar, literal, regex
from structgen.grammars.text_grammars.regular_formulas import containing_words, show_words
from structgen.grammars.text_grammars.text_grammar import TextGrammar, as_text
from structgen.machines.core.grammar import Grammar

_KEY: Final = "[A-Za-z_][A-Za-z0-9_]*"
"""The names of arguments that no schema names, as XGrammar writes them."""
_NESTED: Final = ("object", "array")


def any_arguments(
    schema: Mapping[str, Any],
    policies: Mapping[str, Any],
    style: ArgumentStyle,
    excludes: Sequence[str],
) -> TextGrammar:
    """Return the grammar of arguments of any names, each with any value; a name may come again. `schema`: the
    one that says nothing of them; `policies`: options of `sg.json_schema` for the values that are JSON. No
    string and no name holds one of `excludes`. In the style `<parameter=$key>$value</parameter>` one of its
    texts is `<parameter=a>1</parameter><parameter=b>x</parameter>`.

    A style that tells no types writes every value as a string. Errors: those of `sg.json_schema`. Cost: that
    of reading a small Lark grammar.
    """
    if writes_as_json(style):
        return quoted_values(schema, policies, style, excludes)
    blank = blank_of(json_schema({}, **policies).policies.whitespace)
    # A string ends where the text after it begins, so it contains none of the texts that may stand there.
    text_behind_value = style.member.partition("$value")[2].partition("$")[0]
    stops = (*style.stops, text_behind_value, *excludes)
    bound: dict[str, Grammar] = {
        "KEY": without(regex(_KEY), excludes),
        "BLANK": blank or literal(""),
        "STRING_VALUE": RegularGrammar(Not(containing_words(stops)), f"a string without {show_words(stops)}"),
    }
    symbol_of = {"string": "STRING_VALUE"}
    """Types of JSON -> the symbol of their values: a terminal, or a rule of the same name."""
    if style.nested:
        symbol_of |= {kind: kind for kind in _NESTED}

    def value_symbol(kind: str) -> str:
        """Return the symbol of the values of a type; others than strings are JSON where nothing nests."""
        if kind not in symbol_of:
            terminal = f"{kind.upper()}_VALUE"  # lark calls the text "null" NULL
            symbol_of[kind] = terminal
            values = json_schema({"type": kind}, **policies)
            bound[terminal] = without(values, (*style.stops, *excludes))
        return symbol_of[kind]

    # The words of a style for types: several types may have one word, then the value says which it is.
    kinds_of_word = {"": ["string"]}
    if style.types:
        kinds_of_word = group_by_first((style.types[kind], kind) for kind in JSON_TYPES)
    kinds_of_word |= group_by_first((word, kind) for kind, word in style.open_types.items())

    def alternative(template: str, word: str, kinds: Sequence[str]) -> str:
        """Return a template as symbols of Lark, with the word of some types."""
        symbols = {
            "key": "KEY",
            "gap": "BLANK",
            "type": json.dumps(word),
            "value": f"({' | '.join(map(value_symbol, kinds))})",
        }
        return " ".join(
            json.dumps(text, ensure_ascii=False) if piece == TEXT else symbols[piece]
            for piece, text in template_pieces(template)
        )

    rules = ["start: object", "object: BLANK (member BLANK)*", "array: BLANK (item BLANK)*"]
    for rule, template in (("member", style.member), ("item", style.item or "$value")):
        alternatives = [alternative(template, word, kinds) for word, kinds in kinds_of_word.items()]
        rules.append(f"{rule}: {' | '.join(alternatives)}")
    text = "\n".join([*rules, f"%declare {' '.join(bound)}"])
    return as_text(lark(text, lexer="characters", bind=bound, text_only=True, limits=policies.get("limits")))
