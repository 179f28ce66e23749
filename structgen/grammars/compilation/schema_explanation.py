"""The explanation of a JSON Schema: its documents, the parts that can never hold, its costs."""

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
"""The most levels that are drawn. Deeper lines are drawn at the last level, with their depth and without
pointers."""
_LABEL = 44
"""The column at which the description of a value begins at the latest."""


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
        """Yield the lines that `structgen explain` prints, at most `most` of the outline."""
        report, costs, lines = self.report, self.costs, self.outline.lines
        prefix = f"{name}: " if name else ""
        yield f"{prefix}JSON Schema draft {report.draft}"
        yield f"under {report.options}"
        yield "\nA document is"
        yield from _tree_lines(lines[:most])
        if len(lines) > most:
            yield f"and {len(lines) - most:,} more lines (--lines)"
        never = (f"{part.pointer}  {part.what}: {part.why}" for part in self.impossible)
        yield from section_lines("What can never hold", never)
        yield from section_lines("Places that may dead-end", self.may_dead_end)
        title = "What a server for OpenAI's strict structured outputs refuses"
        yield from section_lines(title, (f"{refusal.pointer}  {refusal.why}" for refusal in self.openai))
        if not self.complete:
            yield "The schema exceeds the size that is searched for impossible parts."
        yield from section_lines("What says nothing here", [*report.notes, *_idle_lines(report)])
        plain = sorted({finding.keyword for finding in report.annotations if not finding.why})
        if plain:
            yield f"Annotations: {', '.join(plain)}"

        yield from shortest_section("The smallest one", self.smallest, self.smallest)
        plural = "" if costs.subschemas == 1 else "s"
        tables = f"{costs.table_bytes / 1024:,.0f} KiB of tables for its first masks"
        yield from section_lines("What it costs", [f"{costs.subschemas:,} subschema{plural}, {tables}"])


def _idle_lines(report: KeywordReport) -> Iterator[str]:
    """Yield a line for each reason why a keyword says nothing, with the first places that have it."""
    places_by_reason: dict[str, list[str]] = {}
    for finding in (*report.annotations, *report.redundant):
        if finding.why:
            reason = f"{finding.keyword}: {finding.why}"
            places_by_reason.setdefault(reason, []).append(finding.pointer)
    for reason, pointers in places_by_reason.items():
        other_places = f" and {len(pointers) - 3:,} more places" if len(pointers) > 3 else ""
        yield f"{', '.join(pointers[:3])}{other_places}  {reason}"


def _tree_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of an outline as a tree, of at most _LEVELS levels."""
    guides = _draw_guides([min(line.depth, _LEVELS) for line in lines])
    labels = []
    for line, guide in zip(lines, guides, strict=True):
        level = f"(level {line.depth}) " if line.depth > _LEVELS else ""
        question_mark = "?" if line.need == "optional" else ""
        labels.append(f"{guide}{level}{_line_label(line)}{question_mark}")
    # A single long name would move the descriptions of all lines to the right.
    width = min(max(map(len, labels)), _LABEL)
    for line, label in zip(lines, labels, strict=True):
        description = "never" if line.need == "never" else line.what
        if line.same_as >= 0:
            # The nearest three names on the way are enough to find the other line.
            path = _path_labels(lines[line.same_as], lines)[:3]
            description += f", as {' of '.join(path) or 'the document'}"
        source = ""
        if line.sources and line.depth <= _LEVELS:
            ellipsis = ", …" if len(line.sources) > 2 else ""
            source = f"  ({', '.join(line.sources[:2])}{ellipsis})"
        yield f"{label:<{width}}  {description}{source}".rstrip()


def _draw_guides(depths: Sequence[int]) -> list[str]:
    """Return the drawing before each line of a tree, four columns for each level."""
    # Backwards: whether a branch goes on below is known from the lines that come later.
    later_levels: set[int] = set()
    guides = []
    for depth in reversed(depths):
        marks = ["│   " if level in later_levels else "    " for level in range(1, depth)]
        if depth > 0:
            marks.append("├── " if depth in later_levels else "└── ")
        guides.append("".join(marks))
        later_levels = {level for level in later_levels if level < depth} | {depth}
    return guides[::-1]


def _line_label(line: Line) -> str:
    """Return the name of a line. Names come from the schema: control characters are written as escapes."""
    return printable(line.label, lines=False) if line.parent >= 0 else "the document"


def _path_labels(line: Line, lines: Sequence[Line]) -> list[str]:
    """Return the labels from a line outwards."""
    labels = []
    while line.parent >= 0:
        if line.label:
            labels.append(_line_label(line))
        line = lines[line.parent]
    return labels
