"""`structgen explain`: what a schema or grammar accepts, in words."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structgen.cli.language_options import TextOptions, TypeName, named
from structgen.cli.output import console, echo, echo_json, refuse
from structgen.cli.schema_options import takes
from structgen.errors import OptionError, StructgenError, UnsatisfiableSchema, UnsupportedError

if TYPE_CHECKING:
    from structgen.compilation.grammar_explanation import GrammarExplanation
    from structgen.compilation.schema_explanation import Explanation
    from structgen.core.grammar import Grammar


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(TextOptions):
    """A schema, a type of Python's, a Lark grammar, EBNF or a regular expression."""

    type_: TypeName = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The options of which one says the language."""
        return (*super().kinds, "--type")

    @property
    def named(self) -> str:
        """The name in what is printed."""
        return super().named if self.type_ is None else self.type_

    def read(self) -> Grammar:
        """Return the language; see `LanguageOptions.read`. A type's schema is read as `sg.run` reads it."""
        if self.type_ is None:
            return super().read()
        for field in fields(self):
            if field.name != "type_" and getattr(self, field.name) not in (field.default, []):
                option = "--" + field.name.replace("_", "-")
                raise OptionError("It does not go with --type.", where=option, cure="Leave it out.")
        from structgen.typed.forms import form_of_type

        grammar = form_of_type(named(self.type_, "--type", "module:Class")).grammar
        if grammar is None:
            raise OptionError("A str is free text.", where="--type", cure="Name a type with a schema.")
        return grammar


@takes(ExplainOptions)
def explain(
    options: ExplainOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    lines: Annotated[
        int | None, typer.Option(min=1, help="Lines that tell what a document is.  [default: 400]")
    ] = None,
    openai: Annotated[
        bool, typer.Option("--openai", help="Also what a server for OpenAI's strict outputs refuses.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Also look for constraints that the rest of the schema makes idle."),
    ] = False,
    sentences: Annotated[
        int | None, typer.Option(min=0, help="Random texts of a grammar.  [default: 0]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same texts.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Also which bytes this tokenizer lacks: a file or folder.")
    ] = None,
) -> None:
    """Explain what a schema, a Python type or a grammar accepts.

    Of a JSON Schema: its documents as a tree, the parts that can never hold, the keywords that restrict
    nothing, the smallest document, the cost.

    Of a Lark grammar, EBNF or a regular expression: the conflicts that lark resolves silently, the rules and
    terminals that are never used, a shortest text, the cost.

    A schema is read under the widest policies unless an option narrows them.

    Exit status: 0 no fault was found; 1 there is a fault (no document, a part that can never hold, a possible
    dead end, a refusal with --openai); 2 wrong usage, or the schema or grammar is not usable.
    """
    import structgen
    from structgen.compilation.explanation_text import plain_text
    from structgen.compilation.grammar_explanation import told_of_grammar
    from structgen.compilation.schema_explanation import SHOWN_LINES, told_of_schema
    from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
    from structgen.schema.explaining.outline import MOST_LINES

    grammar: Grammar | None = None
    explanation: Explanation | GrammarExplanation
    try:
        grammar = options.read()
        vocabulary = None if tokenizer is None else structgen.Tokenizer.from_huggingface(tokenizer)
        is_schema = isinstance(grammar, JsonSchemaGrammar)
        explained: Any = structgen.explain  # which options go with which grammar it says itself
        explanation = explained(
            grammar,
            lines=MOST_LINES if is_schema or lines is None else lines,  # of a schema so many are printed
            openai=openai,
            prove=prove,
            sentences=sentences or 0,
            seed=seed or 0,
            tokenizer=vocabulary,
        )
    except UnsatisfiableSchema as error:
        refuse(error, as_json, 1)
    except UnsupportedError as error:
        if isinstance(grammar, JsonSchemaGrammar) and not as_json:
            for one in grammar.report.refused:
                echo(f"refused: {one.pointer}: {one.why or one.keyword}", err=True)
        refuse(error, as_json)
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    if as_json:
        echo_json(explanation.to_json())
    else:
        told = (
            told_of_grammar(explanation, options.named)
            if isinstance(explanation, structgen.GrammarExplanation)
            else told_of_schema(explanation, options.named, lines or SHOWN_LINES)
        )
        screen = console(highlight=False)
        if screen.is_terminal:
            screen.print(*told, sep="\n")
        else:
            echo(plain_text(told))
    raise typer.Exit(int(explanation.has_faults))
