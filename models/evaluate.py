"""Examines a trained model: how many fields it fills right, with the constraint and without.

    python models/evaluate.py NAME [--folder FOLDER] [--sentences FILE] [--examples 400] [--show 0]
        [--ways PATTERN] [--fast]

The examinations: templated sentences with made-up names that training never had; sentences written by
hand, which match no template (tests/data/extract/hand_written.jsonl); sentences of everyday kinds, such as
roles, postal codes and to-do lists (everyday.jsonl, written before the model was trained on such kinds);
everyday sentences written after its training (everyday_new.jsonl); and these files with every name of a
person or a place replaced by random letters.

A field is right when its value is: a list when all its items are, in their order. Text that is no JSON has
no right field. Without the constraint decoding is greedy; with it too, among the tokens that the grammar of
`sg.json_schema(schema, **OPTIONS)` allows, in which dates and times are those of typed functions. `infill`
fills a canvas (decode.py, and `sg.infill` under the constraint): one or four tokens a step, the first ones
or the surest. Four from the left are the first four without the constraint; under it the first one, and the
surest three of the next six. The figures go to build/models/NAME.json. `--fast` computes in the type of
training where the constraint is not asked for, for a look at a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import torch
from batches import LONGEST, Encoder
from data.sentences import Example, Examples
from decode import fill, greedy
from methods.left_window import LeftWindow
from methods.low_confidence import LowConfidence
from model import Network, load
from train import TYPE

import structgen as sg
from structgen.asking.python_types.pydantic_formats import FORMATS
from structgen.decoding.infilling.presets import load_masked_model

FOLDER = Path(__file__).parent
BUILD = FOLDER.parent / "build" / "models"
SENTENCES = FOLDER.parent / "tests" / "data" / "extract" / "hand_written.jsonl"
EVERYDAY = {
    "everyday": SENTENCES.with_name("everyday.jsonl"),
    "new everyday": SENTENCES.with_name("everyday_new.jsonl"),
}
OPTIONS = {**sg.JSON_DUMPS, "escapes": "utf8", "custom_formats": FORMATS}
"""The one way in which the models write a document: that of json.dumps(value, ensure_ascii=False)."""
SEED = 77_000_000
ROWS = 32
SLOTS = 128
"""Of a canvas under the constraint; the longest of 400 documents has 104 tokens."""


def templated(count: int) -> list[Example]:
    """Return held-out sentences: templates and seeds of their own, made-up names that training never has."""
    source = Examples(SEED, unseen=True)
    return [source.draw() for _ in range(count)]


def hand_written(path: Path) -> list[Example]:
    """Return the sentences of a JSONL file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Example(**json.loads(line)) for line in lines]


def renamed(example: Example, chance: random.Random) -> Example:
    """Return the example with the words of its names as random letters, in text and document alike."""
    words: set[str] = set()
    for path, kind in example.kinds.items():
        value: Any = example.answer
        for key in path.split("."):
            value = value[key]
        if kind.split()[-1] in ("name", "city"):
            words |= set(re.findall(r"\w+", value))
        elif kind == "list" and all(item[0].isupper() for item in value):
            words |= {word for item in value for word in re.findall(r"\w+", item)}
    new = {
        word: "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))).capitalize()
        for word in sorted(words)
    }
    if not new:
        return example
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, new)) + r")\b")

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda match: new[match[0]], value)
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        return value

    return Example(example.schema, replaced(example.text), replaced(example.answer), example.kinds)


def right_fields(example: Example, text: str) -> dict[str, bool]:
    """Return for each field of the document whether `text` has its value."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    found: dict[str, bool] = {}
    for path in example.kinds:
        wanted, given = example.answer, document
        for key in path.split("."):
            wanted = wanted[key]
            given = given.get(key, ...) if isinstance(given, dict) else ...
        found[path] = given == wanted and isinstance(given, bool) == isinstance(wanted, bool)
    return found


@dataclass(frozen=True)
class Way:
    """A way in which a model writes; `title` says it in a table."""

    title: str
    constrained: bool = False
    at_once: int = 1
    order: Literal["left", "sure"] = "left"
    dtype: torch.dtype = torch.float32


CAUSAL = (Way("without the constraint"), Way("with the constraint", constrained=True))
MASKED = (
    Way("without the constraint, from the left"),
    Way("without the constraint, from the left, 4 a step", at_once=4),
    Way("with the constraint, from the left", constrained=True),
    Way("with the constraint, from the left, 4 a step", constrained=True, at_once=4),
    Way("without the constraint, surest first", order="sure"),
    Way("with the constraint, surest first", constrained=True, order="sure"),
    Way("with the constraint, surest first, 4 a step", constrained=True, at_once=4, order="sure"),
)


def closed(schema: Any) -> Any:
    """Return the schema with no keys in its objects that it does not name: a grammar that infilling takes."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(inner) for key, inner in schema.items()}
    return found | {"additionalProperties": False} if isinstance(found.get("properties"), dict) else found


