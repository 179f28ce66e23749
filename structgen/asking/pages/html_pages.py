"""Makes HTML pages, each one file that loads nothing else, and the HTML of values in notebooks.

A *page* is a whole document of HTML. A *template* is the body of a page in the language of jinja2; all pages
share the head and the style below. A template may call these macros: `facts` (names with their values),
`token` (the text of a token, redder for a larger number), `bar` (intervals on a line), `plot` (columns over
an axis) and `key` (the meanings of colours). A *cell* is the place of a notebook that shows one value. A
*share* is a part of a whole, as a number from 0 to 1.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final, NamedTuple

from structgen.base.printable import in_cell, printable

# ruff: noqa: E501 (markup)

_STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1d2330; --paper: #fff; --soft: #f4f6fa; --faint: #667085; --line: #d9dee8;
  --blue: #3566d6; --red: #d6493c; --amber: #b86b00; --grey: #b4bccb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --paper: #14171d; --soft: #1d222b; --faint: #97a1b3;
  --line: #333b49; --blue: #7ba4ff; --red: #ff7b6e; --amber: #f0a640; --grey: #515b6c; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 2rem 1.2rem 4rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .3rem; }
p { margin: .3rem 0 .8rem; max-width: 48rem; } .faint, small { color: var(--faint); }
.warning { border-left: 4px solid var(--red); background: var(--soft); padding: .6rem .9rem; }
code, .text, td.token { font-family: ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.text { line-height: 2; border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.text span, code span { border-bottom: 2px solid transparent; border-radius: 2px; } .fixed { color: var(--faint); }
.text .forced { border-color: var(--blue); } .steered { outline: 1px solid var(--red); }
.open { display: inline-block; background: var(--line); margin: 0 1px; width: .9em; height: .9em; }
.new { --red: var(--blue); outline: 1px solid var(--blue); }
.cards, .fields { display: grid; gap: .7rem; margin: 1.2rem 0; }
.cards { grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); }
.fields { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.card { background: var(--soft); border-radius: 10px; padding: .8rem 1rem; font-size: .85rem; }
.card b { display: block; font-size: 1.5rem; } .card span, .card i { display: block; font-style: normal; }
.field { border: 1px solid var(--line); border-radius: 10px; padding: .7rem .9rem; min-width: 0; }
.field table { table-layout: fixed; } .field td { border: 0; } .field > small { display: block; } .field td:first-child { width: 30%; }
.field td.number { width: 10.5rem; } .cut { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .15rem .5rem; border-bottom: 1px solid var(--line); }
.number { text-align: right; white-space: nowrap; } td.token { min-width: 4rem; } .wide { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem; font-size: .88rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem; vertical-align: -1px; }
.bar { position: relative; height: .7rem; background: var(--soft); } .bar > * { position: absolute; top: 0; height: 100%; }
.bar .line { top: 40%; height: 20%; } .bar .mark { width: .6rem; height: .6rem; margin: .05rem -.3rem;
  transform: rotate(45deg); }
.plot { display: grid; grid-template-columns: max-content 1fr; gap: .2rem .5rem; margin: 1rem 2rem 1.6rem 0; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; }
.chart { display: flex; height: 10rem; gap: 1px; border: solid var(--line); border-width: 0 0 1px 1px; }
.chart > div { flex: 1; min-width: 1px; position: relative; } .chart i { position: absolute; bottom: 0; }
.ticks { position: relative; height: 1.2rem; grid-column: 2; } .ticks span { position: absolute;
  transform: translateX(-50%); white-space: nowrap; } .title { grid-column: 1 / 3; }
"""
_HEAD: Final = """\
<!doctype html><html lang=en><meta charset=utf-8>
{% if script %}
<meta http-equiv=Content-Security-Policy content="{{ policy }}">
{% endif %}
<title>{{ title }}</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<style>{{ style|safe }}</style>
{% macro facts(pairs) %}
<dl>{% for name, said in pairs %}<dt>{{ name }}</dt><dd>{{ said }}</dd>{% endfor %}</dl>
{% endmacro %}
{% macro token(text, red=0, hint="", kind="") -%}
<span class='{{ kind }}'{% if hint %} style='background:color-mix(in srgb,var(--red) {{ (100 * red)|round|int }}%,transparent)'
 title="{{ hint }}"{% endif %}>{{ text }}</span>
{%- endmacro %}
{% macro key() %}
<p class="key faint">{% for colour, said in varargs %}<i style="background:var(--{{ colour }})"></i>{{ said }}{% endfor %}</p>
{% endmacro %}
{% macro span(low, high, colour, kind="") -%}
<div class="{{ kind }}" style="left:{{ low|css }};width:{{ (high - low)|css }};background:var(--{{ colour }})"></div>
{%- endmacro %}
{% macro bar(parts, mark=none, colour="blue") %}
<div class=bar>{% for part in parts %}{{ span(*part) }}{% endfor %}
{% if mark is not none %}<div class=mark style="left:{{ mark|css }};background:var(--{{ colour }})"></div>{% endif %}</div>
{% endmacro %}
{% macro plot(label, name, across, most, columns, colour) %}
<div class=plot role=img aria-label="{{ label }}"><small class=title>{{ name }}</small>
<div class=scale>{% for part in (1, 0.5, 0) %}<small class=axis>{{ "%.4g"|format(100 * most * part) }} %</small>{% endfor %}</div>
<div class=chart>{% for one in columns %}<div title="{{ one.hint }}">
{%- if one.beside is not none %}<i style="left:0;width:100%;height:{{ one.beside|css }};background:var(--grey);opacity:.4"></i>{% endif %}
<i style="left:20%;width:60%;height:{{ (one.share / most)|css }};background:var(--{{ colour }})"></i>
{%- if one.high > one.low %}<i style="left:50%;width:2px;bottom:{{ (one.low / most)|css -}}
;height:{{ ((one.high - one.low) / most)|css }};background:var(--ink)"></i>{% endif %}</div>{% endfor %}</div>
<div class=ticks>{% for one in columns if one.tick %}
<span style="left:{{ (one.at / columns|length)|css }}"><small class=axis>{{ one.tick }}</small></span>
{%- endfor %}</div><small class="title number axis">{{ across }}</small></div>
{% endmacro %}
<h1>{{ title }}</h1>
"""

