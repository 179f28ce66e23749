"""Writes the page of evidence: the texts with a mark at each place of a value, and a table of the values.

A *place* is a stretch of a text that states a value. Values that a person should check come first, each with
the reasons. Where there are many values or places, the page shows the first ones, and says so. The docstring of `marked_texts` names what may be done with the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from structgen.asking.grounding.places import Stated
from structgen.asking.pages.html_pages import format_count
from structgen.asking.pages.marked_texts import UNSURE, Mark, colour_classes, field_of, marked_page

# ruff: noqa: E501 (markup)

MOST_LISTED: Final = 1_000
"""Values of a page, and places of a value: nobody reads a longer table to its end."""
_MOST_MARKS: Final = 5 * MOST_LISTED
"""Places of all values together, at least one of each: 3 MB of a page beside its texts."""

_ROWS: Final = """\
{% macro head() %}<tr><th>path</th> <th>value</th> <th>words, characters</th> <th>also read as</th></tr>{% endmacro %}
{% macro row(at) %}
{% set one = shown[at] %}<tr><td><b><bdi>{{ cut(one.path or "the answer") }}</bdi></b>
{% if one.others %} <span class=why>{{ one.others|length + 1 }} readings</span>{% endif %}
{% if not ranks[at][1] %} <span class=why>{{ confidences[one.path]|percent }} sure</span>{% endif %}
{% if not ranks[at][2] %} <span class=why>{{ one.places|length }}{{ "+" if one.has_more }} places</span>{% endif %}
{% if not one.places %} <span class=why>not found in the text</span>{% endif %}</td> <td>{{ line(at, "", one.value) }}</td> <td><div class=places>
{% for place in one.places[:most] %}
{{ line(at, "m%d-%d"|format(order[place.text], place.start), place.words, "%s%s to %s%s"|format(place.text ~ ", " if texts|length > 1 else "", "{:,}".format(place.start), "{:,}".format(place.end), ", repaired" if place.match == "repaired" else "")) }}
{% else %}
<small>inferred, or chosen from a list</small>
{% endfor %}</div>
{% if one.has_more or one.places|length > most %}<small>and at further places</small>{% endif %}</td> <td><bdi>{{ cut(one.others|join(", ")) }}</bdi></td></tr>
{% endmacro %}
"""


def page_of(texts: Mapping[str, str], values: Sequence[Stated], confidences: Mapping[str, float]) -> str:
    """Return the page of values and their places as HTML. `confidences`: how sure the model was of values, by
    path. Cost: that of `marked_page`."""
    ranks = [_check_rank(value, confidences.get(value.path, 1)) for value in values]
    page_values = values[:MOST_LISTED]
    max_places = max(1, _MOST_MARKS // max(1, len(page_values)))
    names = [field_of(stated.path) for stated in page_values]
    fields = colour_classes(names)
    marks = {name: list[Mark]() for name in texts}
    for index, value in enumerate(page_values):
        for place in value.places[:max_places]:
            mark = Mark(place.end - place.start, place.start, place.end, index)
            marks[place.text].append(mark)
    summary = (
        f"{sum(bool(stated.places) for stated in values):,} of "
        f"{format_count(len(values), 'value')} found in the text."
    )
    if check_count := sum(not all(rank) for rank in ranks):
        summary += f" {format_count(check_count, 'value')} to check first."
    if len(page_values) < len(values):
        summary += f" The first {format_count(len(page_values), 'value')} are shown."
    return marked_page(
        "Evidence",
        _ROWS,
        texts,
        marks,
        told=f"{summary} A match shows that the text contains these words, not that they are correct.",
        noun="value",
        fields=[(name or "the answer", colour) for name, colour in fields.items()],
        rows=sorted(range(len(page_values)), key=ranks.__getitem__),
        ranks=ranks,
        confidences=confidences,
        shown=page_values,
        classes=[fields[name] for name in names],
        most=max_places,
        order={name: at for at, name in enumerate(texts)},
    )


def _check_rank(value: Stated, confidence: float) -> tuple[bool, ...]:
    """Return the sort key of a value: a flag for each reason to check it, the strongest reason first. A flag
    is False where the reason applies, so that such a value comes first."""
    is_at_one_place = len(value.places) < 2 and not value.has_more
    return not value.others, confidence >= UNSURE, is_at_one_place, bool(value.places)