def constrained_fill(folder: Path, examples: list[Example], prompts: list[list[int]], way: Way) -> list[str]:
    """Return the documents that `sg.infill` fills under the grammars of the schemas; the prompt is in tokens.

    A document has 128 slots: where they are too few for the right one, another is squeezed into them.
    """
    model, tokenizer = load_masked_model(folder)
    return [
        sg.infill(
            model,
            grammar=sg.json_schema(closed(example.schema), **OPTIONS),
            prompt=prompt,
            slots=SLOTS,
            scheduler=(LeftWindow if way.order == "left" else LowConfidence)(way.at_once),
            tokenizer=tokenizer,
        ).text
        for example, prompt in zip(examples, prompts, strict=True)
    ]


def answers(network: Network, folder: Path, encoder: Encoder, examples: list[Example], way: Way) -> list[str]:
    """Return the document that a model writes for each example."""
    end, mask = encoder.special["<|end|>"], encoder.special["<|mask|>"]
    prompts = [encoder.prompt(example) for example in examples]
    if not network.shape.causal:
        if way.constrained:
            return constrained_fill(folder, examples, prompts, way)
        filled = fill(network, prompts, mask, end, at_once=way.at_once, order=way.order, dtype=way.dtype)
        return [encoder.tokenizer.decode(output) for output in filled]
    tokenizer = sg.Tokenizer.from_huggingface(encoder.tokenizer, eos_token_id=end)
    texts = [""] * len(examples)
    order = sorted(range(len(examples)), key=lambda at: len(prompts[at]))
    for start in range(0, len(order), ROWS):
        group = order[start : start + ROWS]
        matchers = None
        if way.constrained:
            matchers = [
                sg.Matcher(sg.compile(sg.json_schema(examples[at].schema, **OPTIONS), tokenizer))
                for at in group
            ]
        outputs = greedy(network, [prompts[at] for at in group], end, matchers)
        for at, output in zip(group, outputs, strict=True):
            texts[at] = encoder.tokenizer.decode(output)
    return texts


def examined(
    network: Network, folder: Path, encoder: Encoder, examples: list[Example], way: Way, shown: int = 0
) -> dict[str, Any]:
    """Return shares: of right fields in all and by kind, of whole documents right, of texts that are JSON."""
    examples = [example for example in examples if len(encoder.prompt(example)) < LONGEST]
    by_kind: dict[str, list[bool]] = defaultdict(list)
    whole = valid = 0
    for example, text in zip(examples, answers(network, folder, encoder, examples, way), strict=True):
        right = right_fields(example, text)
        for path, good in right.items():
            by_kind[example.kinds[path].split()[0]].append(good)
        whole += all(right.values())
        with suppress(ValueError):
            valid += isinstance(json.loads(text), dict)
        if not all(right.values()) and shown > 0:
            shown -= 1
            print(f"  {example.text}\n    {text}\n    {json.dumps(example.answer, ensure_ascii=False)}")
    every = [good for found in by_kind.values() for good in found]
    return {
        "count": len(examples),
        "fields": sum(every) / len(every),
        "documents": whole / len(examples),
        "json": valid / len(examples),
        "by kind": {kind: sum(found) / len(found) for kind, found in sorted(by_kind.items())},
        "counts": {kind: len(found) for kind, found in sorted(by_kind.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=("extract", "extract-draft", "infill"))
    parser.add_argument("--folder", type=Path, help="weights elsewhere, a checkpoint's for instance")
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--examples", type=int, default=400, help="templated sentences")
    parser.add_argument("--hand-written", type=int, default=10_000, help="at most so many of the others")
    parser.add_argument("--show", type=int, default=0, help="print so many documents that are not right")
    parser.add_argument("--ways", default="", help="only ways of writing whose title this pattern matches")
    parser.add_argument("--fast", action="store_true", help="masked models: compute in training's type")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.folder or FOLDER / options.name
    network, encoder = load(folder), Encoder()
    written, chance = hand_written(options.sentences)[: options.hand_written], random.Random(SEED)
    sets = {
        "templated": templated(options.examples),
        "hand-written": written,
        "hand-written, random names": [renamed(example, chance) for example in written],
    }
    if options.sentences == SENTENCES and network.shape.causal:
        for title, path in EVERYDAY.items():
            everyday = hand_written(path)[: options.hand_written]
            sets[title] = everyday
            sets[f"{title}, random names"] = [renamed(example, chance) for example in everyday]
    figures: dict[str, Any] = {}
    for title, examples in sets.items():
        for way in CAUSAL if network.shape.causal else MASKED:
            if not examples:
                continue
            if not re.search(options.ways, way.title):
                continue
            if options.fast:
                way = replace(way, dtype=TYPE)
            start = time.perf_counter()
            found = examined(network, folder, encoder, examples, way, options.show)
            name = f"{title}, {way.title}"
            figures[name] = found
            kinds = " ".join(f"{kind} {share:.3f}" for kind, share in found["by kind"].items())
            print(
                f"{name}: fields {found['fields']:.3f} documents {found['documents']:.3f} "
                f"JSON {found['json']:.3f} | {kinds} | {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    if options.folder is None and options.sentences == SENTENCES and not (options.fast or options.ways):
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / f"{options.name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
