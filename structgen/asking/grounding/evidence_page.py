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
from typing import Any, Final, NamedTuple

from structgen.asking.grounding.places import Stated
from structgen.base.system.html_pages import counted, rendered

# ruff: noqa: E501 (markup)

_MOST_VALUES: Final = 1_000
_MOST_MARKS: Final = 5_000
"""Places of all values together, at least one of each."""
_MOST_AT_ONCE: Final = 50
"""Values of one mark; further ones are counted."""
_LONG_TEXT: Final = 200_000
"""Characters of all texts together, from which on long stretches are cut."""
_STRETCH: Final = 300
"""Characters that stay at either end of such a stretch, and of a value in the table."""

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
<p class=faint>{{ summary }}</p>
<p class=warning>Stated is not true: a mark says that the text has these words, not that they are right.</p>
<p class=legend>{% for name, colour in fields %}<span class="swatch c{{ colour }}"><bdi>{{ name }}</bdi></span> {% endfor %}</p>
<p class=faint>Click on a value for its places, and on a mark for its values.</p>
<div class=both><section class=texts>
{% for name, pieces in texts %}
<h2><bdi>{{ name }}</bdi></h2>
<div class=text dir=auto>{% for one in pieces -%}
{% if one.values %}<mark id="{{ one.id }}" class="c{{ one.colour }}" data-v="{{ one.values }}" title="{{ one.hint }}" tabindex=0 role=button>{% endif -%}
{{ one.text }}{% if one.cut %}<span class=faint> [{{ one.cut }} left out] </span>{{ one.rest }}{% endif -%}
{% if one.values %}</mark>{% endif %}{% endfor %}</div>
{% endfor %}
</section>
<section class=wide><table><tr><th>path</th><th>value</th><th>words, characters</th><th>also read as</th></tr>
{% for row in rows %}
<tr data-v="{{ loop.index0 }}"><td><button data-v="{{ loop.index0 }}"><span class="swatch c{{ row.colour }}"><bdi>{{ row.path }}</bdi></span></button></td>
<td><bdi>{{ row.value }}</bdi></td><td>
{% if row.places %}
<div class=places>{% for id, words, where in row.places %}<button data-v="{{ row.at }}" data-to="{{ id }}"><bdi>{{ words }}</bdi> <small><bdi>{{ where }}</bdi></small></button>{% endfor %}</div>
{% else %}
<span class=faint>not stated in the text: inferred, or chosen from a list</span>
{% endif %}
{% if row.more %}<small>and at further places</small>{% endif %}</td>
<td><bdi>{{ row.others }}</bdi></td></tr>
{% endfor %}
</table></section></div>
"""


class _Piece(NamedTuple):
    """A stretch of a text, at all of whose characters the same values stand. `cut` tells how much is left out
    between `text` and `rest`."""

    text: str
    cut: str = ""
    rest: str = ""
    id: str = ""
    values: str = ""
    colour: int = 0
    hint: str = ""


def page_of(texts: Mapping[str, str], values: Sequence[Stated]) -> str:
    """Return the page of values and their places as HTML. Cost: linear in the texts, the values and the
    places; a second for the largest page, of some 10 MB."""
    shown = values[:_MOST_VALUES]
    most = max(1, _MOST_MARKS // max(1, len(shown)))
    fields: dict[str, int] = {}
    marks = {name: list[tuple[int, int, int, int]]() for name in texts}
    ids = {name: f"m{at}-" for at, name in enumerate(texts)}
    hints, rows = list[tuple[int, str]](), list[dict[str, Any]]()
    for at, one in enumerate(shown):
        path, value = _cut(one.path) or "the answer", _cut(one.value)
        field = re.sub(r"/\d+(?=/|$)", "/*", path)
        colour = fields.setdefault(field, len(fields) % (len(_COLOURS) * len(_LINES)))
        hints.append((colour, f"{path}: {value}"))
        for place in one.places[:most]:
            marks[place.text].append((place.end - place.start, place.start, place.end, at))
        places = [
            (
                f"{ids[place.text]}{place.start}",
                _cut(place.words),
                f"{f'{_cut(place.text)}, ' * (len(texts) > 1)}{place.start:,}\u00a0to\u00a0{place.end:,}",
            )
            for place in one.places[:most]
        ]
        row = {"at": at, "path": path, "value": value, "colour": colour, "places": places}
        more = one.has_more or len(one.places) > most
        rows.append({**row, "others": _cut(", ".join(one.others)), "more": more})
    stated = sum(bool(one.places) for one in values)
    summary = (
        f"{stated:,} of {counted(len(values), 'value')} {'is' if stated == 1 else 'are'} stated in the text."
    )
    if len(values) > len(shown):
        summary += f" The first {len(shown):,} are shown."
    cuts = sum(map(len, texts.values())) > _LONG_TEXT
    return rendered(
        "Evidence",
        _TEMPLATE,
        _STYLE,
        _SCRIPT,
        summary=summary,
        fields=fields.items(),
        rows=rows,
        texts=[
            (_cut(name), _pieces(text, marks[name], hints, ids[name], cuts)) for name, text in texts.items()
        ],
    )


def _pieces(
    text: str,
    marks: list[tuple[int, int, int, int]],
    hints: Sequence[tuple[int, str]],
    prefix: str,
    cuts: bool,
) -> Iterator[_Piece]:
    """Yield the pieces of a text. `marks`: the length, the ends and the value of each; where some overlap, the
    shortest one gives its colour."""
    opened, closed = (defaultdict[int, list[tuple[int, int, int, int]]](list) for _ in range(2))
    for mark in marks:
        opened[mark[1]].append(mark)
        closed[mark[2]].append(mark)
    active: list[tuple[int, int, int, int]] = []
    for start, end in pairwise(sorted({0, len(text), *opened, *closed})):
        for mark in closed[start]:
            del active[bisect_left(active, mark)]
        for mark in opened[start]:
            insort(active, mark)
        piece, cut, rest = text[start:end], "", ""
        if cuts and len(piece) > 3 * _STRETCH:
            cut = counted(len(piece) - 2 * _STRETCH, "character")
            piece, rest = piece[:_STRETCH], piece[-_STRETCH:]
        told = [*dict.fromkeys(mark[3] for mark in active[:_MOST_AT_ONCE])]
        said = [hints[at][1] for at in told]
        if len(active) > _MOST_AT_ONCE:
            said.append(f"and {len(active) - _MOST_AT_ONCE:,} more")
        colour = hints[told[0]][0] if told else 0
        yield _Piece(piece, cut, rest, f"{prefix}{start}", " ".join(map(str, told)), colour, "\n".join(said))


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _STRETCH else f"{text[:_STRETCH]} …"
