"""A JSON Schema explained: what its documents are, what in it can never hold, what it costs; and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from structgen.compilation.explanation_text import Shown, plain_text, rows_of, section, shortened
from structgen.printable import printable
from structgen.schema.explaining.impossible import Impossible
from structgen.schema.explaining.keyword_report import KeywordReport
from structgen.schema.explaining.outline import Line, Outline
from structgen.schema.reading.openai import OpenAIRefusal

SHOWN_LINES = 400
"""Lines of the outline that are printed."""
_LEVELS = 24
"""Levels that are drawn; what lies deeper stands at the last of them, with its depth."""
_LABEL = 44
"""Columns after which the words about a value begin at the latest."""
_NEED_STYLES = {"required": "bold green", "optional": "green", "never": "dim strike", "": "cyan"}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a grammar took to compile, and its bytes once its shortest document is known (`compiled.sizes`
    has the numbers of states)."""

    subschemas: int
    """Subschemas with keywords that the root reaches, each counted once."""
    compile_ms: float
    table_bytes: int


@dataclass(frozen=True, slots=True)
class Explanation(Shown):
    """A schema explained; made by `explain`."""

    report: KeywordReport
    """Keyword by keyword: enforced, annotation; with the draft, the policies and notes."""
    outline: Outline
    """What the documents are, place by place."""
    impossible: tuple[Impossible, ...]
    """Branches, properties, items and constants that no document makes use of."""
    complete: bool
    """Whether all of the schema was searched for such parts, and told in the outline."""
    smallest: str
    """The shortest document within the policies."""
    costs: Costs
    openai: tuple[OpenAIRefusal, ...] = ()
    """What a server for OpenAI's strict structured outputs refuses, if that was asked."""

    def __str__(self) -> str:
        """Return what `structgen explain` prints of it."""
        return plain_text(told_of_schema(self))

    @property
    def may_dead_end(self) -> tuple[str, ...]:
        """Places that the liveness oracle could not decide (`Limits(liveness="flag")`)."""
        return self.report.may_dead_end

    @property
    def has_faults(self) -> bool:
        """Whether something in the schema can never hold, a place may dead-end, or a server refuses it."""
        return bool(self.impossible or self.may_dead_end or self.openai)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON-ready dict; lines refer to each other by their index, without depth."""
        return {
            "documents": [asdict(line) for line in self.outline.lines],
            "lines_cut": self.outline.cut,
            "impossible": [asdict(one) for one in self.impossible],
            "complete": self.complete,
            "smallest": self.smallest,
            "report": self.report.to_json(),
            "costs": asdict(self.costs),
            "openai": [asdict(one) for one in self.openai],
        }


def told_of_schema(
    explained: Explanation, name: str = "", most: int = SHOWN_LINES
) -> Iterator[RenderableType]:
    """Yield what is said of a schema, at most `most` lines of its outline. `name`: of its file, if any."""
    report, costs, smallest = explained.report, explained.costs, explained.smallest
    yield Text.assemble((name, "bold"), ": " * bool(name), f"JSON Schema draft {report.draft}")
    policies = report.to_json()["policies"]
    # a caller's formats by name: their patterns fill a screen
    policies["custom_formats"] = "|".join(dict(policies["custom_formats"]))
    shown = ", ".join(
        f"{option}={value}" for option, value in policies.items() if value not in (None, "", ())
    )
    yield Text(f"under {shown}", "dim")

    lines = explained.outline.lines
    if lines:
        yield Text("\nA document is", "bold")
        yield _tree(lines[:most])
    if len(lines) > most:
        yield Text(f"and {len(lines) - most:,} more lines (--lines)", "dim")

    never = [_at(part.pointer, f"{part.what}: {part.why}") for part in explained.impossible]
    yield from section("What can never hold", never, "bold red")
    flagged = [_at(pointer) for pointer in explained.may_dead_end]
    yield from section("Places that may dead-end", flagged, "bold red")
    refused = [_at(one.pointer, one.why) for one in explained.openai]
    yield from section("What a server for OpenAI's strict structured outputs refuses", refused, "bold red")
    if not explained.complete:
        yield Text("The schema is larger than what was searched for parts that cannot hold.", "yellow")

    idle: dict[str, list[str]] = {}
    for finding in (*report.annotations, *report.redundant):
        if finding.why:
            idle.setdefault(f"{finding.keyword}: {finding.why}", []).append(finding.pointer)
    rows = []
    for words, pointers in idle.items():
        more = f" and {len(pointers) - 3:,} more places" if len(pointers) > 3 else ""
        rows.append(_at(", ".join(pointers[:3]) + more, words))
    yield from section("What says nothing here", [*rows_of(report.notes), *rows])
    plain = sorted({one.keyword for one in report.annotations if not one.why})
    if plain:
        yield Text(f"Annotations: {', '.join(plain)}", "dim")

    size = f"{len(smallest.encode()):,} bytes"
    written = rows_of([shortened(smallest)])
    yield from section(f"The smallest one ({size})", written, most=len(written))
    several = "s" * (costs.subschemas != 1)
    took = (
        f"{costs.subschemas:,} subschema{several}, {costs.compile_ms:.1f} ms to compile, "
        f"{costs.table_bytes / 1024:,.0f} KiB of tables for its first masks"
    )
    yield from section("What it costs", rows_of([took]))


def _at(pointer: str, words: str = "") -> Text:
    return Text.assemble((pointer, "cyan"), f"  {words}")


def _tree(lines: Sequence[Line]) -> Tree:
    """Return the lines of an outline as a tree, of at most _LEVELS levels."""
    depths = [min(one.depth, _LEVELS) for one in lines]
    labels = [
        f"(level {one.depth}) " * (one.depth > _LEVELS) + _label(one) + "?" * (one.need == "optional")
        for one in lines
    ]
    # rich draws four columns before a line for each level
    rooms = [4 * depth + len(label) for depth, label in zip(depths, labels, strict=True)]
    width = min(max(rooms, default=0), _LABEL)
    above: list[Tree] = []
    for one, depth, label, room in zip(lines, depths, labels, rooms, strict=True):
        style = "dim" if one.need == "never" else "italic" if not one.label and one.parent >= 0 else ""
        what = "never" if one.need == "never" else one.what
        if one.same_as >= 0:
            what += f", as {' of '.join(_path(lines[one.same_as], lines)) or 'the document'}"
        more = ", …" if len(one.sources) > 2 else ""
        source = f"  ({', '.join(one.sources[:2])}{more})" if one.sources else ""
        gap = " " * (width - room) + "  "
        text = Text.assemble((label, _NEED_STYLES[one.need]), gap, (what, style), (source, "dim"))
        above[depth:] = [above[depth - 1].add(text) if depth else Tree(text, guide_style="dim")]
    return above[0]


def _label(one: Line) -> str:
    return printable(one.label, lines=False) if one.parent >= 0 else "the document"


def _path(one: Line, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the labels from a line outwards, at most three."""
    told = 0
    while one.parent >= 0 and told < 3:
        if one.label:
            told += 1
            yield _label(one)
        one = lines[one.parent]
