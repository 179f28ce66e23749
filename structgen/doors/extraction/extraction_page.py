"""The page of an extraction: the documents with a mark at each value, and a table of the items beside them.

In it a *piece* is a part of a document that the model was asked about, and a *sheet* is where a person looks a
place up. *Doubtful* items are those of `Extraction.doubtful`; they are folded below the others.

`marked_texts` says what may be done with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple

from structgen.asking.pages.html_pages import format_count
from structgen.asking.pages.marked_texts import UNSURE, Mark, colour_classes, field_of, marked_page
from structgen.doors.extraction.extraction_tables import dotted_path
from structgen.doors.extraction.found_items import FoundItem, FoundValue, Items, as_json

# ruff: noqa: E501 (markup)

MOST_COLUMNS: Final = 5
"""Fields of items that have a column each; of items with more, the fields stand one below the other."""
_ROWS: Final = """\
{% macro head() %}<tr><th>item</th>{% for name in columns %} <th><bdi>{{ cut(name) }}</bdi></th>{% endfor %}</tr>{% endmacro %}
{% macro row(row) %}
{% set item = row.item %}<tr><td><b>{{ row.number }}</b> <small>{% if texts|length > 1 %}<bdi>{{ cut(item.document) }}</bdi>{% endif %}
{% for sheet in item.sheets[:10] %} {% if sheet.number and item.document in links %}<a href="{{ links[item.document] }}#page={{ sheet.number }}" target=_blank>{{ sheet.location_words }}</a>
{%- else %}<bdi>{{ sheet.location_words }}</bdi>{% endif %}{% endfor %}{% if item.sheets|length > 10 %} and {{ item.sheets|length - 10 }} more{% endif %}
{% if item.pages %} piece{{ "s" if item.pages|length > 1 }} {{ cut(item.pages|join(", ")) }}{% endif %}</small>
{%- for why in row.reasons if why %} <span class=why>{{ cut(why) }}</span>{% endfor %}</td>
{%- for cell in row.cells %} <td>{% for at in cell %}{% set one = shown[at] %}{{ line(at, one.to, one.value, one.note, one.label) }}{% endfor %}</td>{% endfor %} </tr>
{% endmacro %}
"""


class _Line(NamedTuple):
    """A value in a row of the table: one of the item, or one that another piece has."""

    label: str
    path: str
    value: str
    note: str
    kind: str
    """The class of its colour."""
    to: str
    """The id of its mark; "" where it has none."""


class _Row(NamedTuple):
    """A row of the table, which has one item. The row to look at first sorts first."""

    rank: tuple[int, int, int]
    number: int
    item: FoundItem
    reasons: Sequence[str]
    cells: Sequence[list[int]]
    """The numbers of the lines of each column."""


class _Table:
    """The table of items, and the marks of their values in each document, by the numbers of their lines."""

    def __init__(self, names: Iterable[str], items: Items, doubtful: Items) -> None:
        self._order = {name: index for index, name in enumerate(names)}
        self.marks = {name: list[Mark]() for name in self._order}
        paths = dict[str, None]()
        for item in (*items, *doubtful):
            paths |= dict.fromkeys(field.path for field in chain(item.fields, item.conflicts))
        self.fields = colour_classes(map(field_of, paths))
        tops = dict.fromkeys(map(_top_pointer, paths))
        # too many columns would leave none of them room for a word
        self.tops = tops if len(tops) <= MOST_COLUMNS else {}
        self.lines = list[_Line]()
        self.rows, self.folded = (
            sorted(self._build_row(number, item) for number, item in enumerate(part, 1))
            for part in (items, doubtful)
        )

    def _build_row(self, number: int, item: FoundItem) -> _Row:
        document = self._order[item.document]
        cells = {top: list[int]() for top in self.tops or [""]}
        for field, is_other, note in _values_of(item):
            # without columns of their own all values stand in one
            top = _top_pointer(field.path) if self.tops else ""
            rest = field.path[len(top) :]
            start = field.start or 0
            end = field.end or 0
            # a value that no text states has no mark
            if start < end:
                mark = Mark(end - start, start, end, len(self.lines))
                self.marks[item.document].append(mark)
            cells[top].append(len(self.lines))
            self.lines.append(
                _Line(
                    label="or" if is_other else rest and dotted_path(rest),
                    path=dotted_path(field.path),
                    value=field.value
                    if field.value and isinstance(field.value, str)
                    else as_json(field.value),
                    note=note,
                    kind=self.fields[field_of(field.path)] + " other" * is_other,
                    to=f"m{document}-{start}" if start < end else "",
                )
            )
        # the strongest reason decides where the row stands
        reasons = _find_reasons(item)
        kind = next((index for index, reason in enumerate(reasons) if reason), len(reasons))
        starts = [field.start for field in item.fields if field.start is not None]
        rank = (kind, document, min(starts, default=0))
        return _Row(rank, number, item, reasons, [*cells.values()])


def page_of(
    texts: Mapping[str, str],
    items: Items,
    remarks: Sequence[str],
    doubtful: Items = (),
    links: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the page of items and of the documents that they are from, as one file of HTML.

    `texts` are the documents by name; `remarks` are shown as warnings. Items with conflicts come first, then
    those with errors, with values of low confidence, with values that are not verified, and with values that
    no text states; each kind in the order of the documents. `doubtful` items stand below them, folded.
    `links`: the addresses of documents that are PDFs, by name. Cost: that of `marked_page`.
    """
    table = _Table(texts, items, doubtful)
    summary = f"{format_count(len(items), 'item')} in {format_count(len(texts), 'document')}."
    doubtful_count = format_count(len(doubtful), "doubtful item")
    if doubtful:
        summary += f" {doubtful_count} below."
    return marked_page(
        "Extraction",
        _ROWS,
        texts,
        table.marks,
        told=summary,
        noun="item",
        remarks=remarks,
        fields=[(dotted_path(field), kind) for field, kind in table.fields.items()],
        columns=[*map(dotted_path, table.tops)] or ["values"],
        rows=table.rows,
        links=links,
        folded=table.folded,
        fold=f"{doubtful_count}: all other results omit them",
        shown=table.lines,
        classes=[line.kind for line in table.lines],
    )


