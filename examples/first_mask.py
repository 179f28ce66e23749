"""Compile a schema, look at its masks, and let a model that knows nothing write a document of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

import structgen as sg
from structgen.decoding.runs import resources

SCHEMA = Path(__file__).with_name("book.schema.json")
BUDGET = 120

tokenizer = sg.Tokenizer.from_huggingface(resources.small_tokenizer())
mask = sg.allocate_mask(1, tokenizer.vocab_size)
for once in (True, {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}}):
    sg.Matcher(sg.compile(sg.json_schema(once), tokenizer)).fill_mask(
        mask
    )  # loads what the process needs once

begun = time.perf_counter()
grammar = sg.json_schema(SCHEMA, whitespace="oneline", escapes="utf8", numbers="plain")
matcher = sg.Matcher(sg.compile(grammar, tokenizer))
matcher.fill_mask(mask)
took = time.perf_counter() - begun
print(f"schema to first mask: {1e3 * took:.1f} ms, for a vocabulary of {tokenizer.vocab_size:,} tokens")

random = np.random.default_rng(348)
text = b""
counts = []
while True:
    matcher.fill_mask(mask, budget=BUDGET - len(counts))
    bits = np.unpackbits(mask.array[0].view(np.uint8), bitorder="little")[: tokenizer.vocab_size]
    allowed = np.flatnonzero(bits)
    token = int(random.choice(allowed))
    matcher.advance(token)
    if matcher.is_finished:
        break
    counts.append(len(allowed))
    text += tokenizer.decode([token])

most = max(counts)
print(f"{len(counts)} tokens, each drawn at random from up to {most:,} allowed ones")
print(text.decode())
print("json.loads reads it:", ", ".join(json.loads(text)))
