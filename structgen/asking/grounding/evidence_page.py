"""The page of evidence: texts with a mark at each place of a value, and a table of the values.

A click on a value shows its places, a click on a mark shows its values; Enter does what a click does. The
page is one file with a policy: it loads nothing, and runs its own script alone. Its size is bounded: of long
texts the stretches without a mark are cut, and of many values and places the first are shown, as it says.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from structgen.asking.grounding.places import Stated
from structgen.base.system.html_pages import rendered

# ruff: noqa: E501 (markup)

_MOST_VALUES: Final = 1_000
_MOST_MARKS: Final = 5_000
"""Places of all values together, at least one of each."""
_MOST_AT_ONCE: Final = 50
"""Values of one mark; further ones are counted."""
_LONG_TEXT: Final = 200_000
"""Characters of all texts together, from which on long stretches are cut."""

# Okabe and Ito's colours, which colour-blind people tell apart, and a grey; then again with other lines
_COLOURS: Final = "e69f00 56b4e9 009e73 d55e00 cc79a7 0072b2 f0e442 999999".split()
_LINES: Final = ("solid", "dashed", "dotted")
_STYLE: Final = """\
body { max-width: 88rem; } bdi { overflow-wrap: anywhere; }
.both { display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 1fr); }
.texts h2 { margin-top: .8rem; } .both .text { font-family: inherit; }
@media (min-width: 68rem) { .both { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); }
  .texts { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow: auto; align-self: start; } }
mark, .swatch { color: inherit; background: color-mix(in srgb, var(--c) 28%, transparent); border-bottom: 3px var(--s) var(--c);
  border-radius: 2px; }