def _top_pointer(path: str) -> str:
    """Return the JSON Pointer of the member of an item that a path leads into."""
    return "/".join(path.split("/", 2)[:2])


def _values_of(item: FoundItem) -> Iterator[tuple[FoundValue, bool, str]]:
    """Yield the values of an item, after each those that other pieces have of its field: whether it is one of
    another piece, and what is told of it."""
    by_path = defaultdict[str, list[tuple[FoundValue, bool]]](list)
    for is_other, values in ((False, item.fields), (True, item.conflicts)):
        for field in values:
            by_path[field.path].append((field, is_other))
    for pairs in by_path.values():
        for field, is_other in pairs:
            # of a PDF or below a heading a person finds the other value by the sheet
            piece = f"piece {field.page}" if field.sheet is None else field.sheet.location_words
            notes = [piece] * is_other
            if field.confidence is not None and (len(pairs) > 1 or _is_unsure(field)):
                notes.append(f"{field.confidence:.0%} sure")
            notes += ["not stated"] * _is_missing(field) + ["not verified"] * field.is_unverified
            notes += ["repaired"] * (field.match == "repaired")
            yield field, is_other, ", ".join(notes)


def _find_reasons(item: FoundItem) -> Sequence[str]:
    """Return the reasons to look at an item, the strongest first, "" for one that it does not have."""
    return (
        format_count(len(item.conflicts), "conflict") * bool(item.conflicts),
        f"error: {item.error}" * bool(item.error),
        "low confidence" * any(map(_is_unsure, item.fields)),
        "not verified" * bool(item.unverified),
        "not stated" * any(map(_is_missing, item.fields)),
    )


def _is_unsure(field: FoundValue) -> bool:
    """Return whether the model itself holds a value for unlikely."""
    return field.confidence is not None and field.confidence < UNSURE


def _is_missing(field: FoundValue) -> bool:
    """Return whether a value should stand in a text, and does not: of null, true and false no text need."""
    return field.start is None and field.value is not None and not isinstance(field.value, bool)
