"""The workloads of speculation on SmolLM2, and what a way of drafting needs of each: calls a token.

    PYTHONPATH=. python bench/speculation_smol.py            three ways that need no file beside this one
    PYTHONPATH=BEFORE python bench/speculation_smol.py       the same in another checkout: frozen rows

Three prompts of which 8 samples are written (temperature 0.7), side by side or one after another, and three
documents of which the prompt holds an earlier form, two fields of it to be changed (greedy). Counts alone:
`free_rows` has the engine ask drafters in every pass and take all that they guess, so no clock decides. The
passes are those behind the prompt; of 8 samples a pass of the batch counts once for each text in it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import records
import speculation_workloads as workloads

import structgen as sg
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.planning.speculator import Speculator

SAMPLES, IN_TURN, CHANGED = "8 samples side by side", "8 samples in turn", "two fields changed"
COLUMNS: Final = (
    "workload", "text", "drafters", "texts", "tokens", "calls", "calls_per_token", "drafted", "accepted",
    "cpu_seconds", "digest", "note",
)  # fmt: skip


def _object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TEXT, _WHOLE = {"type": "string", "maxLength": 40}, {"type": "integer", "minimum": 0, "maximum": 2100}
_LONG: Final = {"type": "string", "maxLength": 120}
_ORDER: Final = _object(
    customer=_TEXT, city=_TEXT, item=_TEXT, quantity=_WHOLE, price=_WHOLE, paid={"type": "boolean"}
)
_BOOK: Final = _object(
    title=_TEXT,
    author=_TEXT,
    year=_WHOLE,
    genre={"enum": ["novel", "history", "poetry", "science"]},
    summary=_LONG,
)
_PEOPLE: Final = {
    "type": "array",
    "items": _object(name=_TEXT, age=_WHOLE, city=_TEXT),
    "minItems": 3,
    "maxItems": 3,
}
_PROMPTS: Final = {
    "order": (
        "Mara Velt of Orsk ordered 12 lamps for 340 dollars and has paid. Write the order as JSON.",
        _ORDER,
    ),
    "people": ("Write a JSON array of three people who live in Italy: name, age and city.", _PEOPLE),
    "book": (
        "Describe a famous book as JSON: title, author, year, genre and a summary of one sentence.",
        _BOOK,
    ),
}
_DOCUMENTS: Final = {
    "order": (
        [
            {
                "customer": "Mara Velt",
                "city": "Orsk",
                "item": "lamp",
                "quantity": 12,
                "price": 340,
                "paid": True,
            },
            {
                "customer": "Tilo Brandt",
                "city": "Jena",
                "item": "tent",
                "quantity": 2,
                "price": 510,
                "paid": False,
            },
            {
                "customer": "Ines Alba",
                "city": "Cadiz",
                "item": "mirror",
                "quantity": 4,
                "price": 95,
                "paid": True,
            },
        ],
        {"city": "Lund", "quantity": 9},
        {"type": "array", "items": _ORDER, "minItems": 3, "maxItems": 3},
    ),
    "people": (
        [
            {"name": "Anna Rossi", "age": 34, "city": "Rome"},
            {"name": "Marco Bianchi", "age": 51, "city": "Milan"},
            {"name": "Luca Ferri", "age": 27, "city": "Turin"},
            {"name": "Giulia Conti", "age": 45, "city": "Bari"},
            {"name": "Paolo Greco", "age": 62, "city": "Genoa"},
            {"name": "Sara Villa", "age": 19, "city": "Verona"},
        ],
        {"age": 52, "city": "Naples"},
        _PEOPLE | {"minItems": 6, "maxItems": 6},
    ),
    "book": (
        {
            "title": "The Quiet Harbour",
            "author": "Edda Lind",
            "year": 1954,
            "genre": "novel",
            "summary": "A fisherman's daughter returns to the village and finds the letters of her mother.",
            "criticism": "Slow in its first half, and then so tense that one forgets to eat.",
            "publisher": "Nordlys Press",
            "pages": 312,
            "translator": "Tomas Reed",
        },
        {"year": 1961, "genre": "history"},
        _object(**_BOOK["properties"], criticism=_LONG, publisher=_TEXT, pages=_WHOLE, translator=_TEXT),
    ),
}


class FreeRows(Speculator):
    """Stands in for the engine's `Speculator`: every pass is drafted, and every row of it is free."""

    def wants_drafts(self, count: int, drafters: Any) -> bool:
        """Have every pass drafted."""
        return True

    def propose(self, draftings: Sequence[Any], views: Sequence[Any], mosts: Sequence[int]) -> list[Any]:
        """Return all that is guessed, up to each text's bound."""
        return [
            NO_DRAFT
            if drafting is None or view is None
            else _likeliest(drafting.candidates(view, most), most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]

    def ran(self, rows: int, seconds: float) -> None:
        """Learn nothing."""

    def took(self, seconds: float) -> None:
        """Learn nothing."""


def _likeliest(draft: Draft, most: int) -> Draft:
    """Return the likeliest nodes of a draft: earlier versions of structgen leave the cut to their planner."""
    worths: list[float] = []
    for parent, chance in zip(draft.parents.tolist(), draft.chances.tolist(), strict=True):
        worths.append(chance * (worths[parent] if parent >= 0 else 1.0))
    kept = sorted(sorted(range(len(draft)), key=lambda node: (-worths[node], node))[:most])
    places = {-1: -1} | {node: place for place, node in enumerate(kept)}
    return Draft(
        draft.tokens[kept],
        np.array([places[int(draft.parents[node])] for node in kept], np.int32),
        draft.chances[kept],
    )


def free_rows(engine: sg.Engine) -> sg.Engine:
    """Return the engine, which from now on plans by nothing but chances."""
    loop: Any = engine._loop
    loop._speculator = FreeRows()
    return engine


def smollm2() -> sg.Engine:
    """Return an engine of SmolLM2 with free rows. Raises OptionError where it is not installed."""
    import torch

    torch.set_num_threads(1)
    return free_rows(sg.Engine("smollm2"))


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
        is_sampled = self.workload != CHANGED
        sampling = sg.Sampling(temperature=0.7 if is_sampled else 0.0, seed=1)
        return sg.Request(
            self.prompt,
            self.grammar,
            sampling,
            max_tokens=most,
            n=8 if is_sampled else 1,
            speculation=how,
            outline=False,
        )


def texts() -> list[Text]:
    """Return three texts of each workload."""
    found = []
    for workload in (SAMPLES, IN_TURN):
        for name, (prompt, schema) in _PROMPTS.items():
            found.append(Text(workload, name, prompt, sg.json_schema(schema, **sg.JSON_DUMPS)))
    for name, (document, change, schema) in _DOCUMENTS.items():
        before = json.dumps(document)
        wanted = " and ".join(f"{key} to {json.dumps(value)}" for key, value in change.items())
        where = " of the second person" if isinstance(document, list) else ""
        prompt = f"{before}\nRepeat this JSON document exactly, but change {wanted}{where}."
        found.append(Text(CHANGED, name, prompt, sg.json_schema(schema, **sg.JSON_DUMPS), before))
    return found


def extract_texts(engine: sg.Engine) -> list[Text]:
    """Return such texts for structgen/extract: requests of speculation_workloads.py. The document as it was
    is what the model itself wrote, and no part of the prompt."""
    found, held_out = [], workloads.workloads()[workloads.HELD_OUT]
    for workload in (SAMPLES, IN_TURN):
        for prompt, schema in held_out[:3]:
            found.append(Text(workload, prompt[:24], prompt, _grammar(schema)))
    grammar = _grammar(workloads.ORDER)
    for before, after in workloads.changed(3):
        (written,) = engine.generate([Text(CHANGED, before[:24], before, grammar).request("off")])
        found.append(Text(CHANGED, after[:24], after, grammar, written.text))
    return found


def _grammar(schema: dict[str, Any]) -> sg.Grammar:
    return sg.json_schema(schema, **workloads.DUMPS)


def row(engine: sg.Engine, text: Text, drafters: str, how: Any) -> dict[str, object]:
    """Return what a way of drafting takes for a text: a row of COLUMNS. The digest is of the tokens, so that
    another one shows that a token is another."""
    loop: Any = engine._loop
    rows, loop._max_rows = loop._max_rows, 1 if text.workload == IN_TURN else loop._max_rows
    began = time.process_time()
    results = engine.generate([text.request(how)])
    spent, loop._max_rows = time.process_time() - began, rows
    tokens = sum(len(one.tokens) for one in results)
    calls = sum(one.usage.calls for one in results)
    accepted: dict[str, int] = {}
    for one in results:
        for name, count in one.usage.accepted.items():
            accepted[name] = accepted.get(name, 0) + count
    written = json.dumps([list(one.tokens) for one in results]).encode()
    values = (
        text.workload,
        text.name,
        drafters,
        len(results),
        tokens,
        calls,
        round(calls / tokens, 4),
        sum(one.usage.drafted for one in results),
        " ".join(f"{name}:{count}" for name, count in accepted.items()),
        round(spent, 1),
        blake2b(written, digest_size=6).hexdigest(),
        "; ".join(sorted({one.usage.speculation for one in results} - {""})),
    )
    return dict(zip(COLUMNS, values, strict=True))


WAYS: Final[dict[str, Callable[[Text], Any]]] = {
    "none": lambda _: "off",
    "default": lambda _: sg.Speculation(),
    "default, edit": lambda text: sg.Speculation(edit=text.before),
}


def main() -> None:
    """Print a row for each text and way, and add it to the day's file; the column `version` says whose."""
    engine = smollm2()
    about = {"version": os.environ.get("BENCH_VERSION") or records.version()}
    folder = Path(__file__).parent / "results"
    for text in texts():
        for name, how in WAYS.items():
            if name == "default, edit" and not text.before:
                continue
            found = row(engine, text, name, how(text))
            print(*found.values(), sep=" | ", flush=True)
            records.write(folder, "methods-speculation", about, COLUMNS, [list(found.values())], more=True)


if __name__ == "__main__":
    main()
