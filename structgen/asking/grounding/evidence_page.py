"""The page of evidence: texts with a mark at each place of a value, and a table of the values.

A click on a value shows its places, a click on a mark shows its values; Enter does what a click does. The
page is one file with a policy: it loads nothing, and runs its own script alone. Its size is bounded: of long
texts the stretches without a mark are cut, and of many values and places the first are shown, as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from structgen.asking.grounding.places import Stated
from structgen.base.system import marked_texts
from structgen.base.system.html_pages import rendered
from structgen.base.system.marked_texts import Mark, coloured, field_of, pieces

# ruff: noqa: E501 (markup)

_MOST_VALUES: Final = 1_000
_MOST_MARKS: Final = 5_000
"""Places of all values together, at least one of each."""
_LONG_TEXT: Final = 200_000
"""Characters of all texts together, from which on long stretches are cut."""

_STYLE: Final = """\
body { max-width: 88rem; }
.both { display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 1fr); }
.texts h2 { margin-top: .8rem; } .both .text { font-family: inherit; }
@media (min-width: 68rem) { .both { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); }
  .texts { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow: auto; align-self: start; } }
td:first-child { min-width: 9.5rem; }
tr[data-v] { cursor: pointer; scroll-margin: 4rem; } tr.on { background: var(--soft); } tr.on td:first-child { box-shadow: inset 3px 0 var(--ink); }
.places { max-height: 9rem; overflow: auto; } .places button { display: block; } .places button:hover { text-decoration: underline; }
"""
_TEMPLATE: Final = """\
<p class=faint>{{ values|selectattr("places")|list|length }} of {{ values|length|counted("value") }} stated in the text.
{% if values|length > shown|length %}The first {{ shown|length|counted("value") }} are shown.{% endif %}</p>
<p class=warning>Stated is not true: a mark says that the text has these words, not that they are right.</p>
{{ legend(fields) }}
<p class=faint>Click on a value for its places, and on a mark for its values.</p>
<div class=both><section class=texts>
{% for name, text in texts.items() %}
{% set number = loop.index0 %}
<h2><bdi>{{ cut(name) }}</bdi></h2>
<div class=text dir=auto>
{%- for start, end, told, more in pieces[name] -%}
{% if told %}{{ begun(number, start, told, more) }}{% endif -%}
{% if cuts and end - start > 900 %}{{ text[start:start + 300] }}<span class=faint> [{{ (end - start - 600)|counted("character") }} left out] </span>{{ text[end - 300:end] }}
{%- else %}{{ text[start:end] }}{% endif -%}
{% if told %}</mark>{% endif %}{% endfor %}</div>
{% endfor %}
</section>
<section class=wide><table><tr><th>path</th><th>value</th><th>words, characters</th><th>also read as</th></tr>
{% for one in shown %}
{% set at = loop.index0 %}
<tr data-v="{{ at }}"><td><button data-v="{{ at }}"><span class="swatch {{ classes[at] }}"><bdi>{{ path(one) }}</bdi></span></button></td>
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


def page_of(texts: Mapping[str, str], values: Sequence[Stated]) -> str:
    """Return the page of values and their places as HTML. Cost: linear in the texts, the values and the
    places; a second for the largest page, of some 10 MB."""
    shown = values[:_MOST_VALUES]
    most = max(1, _MOST_MARKS // max(1, len(shown)))
    names = [field_of(one.path) for one in shown]
    fields = coloured(names)
    marks = {name: list[Mark]() for name in texts}
    for at, one in enumerate(shown):
        for place in one.places[:most]:
            marks[place.text].append(Mark(place.end - place.start, place.start, place.end, at))
    return rendered(
        "Evidence",
        marked_texts.MACROS + _TEMPLATE,
        marked_texts.STYLE + _STYLE,
        marked_texts.SCRIPT,
        texts=texts,
        order={name: at for at, name in enumerate(texts)},
        values=values,
        shown=shown,
        most=most,
        fields=fields.items(),
        classes=[fields[name] for name in names],
        pieces={name: pieces(len(text), marks[name]) for name, text in texts.items()},
        cuts=sum(map(len, texts.values())) > _LONG_TEXT,
    )
