"""A JSON Schema explained: what its documents are, what in it can never hold, what it costs; and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from structgen.base.printable import printable
from structgen.grammars.compilation.explanation_text import (
    SHOWN_LINES,
    Shown,
    section_lines,
    shortest_section,
)
from structgen.schema.explaining.impossible import Impossible
from structgen.schema.explaining.keyword_report import KeywordReport
from structgen.schema.explaining.outline import Line, Outline
from structgen.schema.reading.openai import OpenAIRefusal

_LEVELS = 24
"""Levels that are drawn; what lies deeper stands at the last of them, with its depth and without pointers."""
_LABEL = 44
"""Columns after which the words about a value begin at the latest."""


@dataclass(frozen=True, slots=True)
class Costs:
    """How large a grammar is, once its shortest document is known (`compiled.sizes` has the numbers of
    states)."""

    subschemas: int
    """Subschemas with keywords that the root reaches, each counted once."""
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
        whole = asdict(self)
        outline = whole.pop("outline")
        documents = {"documents": outline["lines"], "lines_cut": outline["cut"]}
        return {**documents, **whole, "report": self.report.to_json()}

    def told(self, name: str = "", most: int = SHOWN_LINES) -> Iterator[str]:
        """Yield what `structgen explain` prints of it, at most `most` lines of its outline."""
        report, costs, lines = self.report, self.costs, self.outline.lines
        yield f"{name}{': ' * bool(name)}JSON Schema draft {report.draft}"
        yield f"under {report.options}"
        yield "\nA document is"
        yield from _tree_lines(lines[:most])
        if len(lines) > most:
            yield f"and {len(lines) - most:,} more lines (--lines)"
        never = (f"{part.pointer}  {part.what}: {part.why}" for part in self.impossible)
        yield from section_lines("What can never hold", never)
        yield from section_lines("Places that may dead-end", self.may_dead_end)
        refusal_lines = (f"{refusal.pointer}  {refusal.why}" for refusal in self.openai)
        yield from section_lines(
            "What a server for OpenAI's strict structured outputs refuses", refusal_lines
        )
        if not self.complete:
            yield "The schema is larger than what was searched for parts that cannot hold."
        idle: dict[str, list[str]] = {}
        for finding in (*report.annotations, *report.redundant):
            if finding.why:
                idle.setdefault(f"{finding.keyword}: {finding.why}", []).append(finding.pointer)
        rows = []
        for words, pointers in idle.items():
            more_places = f" and {len(pointers) - 3:,} more places" if len(pointers) > 3 else ""
            rows.append(f"{', '.join(pointers[:3])}{more_places}  {words}")
        yield from section_lines("What says nothing here", [*report.notes, *rows])
        plain = sorted({finding.keyword for finding in report.annotations if not finding.why})
        if plain:
            yield f"Annotations: {', '.join(plain)}"

        yield from shortest_section("The smallest one", self.smallest, self.smallest)
        many = f"{costs.subschemas:,} subschema{'s' * (costs.subschemas != 1)}"
        tables = f"{costs.table_bytes / 1024:,.0f} KiB of tables for its first masks"
        yield from section_lines("What it costs", [f"{many}, {tables}"])


def _tree_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of an outline as a tree, of at most _LEVELS levels."""
    guides = _draw_guides([min(line.depth, _LEVELS) for line in lines])
    labels = [
        guide
        + f"(level {line.depth}) " * (line.depth > _LEVELS)
        + _line_label(line)
        + "?" * (line.need == "optional")
        for line, guide in zip(lines, guides, strict=True)
    ]
    width = min(max(map(len, labels)), _LABEL)
    for line, label in zip(lines, labels, strict=True):
        description = "never" if line.need == "never" else line.what
        if line.same_as >= 0:
            description += (
                f", as {' of '.join(_path_labels(lines[line.same_as], lines)[:3]) or 'the document'}"
            )
        ellipsis = ", …" if len(line.sources) > 2 else ""
        source = (
            f"  ({', '.join(line.sources[:2])}{ellipsis})" if line.sources and line.depth <= _LEVELS else ""
        )
        yield f"{label:<{width}}  {description}{source}".rstrip()


def _draw_guides(depths: Sequence[int]) -> list[str]:
    """Return what is drawn before the lines of a tree, four columns for each level."""
    later: set[int] = set()
    guides = []
    for depth in reversed(depths):
        marks = ["│   " if level in later else "    " for level in range(1, depth)]
        guides.append("".join([*marks, *["├── " if depth in later else "└── "] * (depth > 0)]))
        later = {level for level in later if level < depth} | {depth}
    return guides[::-1]


def _line_label(line: Line) -> str:
    return printable(line.label, lines=False) if line.parent >= 0 else "the document"


def _path_labels(line: Line, lines: Sequence[Line]) -> list[str]:
    """Return the labels from a line outwards."""
    labels = []
    while line.parent >= 0:
        labels += [_line_label(line)] * bool(line.label)
        line = lines[line.parent]
    return labels
