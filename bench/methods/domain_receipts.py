"""JSON: a sentence about what was bought becomes a document with its items and their total.

The grammar is the JSON Schema below, so `EventLog` tells the checker which values have closed. The checker
asks for what no schema says: each item stands in the sentence, no item comes twice, and the total is the
sum of count times price. It refuses an item as soon as the item has closed. A text is right if it is the
document of the task, its items in any order.

What differs from the paper: theirs are schemas of JSONSchemaBench, whose validator is the checker;
structgen's mask has all of a schema, so a checker has to know what a schema cannot say.

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import json
from typing import Any

import structgen as sg
from methods.checked_domain import DomainTask, read
from structgen.samplers import ClosedValue

ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]{1,12}$"},
        "count": {"type": "integer", "minimum": 1, "maximum": 99},
        "price": {"type": "integer", "minimum": 1, "maximum": 999},
    },
    "required": ["name", "count", "price"],
    "additionalProperties": False,
}

WRITTEN: dict[str, Any] = {**sg.JSON_DUMPS, "numbers": "plain"}
"""White space as `json.dumps` writes it, and no 2.0 for 2."""


def schema(most: int = 3) -> dict[str, Any]:
    """Return the schema of a receipt of so many items at most."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": ITEM, "minItems": 1, "maxItems": most},
            "total": {"type": "integer", "minimum": 1, "maximum": 9999},
        },
        "required": ["items", "total"],
        "additionalProperties": False,
    }


class AddsUp:
    """Receipts that are of a sentence, and whose sum is right."""

    def __init__(self, says: str) -> None:
        self._says = says.lower()
        self.fingerprint = f"receipt {says}"
        self._items: tuple[tuple[str, int], ...] = ()

    def copy(self) -> AddsUp:
        """Return a checker with the same items before it."""
        made = AddsUp(self._says)
        made._items = self._items
        return made

    def closed(self, event: ClosedValue) -> bool:
        """Return False for an item that is not in the sentence or comes twice, and for a wrong total."""
        if len(event.path) == 2:
            item = event.value
            if item["name"] not in self._says or item["name"] in dict(self._items):
                return False
            self._items += ((item["name"], item["count"] * item["price"]),)
        return event.path != ("total",) or event.value == sum(dict(self._items).values())

    def final(self, value: Any) -> bool:
        """Return whether a receipt is of the sentence and adds up."""
        found = json.loads(value) if isinstance(value, str) else value
        names = [item["name"] for item in found["items"]]
        total = sum(item["count"] * item["price"] for item in found["items"])
        return (
            all(name in self._says for name in names)
            and len({*names}) == len(names)
            and found["total"] == total
        )


def is_right(wanted: dict[str, Any], text: str) -> bool:
    """Return whether a receipt has the items and the total of another one."""
    found = json.loads(text)
    order = functools.partial(sorted, key=lambda item: item["name"])
    return (order(found["items"]), found["total"]) == (order(wanted["items"]), wanted["total"])


def written(value: dict[str, Any]) -> str:
    """Return a document as the grammar writes it."""
    return json.dumps(value)


def missing() -> str:
    """Return an empty text: nothing has to be installed."""
    return ""


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    grammar = sg.json_schema(schema(), **WRITTEN)
    return [_task(f"receipt {at}", grammar, *task) for at, task in enumerate(read("receipts")["tasks"])]


def _task(name: str, grammar: sg.Grammar, says: str, value: dict[str, Any], most: int = 96) -> DomainTask:
    told = "Write each receipt as JSON. The total is the sum of count times price."
    shown = [(sentence, written(receipt)) for sentence, receipt in read("receipts")["shown"]]
    right = functools.partial(is_right, value)
    return DomainTask(name, told, shown, says, grammar, AddsUp(says), right, written(value), most)


def small() -> DomainTask:
    """Return a task of few texts: one item of a few counts, prices and totals."""
    says, value = read("receipts")["tasks"][1]
    some = schema(1)
    few = {"name": {"enum": ["chair", "cap"]}, "count": {"enum": [1, 2]}, "price": {"enum": [4, 40]}}
    some["properties"]["items"]["items"] = {**ITEM, "properties": few}
    some["properties"]["total"] = {"enum": [4, 8, 40, 80]}
    return _task("small", sg.json_schema(some, **WRITTEN), says, value, 48)
