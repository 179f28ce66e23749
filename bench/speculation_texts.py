"""Frozen requests for what speculation saves on a model, and what a way of drafting needs of each.

    held-out sentences        sentences of tests/data/extract/hand_written.jsonl, each with its own schema
    same schema again         orders of one schema, whose names are made up by a generator
    8 samples side by side    three prompts, at temperature 0.7
    8 samples in turn         the same, one after another
    two fields changed        documents of which the prompt holds an earlier form, two fields of it to be
                              changed (greedy)

The first two are `bench_published.py speculation`; orders are drawn from SEED, and a test compares the digest
of all prompts. The others are `make bench-methods METHODS="--only drafters"`, by counts alone: `free_rows`
has the engine ask drafters in every pass and take all that they guess, so no clock decides. The passes are
those behind the prompt; of 8 samples a pass of the batch counts once for each text in it.
"""

from __future__ import annotations

import calendar
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import structgen as sg
from structgen.decoding.speculation.drafts.draft import NO_DRAFT
from structgen.decoding.speculation.planning.speculator import Speculator
from structgen.grammars.json_grammars.prompting import extraction_prompt

SEED: Final = 2025
COUNT: Final = 12
"""Requests of each of the first two; as many orders are drawn before, so that they are those of earlier
figures."""
SAME, HELD_OUT = "same schema again", "held-out sentences"
SAMPLES, IN_TURN, CHANGED = "8 samples side by side", "8 samples in turn", "two fields changed"
DUMPS: Final[dict[str, Any]] = {**sg.JSON_DUMPS, "escapes": "utf8"}
SENTENCES: Final = Path(__file__).parents[1] / "tests" / "data" / "extract" / "hand_written.jsonl"
LINES: Final = (104, 267, 38, 188, 65, 326, 184, 142, 320, 130, 236, 208)
"""The held-out sentences by their lines, the first of which is 0."""
Item = tuple[str, dict[str, Any]]
"""A prompt and a schema."""


def workloads() -> dict[str, list[Item]]:
    """Return the first two, always the same."""
    draw = random.Random(SEED)
    orders = [_order(draw) for _ in range(2 * COUNT)][COUNT:]
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    held_out = [json.loads(lines[line]) for line in LINES]
    return {
        HELD_OUT: [(extraction_prompt(one["schema"], one["text"]), one["schema"]) for one in held_out],
        SAME: [(_asked(one), ORDER) for one in orders],
    }


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
_STARTS: Final = "B D F G H J K L M N P R S T V Z".split()
_MIDDLES: Final = "a e i o u ei or an il ar".split()
_ENDS: Final = "n l r s t k".split()


def _name(draw: random.Random) -> str:
    """Return a made-up name of two syllables."""
    return "".join(draw.choice(part) for part in (_STARTS, _MIDDLES, _ENDS, _MIDDLES, _ENDS))


