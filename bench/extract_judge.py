"""What is right in the items that somebody found in a document of bench/extract_documents.py.

Texts are equal but for case, white space, `the` at the beginning, and quotation marks and stops at the ends.
Numbers are equal by value, also where they are found as text with a unit (`£1,200`), and days in each way in
which the documents write them. So a library that writes an amount as text is not at a disadvantage.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from extract.order_mails import NUMBERS
from extract.writing import CertainItem, ExtractDocument

_FORMS = ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d %b %Y", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d")


@dataclass(frozen=True)
class FoundItem:
    """An item that somebody found: its values as JSON has them, and by field its place `(start, end)`."""

    value: Mapping[str, Any]
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def folded(text: str) -> str:
    """Return a text without what does not tell names apart."""
    plain = " ".join(text.split()).casefold().strip("\"'.,;:\u201c\u201d\u2018\u2019 ")
    return plain.removeprefix("the ")


def read_number(found: Any) -> float | None:
    """Return the one number that a value says; None where it says none, or more than one."""
    if isinstance(found, bool) or found is None:
        return None
    if isinstance(found, int | float):
        return float(found)
    text = str(found).strip().casefold()
    if text in NUMBERS:
        return float(NUMBERS.index(text))
    numbers = re.findall(r"-?\d+(?:,\d{3})*(?:\.\d+)?", text)
    return float(numbers[0].replace(",", "")) if len(numbers) == 1 else None


def read_day(found: Any) -> dt.date | None:
    """Return the day that a value says; None where it says none."""
    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", str(found).strip())
    for form in _FORMS:
        try:
            return dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def says(found: Any, wanted: Any) -> bool:
    """Tell whether a value, or a text, says what another one is, which JSON has."""
    if isinstance(wanted, int | float | Decimal):
        return read_number(found) == float(wanted)
    if not isinstance(found, str) or not isinstance(wanted, str):
        return False
    if re.fullmatch(r"\d{4}-\d\d-\d\d", wanted):
        return read_day(found) == dt.date.fromisoformat(wanted)
    return folded(found) == folded(wanted)


def rightness(document: ExtractDocument, found: Sequence[FoundItem]) -> dict[str, int]:
    """Return what is right in the items that somebody found, as the columns of bench/bench_extract.py.

    `certain`: items that the document states; `keys`: those that are found by the text that tells them apart;
    `found`: those of which also all other fields are right; `invented`: items that the document does not
    state, and `absent`, of these, those whose text is not in the document at all; `twice`: items that were
    found before. `places`: places that are told; `said`: those where the document says the field's value.
    `own_places` and `exact`: of right fields of items that are certain, the places that are told, and those
    that are said and are of a mention of this item. `unplaced`: items that have no place for the text that
    tells them apart.
    """
    certain = {folded(one.value[document.key]): one for one in document.items}
    text = folded(document.text)
    groups: dict[str, list[FoundItem]] = defaultdict(list)
    count = dict.fromkeys(
        "certain keys found invented absent twice places said own_places exact unplaced".split(), 0
    )
    for one in found:
        key = folded(str(one.value.get(document.key)))
        known = certain.get(key)
        if known is None:
            count["invented"] += 1
            count["absent"] += not key or key not in text
        else:
            groups[key].append(one)
        count["unplaced"] += document.key not in one.spans
        for name, (start, end) in one.spans.items():
            is_said = says(document.text[start:end], one.value.get(name))
            count["places"] += 1
            count["said"] += is_said
            if known is not None and says(one.value.get(name), known.value.get(name)):
                count["own_places"] += 1
                count["exact"] += is_said and any(
                    start < last and first < end for first, last in known.places[name]
                )
    count["certain"], count["keys"] = len(certain), len(groups)
    count["found"] = sum(any(_all_right(certain[key], one) for one in same) for key, same in groups.items())
    count["twice"] = sum(len(same) - 1 for same in groups.values())
    return count


def _all_right(wanted: CertainItem, found: FoundItem) -> bool:
    return all(says(found.value.get(name), one) for name, one in wanted.value.items())
