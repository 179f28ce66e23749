"""The page of an extraction: the documents with a mark at each value, and a table of the items beside them.

It is one file with a policy, as the page of evidence is: it loads nothing, and runs its own script alone.
The whole texts stand in it. They are in blocks of some thousand characters, and the table in groups of rows:
a browser lays out those alone that are to be seen, so a page of 10 MB is read like a short one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from structgen.base.system import marked_texts
from structgen.base.system.html_pages import counted, rendered
from structgen.base.system.marked_texts import Mark, coloured, field_of, pieces
from structgen.doors.extraction.extraction_tables import as_json, dotted
from structgen.doors.extraction.found_items import FoundItem, FoundValue

# ruff: noqa: E501 (markup)

MOST_COLUMNS: Final = 5
"""Fields of items that have a column each; of items with more, the fields stand one below the other."""
DOUBTFUL: Final = 0.5
"""A value of less confidence is doubtful."""
# up to 4,000 characters, to the end of a line or of the text; where none ends there, to a blank
_BLOCK: Final = re.compile(r".{1,4000}(?:\n|\Z)|.{1,4000}(?<=\s)|.{1,4000}", re.S)
_STYLE: Final = """\
body { max-width: none; min-height: 34rem; height: 100vh; display: flex; flex-direction: column; padding: 1rem 1.2rem; }
body > p { max-width: none; margin: .2rem 0; } .legend, .remarks, .names { max-height: 7.5rem; overflow: auto; flex: none; }
.remarks { margin: .4rem 0; padding-left: 1.9rem; list-style: disc; } .names button { color: var(--blue); margin-right: 1rem; }
.search { display: flex; gap: .5rem; align-items: center; margin: .4rem 0; } .search input { font: inherit; width: min(24rem, 50vw);
  padding: .25rem .6rem; color: inherit; background: var(--soft); border: 1px solid var(--line); border-radius: 6px; }