def _order(draw: random.Random) -> dict[str, Any]:
    return {
        "customer": f"{_name(draw)} {_name(draw)}",
        "age": draw.randint(19, 88),
        "city": _name(draw),
        "item": draw.choice(_ITEMS),
        "quantity": draw.randint(2, 12),
        "price": 10 * draw.randint(4, 99),
        "deadline": (draw.randint(1, 28), draw.choice(calendar.month_name[1:]), draw.randint(2010, 2030)),
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


# --- samples and documents that are changed -----------------------------------------------------------------

_SHORT, _YEAR = {"type": "string", "maxLength": 40}, {"type": "integer", "minimum": 0, "maximum": 2100}
_LONG: Final = {"type": "string", "maxLength": 120}
_SOLD: Final = _object(customer=_SHORT, city=_SHORT, item=_SHORT, quantity=_YEAR, price=_YEAR, paid=_YES)
_PERSON: Final = _object(name=_SHORT, age=_YEAR, city=_SHORT)
_GENRES: Final = {"enum": ["novel", "history", "poetry", "science"]}
_BOOK: Final = {"title": _SHORT, "author": _SHORT, "year": _YEAR, "genre": _GENRES, "summary": _LONG}
_MORE: Final = {"criticism": _LONG, "publisher": _SHORT, "pages": _YEAR, "translator": _SHORT}


def _list(items: Any, count: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": count, "maxItems": count}


def _rows(schema: dict[str, Any], *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return objects of a schema, from their values."""
    return [dict(zip(schema["properties"], row, strict=True)) for row in rows]


_SAMPLED: Final[dict[str, Item]] = {
    "order": (
        "Mara Velt of Orsk ordered 12 lamps for 340 dollars and has paid. Write the order as JSON.",
        _SOLD,
    ),
    "people": (
        "Write a JSON array of three people who live in Italy: name, age and city.",
        _list(_PERSON, 3),
    ),
    "book": (
        "Describe a famous book as JSON: title, author, year, genre and a summary of one sentence.",
        _object(**_BOOK),
    ),
}
_NOVEL: Final = (
    "The Quiet Harbour",
    "Edda Lind",
    1954,
    "novel",
    "A fisherman's daughter returns to the village and finds the letters of her mother.",
    "Slow in its first half, and then so tense that one forgets to eat.",
    "Nordlys Press",
    312,
    "Tomas Reed",
)
_DOCUMENTS: Final[dict[str, tuple[Any, dict[str, Any], dict[str, Any]]]] = {
    "order": (
        _rows(
            _SOLD,
            ("Mara Velt", "Orsk", "lamp", 12, 340, True),
            ("Tilo Brandt", "Jena", "tent", 2, 510, False),
            ("Ines Alba", "Cadiz", "mirror", 4, 95, True),
        ),
        {"city": "Lund", "quantity": 9},
        _list(_SOLD, 3),
    ),
    "people": (
        _rows(
            _PERSON,
            ("Anna Rossi", 34, "Rome"),
            ("Marco Bianchi", 51, "Milan"),
            ("Luca Ferri", 27, "Turin"),
            ("Giulia Conti", 45, "Bari"),
            ("Paolo Greco", 62, "Genoa"),
            ("Sara Villa", 19, "Verona"),
        ),
        {"age": 52, "city": "Naples"},
        _list(_PERSON, 6),
    ),
    "book": (
        _rows(_object(**_BOOK, **_MORE), _NOVEL)[0],
        {"year": 1961, "genre": "history"},
        _object(**_BOOK, **_MORE),
    ),
}
"""A document, what is to be changed, and the schema."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a workload; 8 of it where it is sampled."""

    workload: str
    name: str
    prompt: str
    grammar: sg.Grammar
    before: str = ""
    """The document as it was."""

    def request(self, how: Any, most: int = 200) -> sg.Request:
        """Return its request with a way of drafting."""
        heat, count = (0.0, 1) if self.workload == CHANGED else (0.7, 8)
        sampling = sg.Sampling(temperature=heat, seed=1)
        asked = self.prompt, self.grammar, sampling
        return sg.Request(*asked, max_tokens=most, n=count, speculation=how, outline=False)


def texts() -> list[Text]:
    """Return three texts of each workload."""
    found = []
    for workload in (SAMPLES, IN_TURN):
        for name, (prompt, schema) in _SAMPLED.items():
            found.append(Text(workload, name, prompt, sg.json_schema(schema, **sg.JSON_DUMPS)))
    for name, (document, change, schema) in _DOCUMENTS.items():
        before = json.dumps(document)
        wanted = " and ".join(f"{key} to {json.dumps(value)}" for key, value in change.items())
        where = " of the second person" if isinstance(document, list) else ""
        prompt = f"{before}\nRepeat this JSON document exactly, but change {wanted}{where}."
        found.append(Text(CHANGED, name, prompt, sg.json_schema(schema, **sg.JSON_DUMPS), before))
    return found


def extract_texts(engine: sg.Engine) -> list[Text]:
    """Return such texts for structgen/extract: held-out sentences, and orders with another city and quantity.
    The document as it was is what the model itself wrote, and no part of the prompt."""
    found, draw = [], random.Random(SEED)
    for workload in (SAMPLES, IN_TURN):
        for prompt, schema in workloads()[HELD_OUT][:3]:
            found.append(Text(workload, prompt[:24], prompt, sg.json_schema(schema, **DUMPS)))
    grammar = sg.json_schema(ORDER, **DUMPS)
    for _ in range(3):
        order, other = _order(draw), _order(draw)
        before = _asked(order)
        after = _asked(order | {"city": other["city"], "quantity": order["quantity"] + 1})
        (written,) = engine.generate([Text(CHANGED, before[:24], before, grammar).request("off")])
        found.append(Text(CHANGED, after[:24], after, grammar, written.text))
    return found


# --- counts -------------------------------------------------------------------------------------------------


class FreeRows(Speculator):
    """Stands in for the engine's `Speculator`: every pass is drafted, and every row of it is free."""

    def wants_drafts(self, count: int, drafters: Any) -> bool:
        """Have every pass drafted."""
        return True

    def propose_drafts(
        self, draftings: Sequence[Any], views: Sequence[Any], mosts: Sequence[int]
    ) -> list[Any]:
        """Return all that is guessed, up to each text's bound."""
        return [
            NO_DRAFT if drafting is None or view is None else drafting.propose_tree(view, most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]


def free_rows(engine: sg.Engine) -> sg.Engine:
    """Return the engine, which from now on plans by nothing but chances."""
    loop: Any = engine._loop
    loop.drafts.speculator = FreeRows()
    return engine


def smollm2() -> sg.Engine:
    """Return an engine of SmolLM2 with free rows. Raises OptionError where it is not installed."""
    import torch

    torch.set_num_threads(1)
    return free_rows(sg.Engine("smollm2"))


def row(engine: sg.Engine, text: Text, drafters: str, how: Any) -> dict[str, Any]:
    """Return what a way of drafting takes for a text. The digest is of the tokens, so that another one shows
    that a token is another."""
    loop: Any = engine._loop
    rows, loop._max_rows = loop._max_rows, 1 if text.workload == IN_TURN else loop._max_rows
    began = time.process_time()
    results = engine.generate([text.request(how)])
    spent, loop._max_rows = time.process_time() - began, rows
    tokens = sum(len(one.tokens) for one in results)
    calls = sum(one.usage.calls for one in results)
    accepted = sum((Counter(one.usage.accepted) for one in results), Counter())
    written = json.dumps([list(one.tokens) for one in results]).encode()
    return {
        "workload": text.workload,
        "text": text.name,
        "drafters": drafters,
        "texts": len(results),
        "tokens": tokens,
        "calls": calls,
        "calls_per_token": calls / tokens,
        "drafted": sum(one.usage.drafted for one in results),
        "accepted": " ".join(f"{name}:{count}" for name, count in accepted.items()),
        "cpu_seconds": spent,
        "digest": blake2b(written, digest_size=6).hexdigest(),
        "note": "; ".join(sorted({one.usage.speculation for one in results} - {""})),
    }
