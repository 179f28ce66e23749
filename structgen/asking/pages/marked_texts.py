"""Makes pages of texts in which the places of values are marked, with a table of the values beside them.

A *value* is a part of an answer that was found in a text. A *mark* is a place of a value in a text. A *field*
is the path of values of one kind, and has a colour: `/items/3/name` belongs to the field `/items/*/name`. A
*piece* is a part of a text in which all characters have the same marks. A *block* is a part of a text that a
browser lays out as a whole.

A click on a value shows its places, a click on a mark shows its values; Enter does what a click does, and a
field searches in texts and table. A page is one file with a policy: it loads nothing, and runs its own script
alone. The whole texts stand in it. They are in blocks of some thousand characters, and the table in groups
of rows: a browser lays out those alone that are to be seen, so a page of 10 MB is read like a short one.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from structgen.asking.pages.html_pages import render_page

# ruff: noqa: E501 (markup)

UNSURE: Final = 0.5
"""A value of less confidence is one that a person should check."""
MOST_AT_ONCE: Final = 50
"""The most values of a piece that are shown; further ones are counted."""
# Okabe and Ito's colours, which colour-blind people tell apart, and a grey; then again with other lines
_COLOURS: Final = ("e69f00", "56b4e9", "009e73", "d55e00", "cc79a7", "0072b2", "f0e442", "999999")
_LINES: Final = ("solid", "dashed", "dotted")
# up to 4,000 characters, to the end of a line or of the text; where none ends there, to a blank
_BLOCK: Final = re.compile(r".{1,4000}(?:\n|\Z)|.{1,4000}(?<=\s)|.{1,4000}", re.S)
_STYLE: Final = """\
bdi { overflow-wrap: anywhere; }
mark, .swatch { color: inherit; background: color-mix(in srgb, var(--c) 28%, transparent); border-bottom: 3px var(--s) var(--c);
  border-radius: 2px; }
