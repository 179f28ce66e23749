"""Texts of a page with marks at the places of values, which lead to the values, and back.

A template that begins with MACROS has `shown`, the values, each with a `path` and a `value`, and `classes`,
of each value the class of its colour. A click on an element with `data-v`, numbers of values, shows what
else has these values: marks, rows, and elements of the class `line`. `data-to` is the id of its target.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

# ruff: noqa: E501 (markup)

MOST_AT_ONCE: Final = 50
"""Values of one mark; further ones are counted."""
# Okabe and Ito's colours, which colour-blind people tell apart, and a grey; then again with other lines
_COLOURS: Final = ("e69f00", "56b4e9", "009e73", "d55e00", "cc79a7", "0072b2", "f0e442", "999999")
_LINES: Final = ("solid", "dashed", "dotted")
STYLE: Final = """\
bdi { overflow-wrap: anywhere; }
mark, .swatch { color: inherit; background: color-mix(in srgb, var(--c) 28%, transparent); border-bottom: 3px var(--s) var(--c);
  border-radius: 2px; }
mark { cursor: pointer; padding: .1em 0; scroll-margin: 4rem; }
mark.on { background: color-mix(in srgb, var(--c) 60%, transparent); outline: 2px solid var(--ink); }
.swatch { padding: 0 .3em; } .legend { line-height: 2; max-width: none; } td { vertical-align: top; padding: .4rem .5rem; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }
""" + "".join(
    f".c{at} {{ --c: #{_COLOURS[at % len(_COLOURS)]}; --s: {_LINES[at // len(_COLOURS)]}; }}\n"
    for at in range(len(_COLOURS) * len(_LINES))
)
SCRIPT: Final = """
const values = one => one.dataset.v.split(" "), having = new Map();
for (const one of document.querySelectorAll("mark, tr[data-v], .line"))
  for (const value of values(one)) having.has(value) ? having.get(value).push(one) : having.set(value, [one]);
let lit = [];
function show(one) {
  for (const other of lit) other.classList.remove("on");
  lit = values(one).flatMap(value => having.get(value) ?? []);
  for (const other of lit) other.classList.add("on");
  const isMark = one.matches("mark"), to = one.dataset.to;
  const found = to ? document.getElementById(to) : lit.find(other => other.matches("mark") != isMark);
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
"""
MACROS: Final = """\
{% macro cut(said) %}{{ said|string|truncate(400, true, " …", 0) }}{% endmacro %}
{% macro path(one) %}{{ cut(one.path or "the answer") }}{% endmacro %}
{% macro begun(number, start, told, more) -%}
<mark id="m{{ number }}-{{ start }}" class="{{ classes[told[0]] }}" data-v="{{ told|join(" ") }}" title="
{%- for at in told %}{{ path(shown[at]) }}: {{ cut(shown[at].value) }}{{ "" if loop.last else "\n" }}{% endfor %}{% if more %}\nand {{ more }} more{% endif %}" tabindex=0 role=button>
{%- endmacro %}
{% macro legend(fields) %}
<p class=legend>{% for name, colour in fields %}<span class="swatch {{ colour }}"><bdi>{{ cut(name or "the answer") }}</bdi></span> {% endfor %}</p>
{% endmacro %}
"""


class Mark(NamedTuple):
    """A place of a value, by its number, in a text; of two the shorter one is first."""

    length: int
    start: int
    end: int
    value: int


def field_of(path: str) -> str:
    """Return the field that a JSON Pointer leads to: the same for all members of a list."""
    return re.sub(r"/\d+(?=/|$)", "/*", path)


def coloured(fields: Iterable[str]) -> dict[str, str]:
    """Return the class of the colour of each field; from the 25th on colours come again."""
    return {name: f"c{at % (len(_COLOURS) * len(_LINES))}" for at, name in enumerate(dict.fromkeys(fields))}


def pieces(
    length: int, marks: Iterable[Mark], borders: Collection[int] = ()
) -> Iterator[tuple[int, int, list[int], int]]:
    """Yield the pieces of a text, at all of whose characters the same values stand: its ends, the values,
    those of the shortest mark first, and how many more there are. A piece ends at each of the borders. Marks
    are not empty."""
    opened, closed = (defaultdict[int, list[Mark]](list) for _ in range(2))
    for mark in marks:
        opened[mark.start].append(mark)
        closed[mark.end].append(mark)
    active = list[Mark]()
    for start, end in pairwise(sorted({0, length, *borders, *opened, *closed})):
        for mark in closed[start]:
            del active[bisect_left(active, mark)]
        for mark in opened[start]:
            insort(active, mark)
        told = [*dict.fromkeys(mark.value for mark in active[:MOST_AT_ONCE])]
        yield start, end, told, max(0, len(active) - MOST_AT_ONCE)