.search button { border: 1px solid var(--line); border-radius: 6px; padding: .2rem .6rem; }
.both { flex: 1; min-height: 0; display: grid; gap: 1.2rem; grid-template-rows: repeat(2, minmax(0, 1fr)); }
.both > section { overflow: auto; border: 1px solid var(--line); border-radius: 6px; padding: 0 .8rem; }
@media (min-width: 60rem) { .both { grid-template: minmax(0, 1fr) / repeat(2, minmax(0, 1fr)); } }
.texts h2 { position: sticky; top: 0; z-index: 1; margin: 0; padding: .5rem 0 .3rem; background: var(--paper); border-bottom: 1px solid var(--line); }
.both .text { font-family: inherit; line-height: 1.75; border: 0; padding: .5rem 0 1.5rem; }
.block, .group { content-visibility: auto; contain-intrinsic-size: auto 75rem; } .few .group { content-visibility: visible; }
table { table-layout: fixed; } td, th { padding: .35rem .4rem; } td:first-child, th:first-child { width: 7.5rem; min-width: 0; } th { overflow-wrap: anywhere; }
.head { position: sticky; top: 0; z-index: 1; background: var(--paper); } .line { display: block; width: 100%; scroll-margin: 5rem; border-radius: 2px; }
.line:hover { background: var(--soft); } .line.on { outline: 2px solid var(--ink); } tr:has(.on) { background: var(--soft); }
.other { --s: double; background: none; } .why { display: block; width: fit-content; color: var(--red); font-size: .8rem; } .why::before { content: "▲ "; }
::highlight(found) { background: #ff0; color: #000; }
"""
_SCRIPT: Final = """
const box = document.querySelector("input"), told = document.querySelector("output");
const blocks = [...document.querySelectorAll(".block:not(:empty)")], most = 1e5;
let text = "", starts = [], found = [], at = 0, asked = "", waiting = 0;
const pattern = () => RegExp(box.value.trim().replace(/[.*+?^${}()|[\\]\\\\]/g, "\\\\$&").replace(/\\s+/g, "\\\\s+"), "giu");
const said = count => count.toLocaleString("en");
function filter() {
  const wanted = pattern(), rows = [];
  for (const group of document.querySelectorAll(".group")) {
    const before = rows.length;
    for (const row of group.querySelectorAll("tr"))
      if (!(row.hidden = row.textContent.search(wanted) < 0)) rows.push(row);
    group.hidden = rows.length == before;
  }
  document.body.classList.toggle("few", rows.length < 1000);
  told.textContent = box.value.trim() && `${said(rows.length)} of ${said(document.querySelectorAll(".group tr").length)} items`;
}
function point(offset) {
  const number = starts.findLastIndex(start => start <= offset), walker = document.createTreeWalker(blocks[number], 4);
  let left = offset - starts[number], node = walker.nextNode();
  for (; left > node.length; node = walker.nextNode()) left -= node.length;
  return [node, left];
}
function find(step) {
  if (asked != box.value) {
    [asked, found, at] = [box.value, [], step > 0 ? -1 : 0];
    if (!starts.length) for (const block of blocks) starts.push(text.length), text += block.textContent;
    if (asked.trim()) for (const one of text.matchAll(pattern()))
      if (found.push([one.index, one.index + one[0].length]) == most) break;
  }
  at = found.length && (at + step + found.length) % found.length;
  told.textContent = `${said(found.length && at + 1)} of ${said(found.length)}${found.length == most ? " or more" : ""} places`;
  CSS.highlights?.delete("found");
  if (!found.length) return;
  const range = document.createRange(), [start, end] = found[at].map(point), pane = document.querySelector(".texts");
  range.setStart(...start);
  range.setEnd(...end);
  CSS.highlights?.set("found", new Highlight(range));
  range.startContainer.parentElement.scrollIntoView({block: "nearest"});
  pane.scrollTop += range.getBoundingClientRect().top - pane.getBoundingClientRect().top - pane.clientHeight / 3;
}
box.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 150);
});
box.addEventListener("keydown", event => { if (event.key == "Enter") find(event.shiftKey ? -1 : 1); });
document.querySelector(".search").addEventListener("click", event => {
  const step = event.target.dataset.step;
  if (step) find(+step);
});
"""
_TEMPLATE: Final = """\
<p class=faint>{{ rows|length|counted("item") }} in {{ texts|length|counted("document") }}. A mark says that the text has these words, not that they are right.
Click on a value for its place, and on a mark for its item.</p>
{% if remarks %}
<ul class="warning remarks">{% for one in remarks %}<li>{{ one }}</li>{% endfor %}</ul>
{% endif %}
{% if texts|length > 1 %}
<p class=names>{% for name in texts %}<button data-v data-to="d{{ loop.index0 }}"><bdi>{{ cut(name) }}</bdi></button> {% endfor %}</p>
{% endif %}
{{ legend(legends) }}
<div class=search role=search><input type=search placeholder="Search in items and texts" aria-label="Search in items and texts">
<button data-step=-1 title="previous place in the texts">↑</button><button data-step=1 title="next place in the texts">↓</button><output class=faint></output></div>
<div class=both><section class=texts>
{% for name, text in texts.items() %}
{% set number = loop.index0 %}
<h2 id="d{{ number }}"><bdi>{{ cut(name) }}</bdi></h2>
<div class=text><div class=block dir=auto>
{%- for start, end, told, more in pieces[name] -%}
{% if start in borders[name] %}</div><div class=block dir=auto>{% endif -%}
{% if told %}{{ begun(number, start, told, more) }}{{ text[start:end] }}</mark>{% else %}{{ text[start:end] }}{% endif -%}
{% endfor %}</div></div>
{% endfor %}
</section>
<section><table class=head><tr><th>item</th>{% for name in columns %} <th><bdi>{{ cut(name) }}</bdi></th>{% endfor %}</tr></table>
{% for group in rows|batch(25) %}
<div class=group><table>{% for row in group %}{% set item = row.item %}<tr><td><b>{{ row.number }}</b> <small>{% if texts|length > 1 %}<bdi>{{ cut(item.document) }}</bdi>{% endif %}
{% if item.pages %} page{{ "s" if item.pages|length > 1 }} {{ cut(item.pages|join(", ")) }}{% endif %}</small>
{%- for why in row.reasons if why %} <span class=why>{{ cut(why) }}</span>{% endfor %}</td>
{%- for cell in row.cells %} <td>{% for at in cell %}{% set one = shown[at] %}
<button class=line data-v="{{ at }}"{% if one.to %} data-to="{{ one.to }}"{% endif %}>{% if one.label %}<small><bdi>{{ cut(one.label) }}</bdi></small> {% endif %}
<span{% if one.to %} class="swatch {{ classes[at] }}"{% endif %}><bdi>{{ cut(one.value) }}</bdi></span>{% if one.told %} <small>{{ one.told }}</small>{% endif %} </button>
{%- endfor %}</td>{% endfor %} </tr>
{% endfor %}</table></div>
{% endfor %}
</section></div>
"""


class _Line(NamedTuple):
    """A value in a row of the table: one of the item, or one that another page has."""

    label: str
    path: str
    value: str
    told: str
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

    def __init__(self, names: Iterable[str], items: Sequence[FoundItem]) -> None:
        self._order = {name: at for at, name in enumerate(names)}
        self.marks = {name: list[Mark]() for name in self._order}
        paths = dict.fromkeys(one.path for item in items for one in chain(item.fields, item.conflicts))
        self.fields = coloured(map(field_of, paths))
        tops = dict.fromkeys(map(_top, paths))
        self.tops = tops if len(tops) <= MOST_COLUMNS else {}
        self.lines = list[_Line]()
        self.rows = sorted(self._row(number, item) for number, item in enumerate(items, 1))

    def _row(self, number: int, item: FoundItem) -> _Row:
        document = self._order[item.document]
        cells = {top: list[int]() for top in self.tops or [""]}
        for one, is_other, told in _values_of(item):
            top = _top(one.path) if self.tops else ""
            rest, start, end = one.path[len(top) :], one.start or 0, one.end or 0
            if start < end:
                self.marks[item.document].append(Mark(end - start, start, end, len(self.lines)))
            cells[top].append(len(self.lines))
            self.lines.append(
                _Line(
                    label="or" if is_other else rest and dotted(rest),
                    path=dotted(one.path),
                    value=one.value if one.value and isinstance(one.value, str) else as_json(one.value),
                    told=told,
                    kind=self.fields[field_of(one.path)] + " other" * is_other,
                    to=f"m{document}-{start}" if start < end else "",
                )
            )
        reasons = _reasons(item)
        kind = next((at for at, reason in enumerate(reasons) if reason), len(reasons))
        first = min((one.start for one in item.fields if one.start is not None), default=0)
        return _Row((kind, document, first), number, item, reasons, [*cells.values()])


def page_of(texts: Mapping[str, str], items: Sequence[FoundItem], remarks: Sequence[str]) -> str:
    """Return the page of items and of the documents that they are from, as one file of HTML.

    `texts` are the documents by name; `remarks` are shown as warnings. Items with conflicts come first, then
    those with errors, with doubtful values, and with values that no text states; each kind in the order of
    the documents. Cost: linear in the texts, and in the values of the items; 3 s and 22 MB for 10 MB of text
    and 10,000 items of five values.
    """
    table = _Table(texts, items)
    borders = {name: {one.end() for one in _BLOCK.finditer(text)} for name, text in texts.items()}
    return rendered(
        "Extraction",
        marked_texts.MACROS + _TEMPLATE,
        marked_texts.STYLE + _STYLE,
        marked_texts.SCRIPT + _SCRIPT,
        texts=texts,
        remarks=remarks,
        legends=[(dotted(field), kind) for field, kind in table.fields.items()],
        columns=[*map(dotted, table.tops)] or ["values"],
        rows=table.rows,
        shown=table.lines,
        classes=[one.kind for one in table.lines],
        borders=borders,
        pieces={name: pieces(len(text), table.marks[name], borders[name]) for name, text in texts.items()},
    )


def _top(path: str) -> str:
    """Return the JSON Pointer of the member of an item that a path leads into."""
    return "/".join(path.split("/", 2)[:2])


def _values_of(item: FoundItem) -> Iterator[tuple[FoundValue, bool, str]]:
    """Yield the values of an item, behind each those that other pages have of its field: whether it is one of
    another page, and what is told of it."""
    by_path = defaultdict[str, list[tuple[FoundValue, bool]]](list)
    for is_other, values in ((False, item.fields), (True, item.conflicts)):
        for one in values:
            by_path[one.path].append((one, is_other))
    for pairs in by_path.values():
        for one, is_other in pairs:
            told = [f"page {one.page}"] * is_other
            if one.confidence is not None and (len(pairs) > 1 or one.confidence < DOUBTFUL):
                told.append(f"{one.confidence:.0%} sure")
            yield one, is_other, ", ".join(told + ["not stated"] * _is_missing(one))


def _reasons(item: FoundItem) -> Sequence[str]:
    """Return the reasons to look at an item, the strongest first, "" for one that it does not have."""
    return (
        counted(len(item.conflicts), "conflict") * bool(item.conflicts),
        f"error: {item.error}" * bool(item.error),
        "doubtful" * any(one.confidence is not None and one.confidence < DOUBTFUL for one in item.fields),
        "not stated" * any(map(_is_missing, item.fields)),
    )


def _is_missing(one: FoundValue) -> bool:
    """Return whether a value should stand in a text, and does not: of null, true and false no text need."""
    return one.start is None and one.value is not None and not isinstance(one.value, bool)
