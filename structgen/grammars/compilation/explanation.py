"""`explain`: the explanation of a schema or a grammar, for people."""

from __future__ import annotations

from typing import Any, overload

from structgen.base.errors import OptionError, options_named
from structgen.grammars.compilation.compiler import compile
from structgen.grammars.compilation.grammar_explanation import GrammarExplanation, explain_grammar
from structgen.grammars.compilation.implied_constraints import prove_redundant
from structgen.grammars.compilation.schema_explanation import Costs, Explanation
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.machines.core.grammar import Grammar
from structgen.schema.explaining.impossible import find_impossible
from structgen.schema.explaining.outline import MOST_LINES, make_outline
from structgen.schema.reading.openai import find_refusals
from structgen.schema.recogniser.schema_network import SchemaNetwork
from structgen.tokens.tokenizer import byte_tokenizer

# The overloads tell type checkers which options go with which kind of grammar.


@overload
def explain(
    grammar: JsonSchemaGrammar, *, lines: int = MOST_LINES, openai: bool = False, prove: bool = False
) -> Explanation: ...


@overload
def explain(grammar: TextGrammar, *, sentences: int = 0, seed: int = 0) -> GrammarExplanation: ...


@overload
def explain(grammar: Grammar) -> Explanation | GrammarExplanation: ...


@options_named(
    "sg.explain(grammar)",
    {"tokenizer": "Read missing_bytes and completion(start) of sg.compile(grammar, tokenizer)"},
)
def explain(
    grammar: Grammar,
    *,
    lines: int = MOST_LINES,
    openai: bool = False,
    prove: bool = False,
    sentences: int = 0,
    seed: int = 0,
) -> Explanation | GrammarExplanation:
    """Return the explanation of a JSON Schema, with at most `lines` lines of outline (`openai`: also what a
    server for OpenAI's strict structured outputs refuses; `prove`: the report also calls those constraints
    redundant that only the rest of the schema makes so), or of a grammar of texts (`sg.lark`, `sg.ebnf`,
    `sg.regex`, and what is made of them), with `sentences` random texts that it accepts; the same `seed`
    gives the same ones. `print(sg.explain(sg.regex("[0-9]+"), sentences=3))` shows three numbers, for
    example.

    A schema is compiled (against single bytes) and expanded as a whole: milliseconds for most schemas, and
    for a schema of thousands of alternatives as long as they take to be told apart. `prove` asks the liveness
    oracle about each keyword: some milliseconds, seconds where it is hard. Errors: those of
    `sg.compile`; `OptionError` for a grammar of another kind, or what says nothing of this one.
    """
    # A grammar around another one, as one without banned texts, is explained as the one inside.
    inner: Any = grammar.innermost if isinstance(grammar, Grammar) else None
    if isinstance(inner, TextGrammar):
        if lines != MOST_LINES or openai or prove:
            raise OptionError(
                "A grammar of texts has no outline and no keywords.",
                where="lines",
                cure="Remove lines, openai, prove.",
            )
        return explain_grammar(inner, sentences, seed)
    if inner is None or inner.schema is None:
        raise OptionError(
            f"A {type(grammar).__name__} cannot be explained.",
            where="grammar",
            cure="Make one with sg.json_schema(...), sg.lark(...), sg.ebnf(...) or sg.regex(...).",
        )
    if sentences or seed:
        raise OptionError("Random texts need a grammar of texts.", where="sentences", cure="Remove it.")
    compiled_grammar = compile(inner, byte_tokenizer(), store=False, first_mask=False)
    network = compiled_grammar.network
    assert isinstance(network, SchemaNetwork)
    # The network is the grammar's own, and grows as it is asked: so under its lock.
    with compiled_grammar.lock:
        smallest = compiled_grammar.completion(compiled_grammar.start).decode()
        # Asked before the outline is made: that makes the tables larger.
        table_bytes = compiled_grammar.sizes["table_bytes"]
        outline = make_outline(network, lines)
        impossible, is_whole = find_impossible(network, outline.demands)
    report = prove_redundant(inner, inner.report) if prove else inner.report
    subschemas = {finding.pointer for finding in report.findings}
    return Explanation(
        report,
        outline,
        tuple(impossible),
        is_whole and not outline.cut,
        smallest,
        Costs(len(subschemas), table_bytes),
        tuple(find_refusals(inner.schema)) if openai else (),
    )
