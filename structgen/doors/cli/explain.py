"""`structgen explain`: what a schema or grammar accepts, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import typer

from structgen.base.errors import UnsatisfiableSchema, UnsupportedError
from structgen.doors.cli.flags import OF_LARK, POLICIES
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, echo_json, refuse
from structgen.doors.cli.target_language import TargetLanguage

if TYPE_CHECKING:
    from structgen.grammars.compilation.grammar_explanation import GrammarExplanation
    from structgen.grammars.compilation.schema_explanation import Explanation
    from structgen.machines.core.grammar import Grammar


@takes_options(
    *("schema", "type", "grammar", "regex", "lines", "openai", "prove", "sentences", "seed", "json"),
    more_names=("ebnf", *OF_LARK, *POLICIES),
)
def explain(options: CommandOptions) -> None:
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
        language = TargetLanguage(options)
        language.check()
        line_count = options.get("lines", SHOWN_LINES)
        grammar = language.grammar
        of_outline = "lines" not in options or (grammar is not None and grammar.schema is not None)
        explain_grammar: Any = structgen.explain  # which options go with which grammar it says itself
        explanation = explain_grammar(
            grammar,
            lines=MOST_LINES if of_outline else line_count,  # of a schema so many are printed
            **options.select_given(("openai", "prove", "sentences", "seed")),
        )
    except UnsatisfiableSchema as error:
        refuse(error, "json" in options, 1)
    except UnsupportedError:
        if grammar is not None and grammar.schema is not None and "json" not in options:
            for refusal in cast("Any", grammar.innermost).report.refused:
                echo(f"refused: {refusal.pointer}: {refusal.why or refusal.keyword}", err=True)
        raise
    if "json" in options:
        echo_json(explanation.to_json())
    else:
        echo("\n".join(explanation.told(language.name, line_count)))
    raise typer.Exit(int(explanation.has_faults))
