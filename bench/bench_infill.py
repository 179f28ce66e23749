"""What does a masked-diffusion model write, with a grammar and without?

    python bench/bench_infill.py [--prompts 60] [--ways confident-prefix,...]

structgen/infill fills sentences written by hand (tests/data/extract), one canvas for the document. Beside our
schedulers stands the model without a grammar; those of papers: bench/methods/schedulers_rows.py. Columns:
tokens a step, steps (each a pass of the model), share of valid documents (as jsonschema says), of right
fields, process CPU seconds a document, and seconds by the clock of the lattice.

How many fields are right on more sentences, with the grammar and without: `models/evaluate.py infill`.

Writes bench/results/infill-schedulers-DATE.csv. What a lattice costs between two checkouts: `turns.py`.
"""

# ruff: noqa: E402 (how many threads numpy has is said before it is imported)

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from records import arguments
from told import tell

import structgen as sg
from structgen.decoding.infilling.lattice import OPEN
from structgen.decoding.infilling.presets import load_masked_model
from structgen.grammars.json_grammars.prompting import extraction_prompt

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from evaluate import SENTENCES, closed, hand_written, right_fields

WAYS: list[tuple[str, int | None]] = [
    *(("no grammar", rate) for rate in (1, 4, 16)),
    ("left-to-right", 1),
    ("confident-prefix", None),
]
"""Each with the tokens of a step; the last one is the default."""


def by_confidence(
    model: Any, prompt: list[int], slots: int, rate: int, ends: set[int]
) -> tuple[list[int], int]:
    """Fill a canvas without a grammar, the `rate` surest slots a step, until no mask stands before the first
    end token. Return what stands in the slots (OPEN: still masked), and the steps."""
    canvas, steps = np.full(slots, OPEN), 0
    while True:
        at_end = np.flatnonzero(np.isin(canvas, list(ends)))
        before = canvas[: at_end[0]] if len(at_end) else canvas
        if not (before == OPEN).any():
            return canvas.tolist(), steps
        ids = np.concatenate((np.array(prompt), np.where(canvas == OPEN, model.mask_id, canvas)))
        rows = np.arange(slots) + len(prompt) - int(model.shift)
        some = getattr(model, "forward_rows", None)
        logits = (model.forward(ids)[rows] if some is None else some(ids, rows)).astype(np.float64)
        logits[:, model.mask_id] = -np.inf
        top = logits.max(axis=1)
        chance = 1.0 / np.exp(logits - top[:, None]).sum(axis=1)
        masked = np.flatnonzero(canvas == OPEN)
        chosen = masked[np.argsort(-chance[masked], kind="stable")[:rate]]
        canvas[chosen] = logits[chosen].argmax(axis=1)
        steps += 1


def said(canvas: list[int], ends: set[int], tokenizer: sg.Tokenizer) -> str:
    """Return the text before the first end token."""
    end = next((at for at, one in enumerate(canvas) if one in ends), len(canvas))
    return tokenizer.decode([one for one in canvas[:end] if one >= 0]).decode("utf-8", "replace")


def is_valid(schema: Any, text: str) -> bool:
    """Return whether a text is a document of a schema, as jsonschema says."""
    try:
        return jsonschema.Draft202012Validator(schema).is_valid(json.loads(text))
    except ValueError:
        return False


def drawn_sentences(count: int) -> list[Any]:
    """Return some sentences written by hand, at equal distances in their file."""
    every = hand_written(SENTENCES)
    return [every[at * len(every) // count] for at in range(min(count, len(every)))]


def asked_of(example: Any, tokenizer: sg.Tokenizer) -> tuple[Any, list[int], int]:
    """Return the closed schema of a sentence, the ids of its prompt, and how many slots its canvas has."""
    prompt = list(tokenizer.encode(extraction_prompt(example.schema, example.text).encode()))
    answer = tokenizer.encode(json.dumps(example.answer, ensure_ascii=False).encode())
    slots = next(slots for slots in (64, 96, 128, 192, 256) if len(answer) < slots - 4)
    return closed(example.schema), prompt, slots


def scheduler_rows(count: int, asked: list[str]) -> Iterator[dict[str, Any]]:
    """Run every scheduler, or those asked for, over the same prompts; yield a row for each."""
    model, tokenizer = load_masked_model("structgen/infill")
    questions = drawn_sentences(count)
    ends = {*tokenizer.eos_token_ids, model.null_id}
    for way, rate in WAYS:
        if asked and way not in asked:
            continue
        sums: Counter[str] = Counter()
        for one in questions:
            schema, prompt, slots = asked_of(one, tokenizer)
            began = time.process_time()
            if way == "no grammar":
                tokens, steps = by_confidence(model, prompt, slots, rate or 1, ends)
                text, own = said(tokens, ends, tokenizer), 0.0
            else:
                how = {"grammar": schema, "prompt": prompt, "slots": slots, "scheduler": way}
                found = sg.infill(model, tokenizer=tokenizer, **how)
                text, steps, own = found.text, found.usage.steps, found.usage.lattice_seconds
            good = right_fields(one, text).values()
            sums["seconds"] += time.process_time() - began
            sums["own_seconds"] += own
            sums["steps"] += steps
            sums["valid"] += is_valid(schema, text)
            sums["right"] += sum(good)
            sums["fields"] += len(good)
        n = len(questions)
        yield {
            "way": way,
            "tokens_per_step": rate or "",
            "steps": sums["steps"] / n,
            "valid": sums["valid"] / n,
            "right_fields": sums["right"] / sums["fields"],
            "seconds": sums["seconds"] / n,
            "own_seconds": sums["own_seconds"] / n,
            "prompts": n,
        }


def main() -> None:
    """Measure and write."""
    parser = arguments(__doc__)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--ways", default="", help="with commas between (default: all)")
    options = parser.parse_args()
    ways = [way for way in options.ways.split(",") if way]
    tell(options, "infill-schedulers", scheduler_rows(options.prompts, ways))


if __name__ == "__main__":
    main()
