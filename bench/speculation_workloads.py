"""The four frozen workloads of bench_speculation.py's wall times.

    two fields changed      an order, of which the caller has the document as it was: in the sentence of the
                            request two values are others. The document as it was is what the model itself
                            wrote for the sentence as it was.
    same schema again       an order, after twelve others of the same tenant and schema
    twenty records          an array of twenty people from a list of twenty. structgen/extract cannot write it
                            (trained on at most 320 tokens, it loses its place after some six records): the
                            right document is replayed, its logits overriding the model's.
    held-out sentences      sentences of tests/data/extract/hand_written.jsonl, each with its own schema

In all but the third structgen/extract chooses: its own greedy answers. Names are made up by the generator
below, so that no sentence is one of the model's training. Everything is drawn from SEED: the digest of all
prompts is DIGEST, and a test compares it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import structgen as sg
from structgen.json_grammars.prompting import extraction_prompt

SEED: Final = 2025
COUNT: Final = 32
"""Requests of a workload."""
EARLIER: Final = 12
CHANGED, SAME, TWENTY, HELD_OUT = (
    "two fields changed",
    "same schema again",
    "twenty records",
    "held-out sentences",
)
NAMES: Final = (CHANGED, SAME, TWENTY, HELD_OUT)
DUMPS: Final[dict[str, Any]] = {**sg.JSON_DUMPS, "escapes": "utf8"}
DIGEST: Final = "faa58d3226ba65ee"


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a workload."""

    prompt: str
    schema: dict[str, Any]
    before: str = ""
    """The prompt of which the model's answer is the caller's text."""
    answer: str = ""
    """The document that is replayed; empty: the model chooses."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload: its requests, and prompts whose answers have come earlier."""

    name: str
    items: list[Item]
    earlier: list[Item]

    @property
    def is_replayed(self) -> bool:
        """Whether the answers are given."""
        return bool(self.items[0].answer)


def workloads() -> dict[str, Workload]:
    """Return all four, always the same."""
    draw = random.Random(SEED)
    orders = [_order(draw) for _ in range(COUNT + EARLIER)]
    again = [Item(_asked(one), ORDER) for one in orders]
    edits = []
    for _ in range(COUNT):
        before = _order(draw)
        after = before | {key: _order(draw)[key] for key in draw.sample(_FREE, 2)}
        edits.append(Item(_asked(after), ORDER, before=_asked(before)))
    return {
        CHANGED: Workload(CHANGED, edits, []),
        SAME: Workload(SAME, again[EARLIER:], again[:EARLIER]),
        TWENTY: Workload(TWENTY, [_twenty(draw) for _ in range(COUNT)], []),
        HELD_OUT: Workload(HELD_OUT, _held_out(draw), []),
    }


def digest(found: dict[str, Workload]) -> str:
    """Return a digest of all that the workloads consist of."""
    parts = [
        (name, item.prompt, item.schema, item.before, item.answer)
        for name, one in found.items()
        for item in (*one.items, *one.earlier)
    ]
    return blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


# --- orders -------------------------------------------------------------------------------------------------


def _object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TEXT, _WHOLE, _YES = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
ORDER: Final = _object(
    customer=_TEXT,
    age=_WHOLE,
    city=_TEXT,
    item=_TEXT,
    quantity=_WHOLE,
    price={"type": "number"},
    deadline={"type": "string", "format": "date"},
    seller=_TEXT,
    paid=_YES,
    gift=_YES,
)
_FREE: Final = ["age", "city", "quantity", "price", "deadline"]
"""The fields of which two are changed."""
_ITEMS: Final = (
    "lamp",
    "chair",
    "kettle",
    "bicycle",
    "blanket",
    "camera",
    "guitar",
    "tent",
    "mirror",
    "clock",
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_STARTS, _MIDDLES, _ENDS = (
    "B D F G H J K L M N P R S T V Z".split(),
    "a e i o u ei or an il ar".split(),
    "n l r s t k".split(),
)


def _name(draw: random.Random) -> str:
    """Return a made-up name of two syllables."""
    first = draw.choice(_STARTS) + draw.choice(_MIDDLES)
    return first + draw.choice(_ENDS) + draw.choice(_MIDDLES) + draw.choice(_ENDS)


def _order(draw: random.Random) -> dict[str, Any]:
    return {
        "customer": f"{_name(draw)} {_name(draw)}",
        "age": draw.randint(19, 88),
        "city": _name(draw),
        "item": draw.choice(_ITEMS),
        "quantity": draw.randint(2, 12),
        "price": 10 * draw.randint(4, 99),
        "deadline": (draw.randint(1, 28), draw.choice(_MONTHS), draw.randint(2010, 2030)),
        "seller": f"{_name(draw)} {_name(draw)}",
        "paid": draw.random() < 0.5,
        "gift": draw.random() < 0.5,
    }


def _asked(order: dict[str, Any]) -> str:
    day, month, year = order["deadline"]
    paid = "has paid" if order["paid"] else "has not paid"
    gift = "it is a gift" if order["gift"] else "it is not a gift"
    told = (
        f"{order['customer']}, {order['age']}, of {order['city']}"
        f" ordered {order['quantity']} {order['item']}s for ${order['price']}"
        f" from {order['seller']} by {day} {month} {year}. The customer {paid}, and {gift}."
    )
    return extraction_prompt(ORDER, told)


# --- twenty records -----------------------------------------------------------------------------------------

_PERSON: Final = _object(name=_TEXT, age=_WHOLE, city=_TEXT, member=_YES)
PEOPLE: Final = {"type": "array", "items": _PERSON, "minItems": 20, "maxItems": 20}


def _twenty(draw: random.Random) -> Item:
    people = [
        {
            "name": f"{_name(draw)} {_name(draw)}",
            "age": draw.randint(19, 88),
            "city": _name(draw),
            "member": draw.random() < 0.5,
        }
        for _ in range(20)
    ]
    told = "; ".join(
        f"{one['name']}, {one['age']}, of {one['city']}{', a member' if one['member'] else ''}"
        for one in people
    )
    return Item(extraction_prompt(PEOPLE, f"{told}."), PEOPLE, answer=json.dumps(people))


# --- held-out sentences -------------------------------------------------------------------------------------

SENTENCES: Final = Path(__file__).parents[1] / "tests" / "data" / "extract" / "hand_written.jsonl"


def _held_out(draw: random.Random) -> list[Item]:
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return [Item(extraction_prompt(one["schema"], one["text"]), one["schema"]) for one in _drawn(draw, lines)]


def _drawn(draw: random.Random, lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in draw.sample(lines, COUNT):
        yield json.loads(line)
