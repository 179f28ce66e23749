"""OpenAI's custom tools, whose input is a text: any text, or one of a grammar in Lark, EBNF or a pattern.

No model's format has a place for such an input. A custom tool is told to the model as a function of one
string, `input`, and a call of it is read back from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from structgen.asking.tool_calls.tool_shapes import TOOL_SHAPES
from structgen.automata.regex.pattern_dialects import ecma_pattern
from structgen.base.errors import OptionError
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.lark_grammar import lark
from structgen.grammars.lark_grammars.llguidance_text import is_llguidance, llguidance_grammar
from structgen.grammars.text_grammars.ebnf_grammar import ebnf
from structgen.grammars.text_grammars.regular import regex
from structgen.machines.core.grammar import Grammar

INPUT: Final = "input"
"""The one argument of the function that stands for a custom tool."""
_EBNF_RULE: Final = re.compile(r"^\ufeff?[^\S\n]*[\w.<>\-]+\s*::=", re.MULTILINE)
"""What begins a rule of EBNF. No line of Lark begins so: its comments have their sign first."""
_LARK_RULE: Final = re.compile(
    r"^\ufeff?[^\S\n]*(?:[?!]{0,2}_?[^\W\d]\w*(?:\{[^}\n]*\})?(?:\.-?\d+)?\s*:(?!:?=)|%(?:import|ignore|declare|override|extend)\b)",
    re.MULTILINE,
)
"""What begins a rule, a terminal or a directive of Lark."""


def syntax_of(text: str) -> str:
    """Return in which syntax a grammar is written, as its lines begin: "ebnf" or "lark"; "" for neither."""
    return "ebnf" if _EBNF_RULE.search(text) else "lark" if _LARK_RULE.search(text) else ""


def grammar_of_text(
    text: str,
    limits: Limits | None = None,
    *,
    syntax: str = "",
    where: str = "",
    specials: Mapping[str, int] | None = None,
) -> Grammar:
    """Return the grammar of a text in a syntax: "lark", "ebnf", "gbnf", or "regex". Of the last only what
    Rust's dialect and ECMA-262 read alike is read. "": EBNF or Lark, as its lines begin. `specials`: the ids
    of special tokens by their texts, for a text that names tokens.

    Errors: OptionError for a text without a syntax whose lines begin like neither; those of the grammars.
    """
    # llguidance's dialect of Lark has directives of its own
    if syntax in ("", "lark") and is_llguidance(text):
        return llguidance_grammar(text, limits, specials or {})
    kind = "ebnf" if syntax == "gbnf" else syntax or syntax_of(text)
    if not kind:
        raise OptionError(
            "No line begins a rule: in EBNF (GBNF, XGrammar's) with `name ::=`, or in Lark with `name:`.",
            where=where,
            cure='Write root ::= "a" in EBNF, start: "a" in Lark; a JSON Schema goes into response_format.',
        )
    if kind == "regex":
        return regex(ecma_pattern(text, rust=True, where=where), dialect="ecma", limits=limits)
    if kind == "ebnf":
        return ebnf(text, limits=limits, specials=specials)
    return lark(text, text_only=True, limits=limits)


def grammar_of_format(
    target: Mapping[str, Any],
    limits: Limits | None,
    where: str,
    specials: Mapping[str, int] | None = None,
) -> Grammar:
    """Read {"type": "grammar", "syntax": "lark" | "regex" | ..., "definition": "..."} (custom tools of
    responses). Chat completions have an inner object `grammar`; graders have a text there, whose syntax may
    stand beside it."""
    inner = target.get("grammar")
    syntax = target.get("syntax") or ""
    if isinstance(inner, str):
        return grammar_of_text(inner, limits, syntax=syntax, where=f"{where}/grammar", specials=specials)
    if inner is not None:
        target = inner
        where = f"{where}/grammar"
        syntax = inner["syntax"]
    definition_location = f"{where}/definition"
    text: Any = target.get("definition")
    TOOL_SHAPES.check(text, "text", definition_location)
    return grammar_of_text(text, limits, syntax=syntax, where=definition_location, specials=specials)


def custom_members(tool: Mapping[str, Any], location: str, limits: Limits | None) -> dict[str, Any]:
    """Return the members of a custom tool, whose shape was checked, with the `schema` and the `input` of the
    `Tool` that it is told as. Errors: those of the grammar, with the place."""
    # chat completions have the members one dict deeper
    if tool.get("custom") is not None:
        location = f"{location}/custom"
        tool = tool["custom"]
    input_format = tool.get("format") or {}
    grammar = None
    argument = {"type": "string"}
    # the model is told the grammar in words, as no prompt has a place for it
    if input_format.get("type") == "grammar":
        grammar = grammar_of_format(input_format, limits, f"{location}/format")
        grammar_members = input_format.get("grammar") or input_format
        argument["description"] = (
            f"A text of this grammar ({grammar_members['syntax']}):\n{grammar_members['definition']}"
        )
    schema = {"type": "object", "properties": {INPUT: argument}, "required": [INPUT]}
    return {**tool, "schema": schema, "input": grammar}
