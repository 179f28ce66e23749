"""Objects that need more members, beside keys that ask for what cannot be there. The oracle: `jsonschema`."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema
from compiled_texts import takes
from for_each import for_each

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

KEYS = ["a", "b", "bb", "c", "d", "e"]
BYTES = byte_tokenizer()


def drawn(chance: random.Random) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "minProperties": chance.randint(1, 4)}
    schema["dependentRequired"] = {
        key: chance.sample(KEYS[:4], chance.randint(1, 2))
        for key in chance.sample(KEYS[:4], chance.randint(1, 3))
    }
    if chance.random() < 0.7:
        schema["properties"] = dict.fromkeys(chance.sample(KEYS[:4], chance.randint(1, 2)), False)
    if chance.random() < 0.3:
        schema["propertyNames"] = {"not": {"enum": chance.sample(KEYS[:4], 2)}}
    if chance.random() < 0.3:
        schema["maxProperties"] = schema["minProperties"] + chance.randint(0, 1)
    if chance.random() < 0.3:
        schema["required"] = [chance.choice(KEYS)]
    return schema


@for_each("seed", range(40))
def test_masks_take_the_objects_that_are_valid(seed: int) -> None:
    schema = drawn(random.Random(seed))
    valid = jsonschema.Draft202012Validator(schema).is_valid
    try:
        compiled = sg.compile(sg.json_schema(schema, property_order="any"), BYTES, store=False)
    except sg.errors.UnsatisfiableSchema:
        compiled = None
    for size in range(5):
        for keys in itertools.combinations(KEYS, size):
            text = json.dumps(dict.fromkeys(keys, 0), separators=(",", ":"))
            taken = compiled is not None and takes(compiled, text)
            assert taken == valid(json.loads(text)), (schema, text)
