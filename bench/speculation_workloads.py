"""Two dozen frozen requests, for what speculation saves on a model (`bench_published.py speculation`).

    held-out sentences      sentences of tests/data/extract/hand_written.jsonl, each with its own schema
    same schema again       orders of one schema, whose names are made up by the generator below

Orders are drawn from SEED: the digest of all prompts is DIGEST, and a test compares it.
"""

from __future__ import annotations

import calendar
import json
import random
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeAlias

import structgen as sg
from structgen.json_grammars.prompting import extraction_prompt

SEED: Final = 2025
COUNT: Final = 12
"""Requests of a workload; as many orders are drawn before, so that they are those of earlier figures."""
SAME, HELD_OUT = "same schema again", "held-out sentences"
DUMPS: Final[dict[str, Any]] = {**sg.JSON_DUMPS, "escapes": "utf8"}
DIGEST: Final = "9b52af8d091dc32b"
SENTENCES: Final = Path(__file__).parents[1] / "tests" / "data" / "extract" / "hand_written.jsonl"
LINES: Final = (104, 267, 38, 188, 65, 326, 184, 142, 320, 130, 236, 208)
"""The held-out sentences by their lines, the first of which is 0."""
Item: TypeAlias = tuple[str, dict[str, Any]]
"""A prompt and a schema."""


def workloads() -> dict[str, list[Item]]:
    """Return both, always the same."""
    draw = random.Random(SEED)
    orders = [_order(draw) for _ in range(2 * COUNT)][COUNT:]
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    held_out = [json.loads(lines[line]) for line in LINES]
    return {
        HELD_OUT: [(extraction_prompt(one["schema"], one["text"]), one["schema"]) for one in held_out],
        SAME: [(_asked(one), ORDER) for one in orders],
    }


def changed(count: int) -> list[tuple[str, str]]:
    """Return prompts of orders, each as it was and with another city and quantity."""
    draw = random.Random(SEED)
    found = []
    for _ in range(count):
        order, other = _order(draw), _order(draw)
        after = order | {"city": other["city"], "quantity": order["quantity"] + 1}
        found.append((_asked(order), _asked(after)))
    return found


def digest(found: dict[str, list[Item]]) -> str:
    """Return a digest of all that the workloads consist of."""
    return blake2b(json.dumps(found).encode(), digest_size=8).hexdigest()


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
_ITEMS: Final = "lamp chair kettle bicycle blanket camera guitar tent mirror clock".split()
_MONTHS: Final = calendar.month_name[1:]
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
