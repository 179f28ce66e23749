"""An explanation in words: the lines that `structgen explain` and `print(sg.explain(grammar))` print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, Union

from structgen.printable import named_bytes, printable
from structgen.schema.explaining.impossible import Impossible
from structgen.schema.explaining.keyword_report import KeywordReport
from structgen.schema.explaining.outline import Line, Outline
from structgen.schema.reading.openai import OpenAIRefusal

MISSING = "Bytes that no token writes by itself: texts have none of them but inside longer tokens"
SHOWN_LINES = 400
"""Lines of the outline that are printed."""
_LEVELS = 24
"""Levels that are drawn; what lies deeper stands at the last of them, with its depth."""
_LABEL = 44
"""Columns after which the words about a value begin at the latest."""
_MOST_PARTS = 50
"""Findings of one sort that are listed."""
_SMALLEST = 2_000
"""Characters of the smallest document that are printed."""


class SchemaCosts(Protocol):
    """What a schema took to compile."""

    @property
    def subschemas(self) -> int: ...
    @property
    def compile_ms(self) -> float: ...
    @property
    def table_bytes(self) -> int: ...


class Explained(Protocol):
    """What is told of an explained schema (`Explanation`)."""

    @property
    def report(self) -> KeywordReport: ...
    @property
    def outline(self) -> Outline: ...
    @property
    def impossible(self) -> tuple[Impossible, ...]: ...
    @property
    def complete(self) -> bool: ...
    @property
    def smallest(self) -> str: ...
    @property
    def costs(self) -> SchemaCosts: ...
    @property
    def openai(self) -> tuple[OpenAIRefusal, ...]: ...
    @property
    def missing_bytes(self) -> tuple[int, ...]: ...
    @property
    def may_dead_end(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text: its parts, each with the style that a terminal may give it, and blanks before it."""

    parts: tuple[tuple[str, str], ...]
    left: int = 0

    @property
    def plain(self) -> str:
        """The line without styles."""
        return " " * self.left + "".join(text for text, _ in self.parts)


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A line of the tree of places."""

    guide: str
    """The branches before it."""
    label: str
    style: str
    what: str
    what_style: str
    source: str

    def plain(self, width: int) -> str:
        """Return the line without styles; `width`: columns of guide and label."""
        tail = f"  ({self.source})" if self.source else ""
        return f"{self.guide + self.label:<{width}}  {self.what}{tail}".rstrip()


ToldPart: TypeAlias = Union[TextLine, tuple[TreeRow, ...]]


def tree_width(rows: Sequence[TreeRow]) -> int:
    """Return the columns of the labels of a tree."""
    return min(max((len(row.guide) + len(row.label) for row in rows), default=0), _LABEL)


def plain_text(told: Iterator[ToldPart]) -> str:
    """Return what is told as lines of text, not wrapped."""
    lines: list[str] = []
    for part in told:
        if isinstance(part, TextLine):
            lines.append(part.plain.rstrip())
        else:
            width = tree_width(part)
            lines += (row.plain(width) for row in part)
    return "\n".join(lines)


def _line(*parts: tuple[str, str] | str, left: int = 0) -> TextLine:
    return TextLine(tuple((one, "") if isinstance(one, str) else one for one in parts), left)


def told_of_schema(explained: Explained, name: str = "", most: int = SHOWN_LINES) -> Iterator[ToldPart]:
    """Yield what is said of a schema, at most `most` lines of its outline. `name`: of its file, if any."""
    report, costs = explained.report, explained.costs
    head = [(name, "bold"), (": ", "")] if name else []
    yield _line(*head, f"JSON Schema draft {report.draft}")
    shown = ", ".join(f"{option}={value}" for option, value in _policies(report))
    yield _line((f"under {shown}", "dim"))

    yield from _head("A document is")
    yield tuple(_rows(explained.outline.lines[:most]))
    left = len(explained.outline.lines) - most
    if left > 0:
        yield _line((f"and {left:,} more lines (--lines)", "dim"))

    listed = (
        (
            "What can never hold",
            [(part.pointer, f"  {part.what}: {part.why}") for part in explained.impossible],
        ),
        ("Places that may dead-end", [(pointer, "") for pointer in explained.may_dead_end]),
        (
            "What a server for OpenAI's strict structured outputs refuses",
            [(one.pointer, f"  {one.why}") for one in explained.openai],
        ),
    )
    for title, found in listed:
        if found:
            yield from _head(title, "bold red")
            for pointer, words in found[:_MOST_PARTS]:
                yield _line((pointer, "cyan"), words, left=2)
            yield from _more(len(found))
    if not explained.complete:
        yield _line(("The schema is larger than what was searched for parts that cannot hold.", "yellow"))

    idle: dict[str, list[str]] = {}
    for finding in (*report.annotations, *report.redundant):
        if finding.why:
            idle.setdefault(f"{finding.keyword}: {finding.why}", []).append(finding.pointer)
    if idle or report.notes:
        yield from _head("What says nothing here")
        for words, pointers in list(idle.items())[:_MOST_PARTS]:
            more = f" and {len(pointers) - 3:,} more places" if len(pointers) > 3 else ""
            yield _line((", ".join(pointers[:3]) + more, "cyan"), f"  {words}", left=2)
        yield from _more(len(idle))
        for note in report.notes:
            yield _line(note, left=2)
    plain = sorted({one.keyword for one in report.annotations if not one.why})
    if plain:
        yield _line((f"Annotations: {', '.join(plain)}", "dim"))

    if explained.missing_bytes:
        yield from _head(MISSING)
        yield _line(named_bytes(explained.missing_bytes), left=2)
    smallest = explained.smallest
    cut = smallest if len(smallest) <= _SMALLEST else smallest[:_SMALLEST] + " …"
    yield from _head(f"The smallest one ({len(smallest.encode()):,} bytes)")
    yield _line(cut, left=2)
    yield from _head("What it costs")
    several = "s" * (costs.subschemas != 1)
    yield _line(
        f"{costs.subschemas:,} subschema{several}, {costs.compile_ms:.1f} ms to compile, "
        f"{costs.table_bytes / 1024:,.0f} KiB of tables for its first masks",
        left=2,
    )


def _policies(report: KeywordReport) -> Iterator[tuple[str, object]]:
    for option, value in report.to_json()["policies"].items():
        if value is not None and value != [] and value != ():
            # a caller's formats by name: their patterns fill a screen
            yield option, "|".join(dict(value)) if option == "custom_formats" else value


def _head(text: str, style: str = "bold") -> Iterator[TextLine]:
    yield _line()
    yield _line((text, style))


def _more(count: int) -> Iterator[TextLine]:
    if count > _MOST_PARTS:
        yield _line((f"and {count - _MOST_PARTS:,} more (--json has all)", "dim"), left=2)


# --- the tree -----------------------------------------------------------------------------------------------


def _rows(lines: Sequence[Line]) -> Iterator[TreeRow]:
    for guide, line in zip(_guides(lines), lines, strict=True):
        style = "dim" if line.need == "never" else ""
        if not line.label and line.parent >= 0:
            style = f"{style} italic".strip()
        source = ", ".join(line.sources[:2]) + (", …" if len(line.sources) > 2 else "")
        yield TreeRow(guide, _label(line), _style(line), _what(line, lines), style, source)


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