mark { cursor: pointer; padding: .1em 0; } mark.on { background: color-mix(in srgb, var(--c) 60%, transparent); outline: 2px solid var(--ink); }
.swatch { padding: 0 .3em; } .legend { line-height: 2; max-width: none; } td:first-child { min-width: 9.5rem; } td { vertical-align: top; padding: .4rem .5rem; }
tr[data-v] { cursor: pointer; scroll-margin: 4rem; } tr.on { background: var(--soft); } tr.on td:first-child { box-shadow: inset 3px 0 var(--ink); }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }
.places { max-height: 9rem; overflow: auto; } .places button { display: block; } .places button:hover { text-decoration: underline; }
""" + "".join(
    f".c{at} {{ --c: #{_COLOURS[at % len(_COLOURS)]}; --s: {_LINES[at // len(_COLOURS)]}; }}\n"
    for at in range(len(_COLOURS) * len(_LINES))
)
_SCRIPT: Final = """
const values = one => one.dataset.v.split(" ");
function show(one) {
  const wanted = new Set(values(one)), to = one.dataset.to;
  for (const other of document.querySelectorAll("mark, tr[data-v]"))
    other.classList.toggle("on", values(other).some(value => wanted.has(value)));
  const found = to ? document.getElementById(to) : document.querySelector(one.matches("mark") ? "tr.on" : "mark.on");
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
_TEMPLATE: Final = """\
{% macro cut(said) %}{{ said|string|truncate(400, true, " …", 0) }}{% endmacro %}
{% macro path(one) %}{{ cut(one.path or "the answer") }}{% endmacro %}
<p class=faint>{{ values|selectattr("places")|list|length }} of {{ values|length|counted("value") }} stated in the text.
{% if values|length > shown|length %}The first {{ shown|length|counted("value") }} are shown.{% endif %}</p>
<p class=warning>Stated is not true: a mark says that the text has these words, not that they are right.</p>
<p class=legend>{% for name, colour in fields.items() %}<span class="swatch c{{ colour }}"><bdi>{{ cut(name or "the answer") }}</bdi></span> {% endfor %}</p>
<p class=faint>Click on a value for its places, and on a mark for its values.</p>
<div class=both><section class=texts>
{% for name, text in texts.items() %}
{% set number = loop.index0 %}
<h2><bdi>{{ cut(name) }}</bdi></h2>
<div class=text dir=auto>
{%- for start, end, told, more in pieces[name] -%}
{% if told %}<mark id="m{{ number }}-{{ start }}" class="c{{ colours[told[0]] }}" data-v="{{ told|join(" ") }}" title="
{%- for at in told %}{{ path(shown[at]) }}: {{ cut(shown[at].value) }}{{ "" if loop.last else "\n" }}{% endfor %}{% if more %}\nand {{ more }} more{% endif %}" tabindex=0 role=button>
{%- endif -%}
{% if cuts and end - start > 900 %}{{ text[start:start + 300] }}<span class=faint> [{{ (end - start - 600)|counted("character") }} left out] </span>{{ text[end - 300:end] }}
{%- else %}{{ text[start:end] }}{% endif -%}
{% if told %}</mark>{% endif %}{% endfor %}</div>
{% endfor %}
</section>
<section class=wide><table><tr><th>path</th><th>value</th><th>words, characters</th><th>also read as</th></tr>
{% for one in shown %}
{% set at = loop.index0 %}
<tr data-v="{{ at }}"><td><button data-v="{{ at }}"><span class="swatch c{{ colours[at] }}"><bdi>{{ path(one) }}</bdi></span></button></td>
<td><bdi>{{ cut(one.value) }}</bdi></td><td>
{% if one.places %}
<div class=places>{% for place in one.places[:most] %}<button data-v="{{ at }}" data-to="m{{ order[place.text] }}-{{ place.start }}"><bdi>{{ cut(place.words) }}</bdi> <small>
{%- if texts|length > 1 %}<bdi>{{ cut(place.text) }}</bdi>, {% endif %}{{ "{:,}\u00a0to\u00a0{:,}".format(place.start, place.end) }}</small></button>{% endfor %}</div>
{% else %}
<span class=faint>not stated in the text: inferred, or chosen from a list</span>
{% endif %}
{% if one.has_more or one.places|length > most %}<small>and at further places</small>{% endif %}</td>
<td><bdi>{{ cut(one.others|join(", ")) }}</bdi></td></tr>
{% endfor %}
</table></section></div>
"""


class _Mark(NamedTuple):
    """A place of a value on the page, the shortest one first."""

    length: int
    start: int
    end: int
    value: int


def page_of(texts: Mapping[str, str], values: Sequence[Stated]) -> str:
    """Return the page of values and their places as HTML. Cost: linear in the texts, the values and the
    places; a second for the largest page, of some 10 MB."""
    shown = values[:_MOST_VALUES]
    most = max(1, _MOST_MARKS // max(1, len(shown)))
    names = [re.sub(r"/\d+(?=/|$)", "/*", one.path) for one in shown]
    fields = {name: at % (len(_COLOURS) * len(_LINES)) for at, name in enumerate(dict.fromkeys(names))}
    marks = {name: list[_Mark]() for name in texts}
    for at, one in enumerate(shown):
        for place in one.places[:most]:
            marks[place.text].append(_Mark(place.end - place.start, place.start, place.end, at))
    return rendered(
        "Evidence",
        _TEMPLATE,
        _STYLE,
        _SCRIPT,
        texts=texts,
        order={name: at for at, name in enumerate(texts)},
        values=values,
        shown=shown,
        most=most,
        fields=fields,
        colours=[fields[name] for name in names],
        pieces={name: _pieces(len(text), marks[name]) for name, text in texts.items()},
        cuts=sum(map(len, texts.values())) > _LONG_TEXT,
    )


def _pieces(length: int, marks: list[_Mark]) -> Iterator[tuple[int, int, list[int], int]]:
    """Yield the pieces of a text, at all of whose characters the same values stand: its ends, the values,
    those of the shortest mark first, and how many more there are."""
    opened, closed = (defaultdict[int, list[_Mark]](list) for _ in range(2))
    for mark in marks:
        opened[mark.start].append(mark)
        closed[mark.end].append(mark)
    active = list[_Mark]()
    for start, end in pairwise(sorted({0, length, *opened, *closed})):
        for mark in closed[start]:
            del active[bisect_left(active, mark)]
        for mark in opened[start]:
            insort(active, mark)
        told = [*dict.fromkeys(mark.value for mark in active[:_MOST_AT_ONCE])]
        yield start, end, told, max(0, len(active) - _MOST_AT_ONCE)