_MOST_ROWS: Final = 20
"""The most rows of a table in a notebook."""
_MOST_IN_CELL: Final = 1 << 22
"""The most characters of a page that a notebook shows: those of a text of some 5,000 tokens."""
NOTHING: Final = 0.0005
"""Shares below this one count as none, because one decimal place would show them as 0.0 %."""


class Column(NamedTuple):
    """A column of a plot."""

    share: float
    """The height of the column, in the unit of the vertical axis."""
    at: float
    """The place of its tick, in columns from the left."""
    tick: str
    """The name of its tick, shown below the column; "" for no tick."""
    hint: str
    """The text that a browser shows while the pointer is on the column."""
    low: float = 0.0
    """The lower end of its interval. No interval is drawn if both ends are equal."""
    high: float = 0.0
    """The upper end of its interval."""
    beside: float | None = None
    """The height of a grey column that is drawn behind it, as a share of the whole axis; None: there is none."""


def render_page(title: str, template: str, style: str = "", script: str = "", **values: Any) -> str:
    """Return a page as HTML.

    `template`: the body, in which jinja2 replaces names by `values`; they are escaped, and their control
    characters become visible. `style`: CSS that is added to the style of all pages. `script`: JavaScript. A
    page with a script has a security policy: a browser runs only this script, applies only this style, and
    loads nothing. Cost: some 50 ms for the first page, which imports jinja2.
    """
    from jinja2 import Environment  # start-up time

    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.globals["NOTHING"] = NOTHING
    environment.filters |= {
        # a share as a length in CSS: 0.5 -> 50.00%
        "css": lambda share: f"{100 * min(max(share, 0.0), 1.0):.2f}%",
        "percent": format_percent,
        "number": format_number,
        "counted": format_count,
    }
    # The policy has the digest of the whole style: a browser refuses a style that differs by a character.
    style = _STYLE + style
    policy = (
        f"default-src 'none'; style-src {_policy_digest(style)}; script-src {_policy_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    source = f"{_HEAD}{template}{{% if script %}}<script>{{{{ script|safe }}}}</script>{{% endif %}}</html>\n"
    return environment.from_string(source).render(
        title=title,
        style=style,
        script=script,
        policy=policy,
        **values,
    )


def _policy_digest(text: str) -> str:
    """Return the digest of a style or a script, as a Content-Security-Policy names it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def frame_page(page: str, short_text: str, permission: str = "") -> str:
    """Return the HTML with which a notebook shows a page in a frame.

    `short_text`: the text that is shown instead of a page that is too long. `permission`: what the page may
    do inside the frame, as a word of the HTML attribute `sandbox`, such as "allow-scripts"; "": nothing runs.
    """
    if len(page) > _MOST_IN_CELL:
        return f"<p>{html.escape(short_text)}</p>"
    frame = f'sandbox="{permission}" style="width:100%;height:32rem;border:0"'
    return f'<iframe srcdoc="{html.escape(page)}" {frame}></iframe>'


def notebook_cell(
    facts: Iterable[tuple[str, Any]],
    heads: Sequence[str] = (),
    rows: Iterable[Sequence[Any]] = (),
) -> str:
    """Return the HTML of a cell: a table of facts with their names, and a table of `rows` below it.

    `heads`: the names of the columns of `rows`. All values are escaped, and long ones are cut. The lower
    table has twenty rows at most, and is left out if there are no rows.
    """
    facts_html = "".join(f"<tr><th>{in_cell(name)}</th><td>{in_cell(fact)}</td></tr>" for name, fact in facts)
    rows_html = ""
    for row in islice(rows, _MOST_ROWS):
        cells = "".join(f"<td>{in_cell(value)}</td>" for value in row)
        rows_html += f"<tr>{cells}</tr>"
    head = "".join(f"<th>{in_cell(name)}</th>" for name in heads)
    return f"<table>{facts_html}</table>" + f"<table><tr>{head}</tr>{rows_html}</table>" * bool(rows_html)


def format_percent(share: float) -> str:
    """Return a share as a percentage with one decimal place: 0.25 -> `25.0%`, 0.0001 -> `< 0.1%`."""
    if share <= 0 or share > 1 - 1e-12:
        return f"{share:.0%}"
    if share < NOTHING:
        return "< 0.1%"
    return f"{share:.1%}" if share < 1 - NOTHING else "> 99.9%"


def format_number(value: float) -> str:
    """Return a number with three digits, or two if it is below 0.001: 12.345 -> `12.3`."""
    return f"{value:.3g}" if value == 0 or value >= 1e-3 else f"{value:.1e}"


def format_count(count: int, name: str) -> str:
    """Return a count before its noun, in the singular or the plural: `1 draw`, `3 draws`."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"
