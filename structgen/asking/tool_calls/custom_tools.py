"""Reads OpenAI's custom tools, whose input is any text, or a text of a grammar in Lark, EBNF or a pattern.

A *custom tool* takes a text where other tools take JSON arguments. Its *format* tells which texts it takes. A
*syntax* is the language in which a grammar is written: "lark", "ebnf", "gbnf" or "regex". The *members* of a
tool are the entries of its dict: name, description, format.

No format of a model has a place for such an input. So a custom tool is shown to the model as a function with
one string argument, `input`. Its input is read from this argument of the call. For example `{"type":
"custom", "name": "run"}` becomes a function `run` whose call has the arguments `{"input": "ls -l"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from structgen.asking.python_types.pattern_dialects import ecma_pattern
from structgen.asking.tool_calls.tool_shapes import TOOL_SHAPES
from structgen.base.errors import GrammarError, GrammarWarning, OptionError
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.schema_grammar import warn_or_remark
from structgen.grammars.lark_grammars.lark_grammar import lark
from structgen.grammars.lark_grammars.llguidance_text import is_llguidance, llguidance_grammar
from structgen.grammars.text_grammars.ebnf_grammar import ebnf
from structgen.grammars.text_grammars.regular import regex
from structgen.machines.core.grammar import Grammar

INPUT: Final = "input"
"""The one argument of the function that stands for a custom tool."""
_EBNF_RULE: Final = re.compile(r"^\ufeff?[^\S\n]*[\w.<>\-]+\s*::=", re.MULTILINE)
"""The beginning of a rule of EBNF, `name ::=`. No line of Lark begins so; comments begin with their sign."""
_LARK_RULE: Final = re.compile(
    r"^\ufeff?[^\S\n]*(?:[?!]{0,2}_?[^\W\d]\w*(?:\{[^}\n]*\})?(?:\.-?\d+)?\s*:(?!:?=)|%(?:import|ignore|declare|override|extend)\b)",
    re.MULTILINE,
)
"""The beginning of a rule, a terminal or a directive of Lark: `name:`, `NAME.2:`, `%import`."""


def syntax_of(text: str) -> str:
    """Return the syntax of a grammar by the beginnings of its lines: "ebnf" or "lark"; "" for neither."""
    return "ebnf" if _EBNF_RULE.search(text) else "lark" if _LARK_RULE.search(text) else ""


def grammar_of_text(
    text: str,
    limits: Limits | None = None,
    *,
    syntax: str = "",
    where: str = "",
    specials: Mapping[str, int] | None = None,
) -> Grammar:
    """Return the grammar that a text describes.

    `syntax` is "lark", "ebnf", "gbnf" or "regex"; with "" the beginnings of the lines decide between EBNF and
    Lark. A "regex" may only have what Rust's dialect and ECMA-262 read alike. `where` is the place of the
    text, for errors. `specials` has the ids of special tokens by their texts, for a grammar that names them.
    A text that lark refuses is read as llguidance reads it, with a `GrammarWarning`.

    Raises OptionError where `syntax` is "" and the lines begin like neither, and the errors of the readers of
    grammars.
    """
    # llguidance's dialect of Lark has directives of its own.
    if syntax in ("", "lark") and is_llguidance(text):
        return llguidance_grammar(text, limits, specials or {})
    kind = "ebnf" if syntax == "gbnf" else syntax or syntax_of(text)
    if not kind:
        raise OptionError(
            "The grammar has no rule: a line begins a rule with `name ::=` in EBNF (GBNF, "
            "XGrammar's), and with `name:` in Lark.",
            where=where,
            cure='Write root ::= "a" in EBNF, start: "a" in Lark; pass a JSON Schema as response_format.',
        )
    if kind == "regex":
        return regex(ecma_pattern(text, rust=True, where=where), dialect="ecma", limits=limits)
    if kind == "ebnf":
        return ebnf(text, limits=limits, specials=specials)
    return _read_lark(text, limits, where, specials)


def _read_lark(text: str, limits: Limits | None, where: str, specials: Mapping[str, int] | None) -> Grammar:
    """Return the grammar of a text in Lark: as lark reads it, or as llguidance does where lark refuses it. A
    `GrammarWarning` tells so. The parameters are those of `grammar_of_text`. Raises GrammarError with the
    reasons of both where neither reads it."""
    try:
        return lark(text, text_only=True, limits=limits)
    except GrammarError as error:
        refusal = error
    try:
        grammar = llguidance_grammar(text, limits, specials or {})
    except GrammarError as error:
        # llguidance's dialect is read with lark's loader, whose refusal then is the only one
        if str(error) == str(refusal):
            raise refusal from None
        fault = (
            f"Neither lark nor llguidance reads the grammar: {_first_line(refusal)} And: {_first_line(error)}"
        )
        raise GrammarError(fault, where=where, cure=refusal.cure) from None
    # a client cannot know which of the two readings its grammar has
    remark = f"Lark rejects the grammar, so it is read as llguidance reads it. {_first_line(refusal)}"
    warn_or_remark(GrammarWarning(f"{where}: {remark}" if where else remark))
    return grammar


def _first_line(error: GrammarError) -> str:
    """Return the place and the fault of an error, without its cure and without further lines."""
    # the message ends with the cure; lark's own messages have several lines
    return str(error).removesuffix(error.cure).split("\n")[0].strip()


def grammar_of_format(
    target: Mapping[str, Any],
    limits: Limits | None,
    where: str,
    specials: Mapping[str, int] | None = None,
) -> Grammar:
    """Return the grammar of a format `{"type": "grammar", "syntax": "lark", "definition": "..."}`.

    `target` is the format in one of three shapes. Responses have it as above. Chat completions have `syntax`
    and `definition` in an inner object `grammar`. Graders have the text itself as `grammar`, and perhaps
    `syntax` beside it. `where` is the place of the format, for errors; `specials` as in `grammar_of_text`.
    """
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
    """Return the members of a custom tool, and two more for its `Tool`: `schema` and `input`.

    `schema` is the schema of the arguments, and `input` the grammar of the text (None: any text). The shape
    of `tool` must have been checked. `location` is its place, for errors. Raises the errors of the grammar.
    """
    # Chat completions have the members one dict deeper.
    if tool.get("custom") is not None:
        location = f"{location}/custom"
        tool = tool["custom"]
    input_format = tool.get("format") or {}
    grammar = None
    argument = {"type": "string"}
    # The description of the argument has the grammar, as no prompt has a place of its own for it.
    if input_format.get("type") == "grammar":
        grammar = grammar_of_format(input_format, limits, f"{location}/format")
        grammar_members = input_format.get("grammar") or input_format
        argument["description"] = (
            f"A text of this grammar ({grammar_members['syntax']}):\n{grammar_members['definition']}"
        )
    schema = {"type": "object", "properties": {INPUT: argument}, "required": [INPUT]}
    return {**tool, "schema": schema, "input": grammar}