mark { cursor: pointer; padding: .1em 0; scroll-margin: 4rem; }
mark.on { background: color-mix(in srgb, var(--c) 60%, transparent); outline: 2px solid var(--ink); }
.swatch { padding: 0 .3em; } .legend { line-height: 2; max-width: none; } td { vertical-align: top; padding: .4rem .5rem; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }
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
a { color: var(--blue); } summary { cursor: pointer; padding: .6rem .4rem; color: var(--faint); }
.places { max-height: 9rem; overflow: auto; } .other { --s: double; background: none; } .why { display: block; width: fit-content; color: var(--red); font-size: .8rem; } .why::before { content: "▲ "; }
::highlight(found) { background: #ff0; color: #000; }
""" + "".join(
    f".c{at} {{ --c: #{_COLOURS[at % len(_COLOURS)]}; --s: {_LINES[at // len(_COLOURS)]}; }}\n"
    for at in range(len(_COLOURS) * len(_LINES))
)
_SCRIPT: Final = """
const values = one => one.dataset.v.split(" "), having = new Map();
for (const one of document.querySelectorAll("mark, .line"))
  for (const value of values(one)) having.has(value) ? having.get(value).push(one) : having.set(value, [one]);
let lit = [];
function show(one) {
  for (const other of lit) other.classList.remove("on");
  lit = values(one).flatMap(value => having.get(value) ?? []);
  for (const other of lit) other.classList.add("on");
  const isMark = one.matches("mark"), to = one.dataset.to;
  const found = to ? document.getElementById(to) : lit.find(other => other.matches("mark") != isMark);
  const fold = found?.closest("details");
  if (fold) fold.open = true;
  if (found) found.scrollIntoView({block: "nearest"});
}
document.addEventListener("click", event => {
  const one = event.target.closest("[data-v]");
  if (one) show(one);
});
document.addEventListener("keydown", event => {
  if (!event.target.matches("mark") || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  show(event.target);
});
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
  for (const fold of document.querySelectorAll("details")) fold.open ||= Boolean(box.value.trim()) && rows.some(row => fold.contains(row));
  document.body.classList.toggle("few", rows.length < 1000);
  told.textContent = box.value.trim() && `${said(rows.length)} of ${said(document.querySelectorAll(".group tr").length)} rows`;
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
_MACROS: Final = """\
{% macro cut(said) %}{{ said|string|truncate(400, true, " …", 0) }}{% endmacro %}
{% macro line(at, to, value, told="", label="") %}
<button class=line data-v="{{ at }}"{% if to %} data-to="{{ to }}"{% endif %}>{% if label %}<small><bdi>{{ cut(label) }}</bdi></small> {% endif %}
<span{% if to %} class="swatch {{ classes[at] }}"{% endif %}><bdi>{{ cut(value) }}</bdi></span>{% if told %} <small><bdi>{{ cut(told) }}</bdi></small>{% endif %} </button>
{%- endmacro %}
{% macro groups(rows) %}
{% for group in rows|batch(25) %}
<div class=group><table>{% for one in group %}{{ row(one) }}{% endfor %}</table></div>
{% endfor %}
{% endmacro %}
"""
_BODY: Final = """\
<p class=faint>{{ told }} A mark says that the text has these words, not that they are right.
Click on a value for its place, and on a mark for its {{ noun }}.</p>
{% if remarks %}
<ul class="warning remarks">{% for one in remarks %}<li>{{ one }}</li>{% endfor %}</ul>
{% endif %}
{% if texts|length > 1 %}
<p class=names>{% for name in texts %}<button data-v data-to="d{{ loop.index0 }}"><bdi>{{ cut(name) }}</bdi></button> {% endfor %}</p>
{% endif %}
<p class=legend>{% for name, colour in fields %}<span class="swatch {{ colour }}"><bdi>{{ cut(name) }}</bdi></span> {% endfor %}</p>
<div class=search role=search><input type=search placeholder="Search in {{ noun }}s and texts" aria-label="Search in {{ noun }}s and texts">
<button data-step=-1 title="previous place in the texts">↑</button><button data-step=1 title="next place in the texts">↓</button><output class=faint></output></div>
<div class=both><section class=texts>
{% for name, text in texts.items() %}
{% set number = loop.index0 %}
<h2 id="d{{ number }}"><bdi>{{ cut(name) }}</bdi></h2>
<div class=text><div class=block dir=auto>
{%- for start, end, here, more in pieces[name] -%}
{% if start in borders[name] %}</div><div class=block dir=auto>{% endif -%}
{% if here %}<mark id="m{{ number }}-{{ start }}" class="{{ classes[here[0]] }}" data-v="{{ here|join(" ") }}" title="
{%- for at in here %}{{ cut(shown[at].path or "the answer") }}: {{ cut(shown[at].value) }}{{ "" if loop.last else "\n" }}{% endfor %}{% if more %}\nand {{ more }} more{% endif %}" tabindex=0 role=button>
{%- endif %}{{ text[start:end] }}{% if here %}</mark>{% endif -%}
{% endfor %}</div></div>
{% endfor %}
</section>
<section><table class=head>{{ head() }}</table>
{{ groups(rows) }}
{% if folded %}
<details><summary>{{ fold }}</summary>
{{ groups(folded) }}
</details>
{% endif %}
</section></div>
"""


class Mark(NamedTuple):
    """A place of a value in a text, from `start` to `end` - 1. Marks sort by length. `value`: its number."""

    length: int
    start: int
    end: int
    value: int


def marked_page(
    title: str, template: str, texts: Mapping[str, str], marks: Mapping[str, Iterable[Mark]], **values: Any
) -> str:
    """Return a page as HTML.

    `texts`: the texts by name. `marks`: the marks of each text. `template`: the macros `head()` and
    `row(one)`, which write the rows of the table; they may call `cut` for a long text, and `line` for a
    value. `values` has these members for the template:

        told      the first sentence of the page
        noun      the name of what a row describes
        rows      the arguments of `row`
        folded    the same of rows that are folded below the others, until a click opens them
        fold      the sentence that stands for the folded rows
        shown     for the number of each value, an object with a `path` and a `value`
        classes   for the number of each value, the class of its colour
        fields    pairs (name of a field, class of its colour)
        remarks   sentences that are shown as warnings

    Cost: linear in texts, marks and rows; 3 s and 22 MB for 10 MB of text and 50,000 values.
    """
    borders = {name: {block.end() for block in _BLOCK.finditer(text)} for name, text in texts.items()}
    parts = {name: pieces_of_text(len(text), marks[name], borders[name]) for name, text in texts.items()}
    template = f"{_MACROS}{template}{_BODY}"
    return render_page(title, template, _STYLE, _SCRIPT, texts=texts, borders=borders, pieces=parts, **values)


def field_of(path: str) -> str:
    """Return the field of a JSON Pointer, the same for all members of a list: `/a/3` -> `/a/*`."""
    return re.sub(r"/\d+(?=/|$)", "/*", path)


def colour_classes(fields: Iterable[str]) -> dict[str, str]:
    """Return the CSS class of the colour of each field. There are 24; the 25th field has the first again."""
    return {name: f"c{at % (len(_COLOURS) * len(_LINES))}" for at, name in enumerate(dict.fromkeys(fields))}


def pieces_of_text(
    length: int,
    marks: Iterable[Mark],
    borders: Collection[int],
) -> Iterator[tuple[int, int, list[int], int]]:
    """Yield (start, end, values, more) for each piece of a text.

    `length`: that of the text. `marks`: its marks, none of them empty. `borders`: places at which a piece
    must end. The values are the numbers of the first marks of the piece, the shortest mark first; `more` is
    the number of marks that are left out.
    """
    marks_by_start, marks_by_end = (defaultdict[int, list[Mark]](list) for _ in range(2))
    for mark in marks:
        marks_by_start[mark.start].append(mark)
        marks_by_end[mark.end].append(mark)
    # A sweep over all places where a mark begins or ends: `active` has those that hold the present piece.
    active = list[Mark]()
    for start, end in pairwise(sorted({0, length, *borders, *marks_by_start, *marks_by_end})):
        for mark in marks_by_end[start]:
            del active[bisect_left(active, mark)]
        for mark in marks_by_start[start]:
            insort(active, mark)
        first_values = [*dict.fromkeys(mark.value for mark in active[:MOST_AT_ONCE])]
        yield start, end, first_values, max(0, len(active) - MOST_AT_ONCE)
