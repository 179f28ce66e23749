"""`structgen explain`: what a schema, or a grammar, comes to, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.language_options import TextOptions
from structgen.cli.output import console, echo, echo_json
from structgen.cli.schema_options import refuse, takes
from structgen.errors import OptionError, StructgenError, UnsatisfiableSchema, UnsupportedError
from structgen.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from structgen.compilation.explanation import Explanation
    from structgen.compilation.grammar_explanation import GrammarExplanation
    from structgen.core.grammar import Grammar
    from structgen.schema.explaining.outline import Line

_LINES = 400
_LEVELS = 24
"""Levels that are drawn; what lies deeper stands at the last of them, with its depth."""
_LABEL = 44
"""Columns after which the words about a value begin at the latest."""
_WITH_SOURCES = 100
"""Columns of a terminal from which on the schema's places are shown beside the words."""
_MOST_PARTS = 50
"""Findings of one sort that are listed."""
_SMALLEST = 2_000
"""Characters of the smallest document that are printed."""


@takes(TextOptions)
def explain(
    options: TextOptions,
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
) -> None:
    """Say what the documents of a schema are, what in it can never hold, what is not enforced, what it costs;
    of a Lark grammar, EBNF or a regular expression, what lark resolves in silence, what is of no use, what it
    accepts.

    The policies are the widest ones unless an option narrows them.

    Exit status: 0 all of it is of use; 1 it has no document, or a part that can never hold, or a place that
    may dead-end, or such a server refuses it; 2 wrong usage or a language that cannot be compiled.
    """
    import structgen
    from structgen.cli.explain_grammar import show_grammar
    from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
    from structgen.text_grammars.text_grammar import TextGrammar

    grammar: Grammar | None = None
    explanation: Explanation | GrammarExplanation
    try:
        grammar = options.read()
        if not isinstance(grammar, JsonSchemaGrammar):
            assert isinstance(grammar, TextGrammar)
            if lines is not None or openai or prove:
                raise OptionError(
                    "They say nothing about a grammar.",
                    where="--lines, --openai, --prove",
                    cure="Leave them out.",
                )
            explanation = structgen.explain(grammar, sentences=sentences or 0, seed=seed or 0)
        else:
            if sentences is not None or seed is not None:
                raise OptionError(
                    "They say nothing here.", where="--sentences, --seed", cure="Leave them out."
                )
            explanation = structgen.explain(grammar, openai=openai, prove=prove)
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
    elif isinstance(explanation, structgen.GrammarExplanation):
        show_grammar(options.named, explanation)
    else:
        _show(console(highlight=False), str(options.schema), explanation, lines or _LINES)
    raise typer.Exit(int(explanation.has_faults))


def _show(console: Console, name: str, explanation: Explanation, most: int) -> None:
    """Print an explanation: in columns and colours on a terminal, else a line for each place, unwrapped."""
    from rich.text import Text

    report, costs = explanation.report, explanation.costs
    _line(console, Text.assemble((name, "bold"), f": JSON Schema draft {report.draft}"))
    shown = ", ".join(f"{option}={value}" for option, value in _policies(explanation))
    _line(console, Text(f"under {shown}", "dim"))

    _head(console, "A document is")
    _tree(console, explanation.outline.lines[:most])
    left = len(explanation.outline.lines) - most
    if left > 0:
        _line(console, Text(f"and {left:,} more lines (--lines)", "dim"))

    if explanation.impossible:
        _head(console, "What can never hold", "bold red")
        for part in explanation.impossible[:_MOST_PARTS]:
            _line(console, Text.assemble((part.pointer, "cyan"), f"  {part.what}: {part.why}"), 2)
        _more(console, len(explanation.impossible))
    if explanation.may_dead_end:
        _head(console, "Places that may dead-end", "bold red")
        for pointer in explanation.may_dead_end[:_MOST_PARTS]:
            _line(console, Text(pointer, "cyan"), 2)
        _more(console, len(explanation.may_dead_end))
    if explanation.openai:
        _head(console, "What a server for OpenAI's strict structured outputs refuses", "bold red")
        for one in explanation.openai[:_MOST_PARTS]:
            _line(console, Text.assemble((one.pointer, "cyan"), f"  {one.why}"), 2)
        _more(console, len(explanation.openai))
    if not explanation.complete:
        _line(
            console, Text("The schema is larger than what was searched for parts that cannot hold.", "yellow")
        )

    idle: dict[str, list[str]] = {}
    for finding in (*report.annotations, *report.redundant):
        if finding.why:
            idle.setdefault(f"{finding.keyword}: {finding.why}", []).append(finding.pointer)
    if idle or report.notes:
        _head(console, "What says nothing here")
        for told, pointers in list(idle.items())[:_MOST_PARTS]:
            more = f" and {len(pointers) - 3:,} more places" if len(pointers) > 3 else ""
            _line(console, Text.assemble((", ".join(pointers[:3]) + more, "cyan"), f"  {told}"), 2)
        _more(console, len(idle))
        for note in report.notes:
            _line(console, Text(note), 2)
    plain = sorted({one.keyword for one in report.annotations if not one.why})
    if plain:
        _line(console, Text(f"Annotations: {', '.join(plain)}", "dim"))

    smallest = explanation.smallest
    cut = smallest if len(smallest) <= _SMALLEST else smallest[:_SMALLEST] + " …"
    _head(console, f"The smallest one ({len(smallest.encode()):,} bytes)")
    _line(console, Text(cut), 2)
    _head(console, "What it costs")
    spent = (
        f"{costs.subschemas:,} subschemas, {costs.places:,} places; {costs.compile_ms:.1f} ms to compile, "
        f"{costs.table_bytes / 1024:,.0f} KiB of tables to begin with"
    )
    _line(console, Text(spent), 2)


