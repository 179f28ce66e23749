"""Writes models/NAME/README.md, the card of a model, from its last examination (build/models/NAME.json).

python models/make_cards.py [NAME ...]
"""

from __future__ import annotations

import json
import sys
from typing import Any

from evaluate import CAUSAL, MASKED
from model import load, training_of
from train import BUILD, FOLDER, SHAPES

WHAT = {
    "extract": """\
A causal transformer in the standard Llama layout. Given the outline of a JSON Schema and one or two English
sentences, it writes the document: names, ages, cities, dates, prices, quantities, yes and no, listed values,
lists and nested objects.""",
    "extract-draft": """\
The small sibling of structgen/extract, with the same tokenizer and the same task: a draft model for
speculative decoding, whose use is to guess what structgen/extract will write.""",
    "infill": """\
A transformer that fills masked places in any order (masked diffusion), with the tokenizer and the task of
structgen/extract, from whose weights its training began. From the place before the first mask on, each place
reads all others; the places before read only what is on their left (`causal_prefix`), so a canvas that is
filled in many steps has its prompt read once. The logits of a place are for the next place
(shifted by one, as in a causal model: `logits_shift: 1`), the mask token is `<|mask|>`, and what a canvas or
a hole has room for behind its text is `<|end|>` and then `<|pad|>`. The weights have Llama's names, and
config.json says `is_causal: false`: transformers has no class that runs it. structgen does
(`structgen.infilling.presets.load_masked_model("structgen/infill")`, numpy alone), and models/model.py.

Whole documents were hidden in training, their tails, stretches and random subsets of them, and the values of
documents whose keys were given, with room to spare. Padding was always to be predicted: where it is not,
short answers win.""",
}
HOW = {
    "infill": """ Without it a canvas has 64
slots, and is filled again with twice as many while no end is in it; with it 128. In a step one token is
written or four: those that the model is surest of, or from the left (the first four; under the constraint the
first one, and the surest three of the next six).""",
}
"""How a model writes in its examination, where that is not a token after a token."""
NOTES = {
    "extract": """

Of the last 34 million tokens, everyday.txt and remarks.py are part: 27 million with 45 in 100 everyday
examples, of which the third that cost most was learned (`--hardest 3`, rates from half to nothing); three
quarters of these weights and one quarter of those before went on for 7 million with 33 in 100 (`--hardest
2`, rates from a quarter to nothing). The weights are six parts of those at the end and four parts of
those from which they began. Of nine such mixtures and ends this one was chosen by the figures of the rows
above but the last four. The sentences of "new everyday" were written after that, by the author of the
training sentences, and examined once.

What it does not do: halves of the day are mixed up under the format `time` (20 of 44 hours with am or pm
are right), and of untagged unions it takes the wrong member.""",
}
"""What is to be said of the figures of a model."""
LIMITS = """\
- English, one or two short sentences (examples of training have at most 320 tokens with the document),
  one kind of prompt, one way of writing JSON. Positions up to 2,048 are computed; none beyond 320 was
  trained.
- It knows the sentence patterns of its training, and little English beyond them. Who did what to whom
  is often mistaken where a sentence turns it round; the figures for sentences written by hand say how
  often.
- Dates need day, month and year in the text. Nothing is inferred: no arithmetic, no time zones, no
  currencies.
- It must not decide anything about people. It is a part for tests, demonstrations and measurements.
- In the examination a document that is not finished after 160 tokens is no JSON."""


def table(figures: dict[str, Any]) -> str:
    """Return examinations as a table in Markdown."""
    kinds = sorted({kind for found in figures.values() for kind in found["by kind"]})
    lines = [
        "| examination | fields | documents | JSON | " + " | ".join(kinds) + " |",
        "|---|" + "---:|" * (len(kinds) + 3),
    ]
    for name, found in figures.items():
        shares = [found["fields"], found["documents"], found["json"]]
        cells = [f"{share:.1%}" for share in shares]
        cells += [f"{found['by kind'][kind]:.0%}" if kind in found["by kind"] else "" for kind in kinds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def card(name: str) -> str:
    """Return the text of a model's card."""
    network = load(FOLDER / name)
    shape, weights = SHAPES[name], sum(value.numel() for value in network.parameters())
    training = training_of(FOLDER / name)
    figures = json.loads((BUILD / f"{name}.json").read_text(encoding="utf-8"))
    way = CAUSAL[0].title if shape.causal else MASKED[0].title
    templated = figures[f"templated, {way}"]["count"]
    by_hand = figures[f"hand-written, {way}"]["count"]
    renamed = ""
    if any("random names" in title for title in figures):
        renamed = ", also with all names of people and places\nreplaced by random letters"
    minutes = f", {training['minutes']} minutes of one core" if "minutes" in training else ""
    again = f"python models/train.py {name} --start models/{name}"
    everyday = {title: found for title, found in figures.items() if "everyday" in title}
    others = {title: found for title, found in figures.items() if title not in everyday}
    tables = table(others)
    if everyday:
        count = next(iter(everyday.values()))["count"]
        tables += f"""

Everyday: {count} sentences with roles, postal codes, e-mail addresses, times, to-do lists and moods, written
by hand (tests/data/extract/everyday.jsonl). New everyday: sentences of these kinds and of topics, titles,
tallies, unions and values alone, written by hand when the training was over (everyday_new.jsonl).

{table(everyday)}"""
    return f"""---
license: apache-2.0
language: en
library_name: transformers
tags: [structgen, json, information-extraction]
---
# structgen/{name}

{WHAT[name]}

{shape.layers} layers, width {shape.width}, heads of 64, {weights:,} weights in bfloat16 (computed in
float32 on a CPU), vocabulary {shape.vocabulary:,}, tied embeddings. The prompt and the tokenizer:
docs/inside/models.md of structgen.

## Data
Sentences made by models/data of the structgen repository from templates and word lists, from a seed; no text
from elsewhere. Two names in three are made up, of syllables or random letters, so that they have to be
copied. Training saw {training["tokens"] / 1e6:.1f} million tokens (padding included) in {training["step"]:,}
steps{minutes}.

## Figures
Shares of right fields (a field is right when its value is, exactly), of documents with all fields
right, and of texts that are JSON; then of fields by kind. Greedy decoding. Templated: {templated}
held-out sentences with made-up names that training never had. Hand-written: {by_hand} sentences that
match no template (tests/data/extract/hand_written.jsonl){renamed}.
The constraint is the grammar of the schema, `sg.json_schema(schema, **sg.JSON_DUMPS | {{"escapes":
"utf8"}})`, with the dates and times of typed functions.{HOW.get(name, "")}

{tables}{NOTES.get(name, "")}

## Limits
{LIMITS}

## More training
From these weights, an hour more: `{again}`; anew:
`python models/train.py {name}`.
"""


def main() -> None:
    for name in sys.argv[1:] or list(WHAT):
        (FOLDER / name / "README.md").write_text(card(name), encoding="utf-8")


if __name__ == "__main__":
    main()
