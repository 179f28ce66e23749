"""`structgen explain`: what a schema or grammar accepts, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import typer

from structgen.base.errors import UnsatisfiableSchema, UnsupportedError
from structgen.doors.cli.flags import OF_LARK, POLICIES
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo, echo_json, refuse
from structgen.doors.cli.wanted_language import WantedLanguage

if TYPE_CHECKING:
    from structgen.grammars.compilation.grammar_explanation import GrammarExplanation
    from structgen.grammars.compilation.schema_explanation import Explanation
    from structgen.machines.core.grammar import Grammar


@reads(
    *("schema", "type", "grammar", "regex", "lines", "openai", "prove", "sentences", "seed", "json"),
    more=("ebnf", *OF_LARK, *POLICIES),
)
def explain(given: Given) -> None:
    """Explain what a schema, a Python type or a grammar accepts.

    Of a JSON Schema: its documents as a tree, the parts that can never hold, the keywords that restrict
    nothing, the smallest document, the cost.

    Of a Lark grammar, EBNF or a regular expression: the conflicts that lark resolves silently, the rules and
    terminals that are never used, a shortest text.

    A schema is read under the widest policies unless an option narrows them.

    Exit status: 0 no fault was found; 1 there is a fault (no document, a part that can never hold, a possible
    dead end, a refusal with --openai); 2 wrong usage, or the schema or grammar is not usable.
    """
    import structgen
    from structgen.grammars.compilation.explanation_text import SHOWN_LINES
    from structgen.schema.explaining.outline import MOST_LINES

    grammar: Grammar | None = None
    explanation: Explanation | GrammarExplanation
    try:
        wanted = WantedLanguage(given)
        wanted.check()
        shown = given.get("lines", SHOWN_LINES)
        grammar = wanted.grammar
        of_outline = "lines" not in given or (grammar is not None and grammar.schema is not None)
        explained: Any = structgen.explain  # which options go with which grammar it says itself
        explanation = explained(
            grammar,
            lines=MOST_LINES if of_outline else shown,  # of a schema so many are printed
            **given.some(("openai", "prove", "sentences", "seed")),
        )
    except UnsatisfiableSchema as error:
        refuse(error, "json" in given, 1)
    except UnsupportedError:
        if grammar is not None and grammar.schema is not None and "json" not in given:
            for refusal in cast("Any", grammar.innermost).report.refused:
                echo(f"refused: {refusal.pointer}: {refusal.why or refusal.keyword}", err=True)
        raise
    if "json" in given:
        echo_json(explanation.to_json())
    else:
        echo("\n".join(explanation.told(wanted.name, shown)))
    raise typer.Exit(int(explanation.has_faults))