def _policies(explanation: Explanation) -> Iterator[tuple[str, object]]:
    for option, value in explanation.report.to_json()["policies"].items():
        if value is not None and value != [] and value != ():
            yield option, value


def _head(console: Console, text: str, style: str = "bold") -> None:
    from rich.text import Text

    console.print()
    _line(console, Text(text, style))


def _more(console: Console, count: int) -> None:
    from rich.text import Text

    if count > _MOST_PARTS:
        _line(console, Text(f"and {count - _MOST_PARTS:,} more (--json has all)", "dim"), 2)


def _line(console: Console, text: Text, left: int = 0) -> None:
    """Print a line; only a terminal wraps it."""
    from rich.padding import Padding

    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, left)))
    else:
        indented = "\n".join(" " * left + line for line in text.plain.split("\n"))
        console.print(indented, soft_wrap=True, markup=False)


def _tree(console: Console, lines: Sequence[Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    guides = list(_guides(lines))
    widest = max(len(guide) + len(_label(line)) for guide, line in zip(guides, lines, strict=True))
    width = min(widest, _LABEL)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=width)
    table.add_column(overflow="fold")
    sources = console.width >= _WITH_SOURCES
    if sources:
        table.add_column(style="dim", overflow="fold", justify="left", max_width=console.width // 3)
    for guide, line in zip(guides, lines, strict=True):
        label = Text.assemble((guide, "dim"), (_label(line), _style(line)))
        what = Text(_what(line, lines), "dim" if line.need == "never" else "")
        if not line.label and line.parent >= 0:
            what.stylize("italic")
        source = ", ".join(line.sources[:2]) + (", …" if len(line.sources) > 2 else "")
        if not console.is_terminal:
            parts = f"{label.plain:<{width}}  {what}" + (f"  ({source})" if source else "")
            console.print(Text(parts.rstrip()), soft_wrap=True)
        elif sources:
            table.add_row(label, what, source)
        else:
            table.add_row(label, what)
    if console.is_terminal:
        console.print(table)


def _label(line: Line) -> str:
    """Return what stands before the words about a value; "?" marks a key that may be absent."""
    mark = "?" if line.need == "optional" else ""
    return (printable(line.label, lines=False) if line.parent >= 0 else "the document") + mark


def _style(line: Line) -> str:
    return {"required": "bold green", "optional": "green", "never": "dim strike"}.get(line.need, "cyan")


def _what(line: Line, lines: Sequence[Line]) -> str:
    if line.need == "never":
        return "never"
    if line.same_as < 0:
        return line.what
    other = lines[line.same_as]
    name = " of ".join(_path(other, lines)) or "the document"
    return f"{line.what}, as {name}"


def _path(line: Line, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the labels from a line outwards, at most three."""
    told = 0
    while line.parent >= 0 and told < 3:
        if line.label:
            told += 1
            yield printable(line.label, lines=False)
        line = lines[line.parent]


def _guides(lines: Sequence[Line]) -> Iterator[str]:
    """Yield what is drawn before each line: the branches of the tree, of at most _LEVELS levels."""
    last: dict[int, int] = {}
    for index, line in enumerate(lines):
        last[line.parent] = index
    going: list[bool] = []
    for index, line in enumerate(lines):
        if line.parent < 0:
            yield ""
            continue
        ends = last[line.parent] == index
        del going[line.depth - 1 :]
        above = going[:_LEVELS]
        deep = f"(level {line.depth}) " if line.depth > _LEVELS else ""
        yield "".join("│  " if more else "   " for more in above) + ("└─ " if ends else "├─ ") + deep
        going.append(not ends)
