"""Makes tests/data/bpe: a small byte-level BPE vocabulary, trained on text that the script makes from a seed.

    python scripts/make_test_bpe.py [FOLDER]

The text is JSON documents, in several layouts, and plain sentences, in several scripts: so the vocabulary has
what the large ones have: tokens that cross from a string into what follows it (`",`, `":{"`), runs of blanks,
pieces of characters and whole characters outside ASCII. One version of `tokenizers` always gives one file.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEED = 20240229
TOKENS = 1536
DOCUMENTS = 1500
SPECIAL_TOKENS = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"]

NOUNS = (
    "name address street city country order price item customer account number date time status type value "
    "list result message title description content user group role email phone code level size color weight"
).split()
VERBS = (
    "is was has gives takes makes sends opens closes finds reads writes counts returns needs holds".split()
)
OTHERS = "the a this that every some new old large small final first last red green true false and or".split()
FOREIGN = (
    "café über naïve señor größe Łódź привет данные имя ελληνικά مرحبا שלום "
    "東京 日本語 名前 数据 안녕 🙂 🚀 ½ €"
).split()


def sentence(chance: random.Random) -> str:
    """A sentence of 3 to 12 words, now and then one outside ASCII."""
    words = []
    for _ in range(chance.randint(3, 12)):
        pool = chance.choices((OTHERS, NOUNS, VERBS, FOREIGN), (4, 4, 3, 1))[0]
        words.append(chance.choice(pool))
    text = " ".join(words)
    return text[0].upper() + text[1:] + chance.choice((".", ".", "!", "?", ",\n"))


def value(chance: random.Random, depth: int) -> object:
    """A JSON value of at most so many levels."""
    kinds = ("object", "array", "text", "number", "literal")
    nested = depth > 0
    kind = chance.choices(kinds, (4 * nested, 2 * nested, 4, 3, 1))[0]
    if kind == "object":
        return {key(chance): value(chance, depth - 1) for _ in range(chance.randint(0, 5))}
    if kind == "array":
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    if kind == "text":
        plain = (
            chance.choice(NOUNS),
            sentence(chance),
            f"{chance.choice(NOUNS)}@example.com",
            "https://example.com/",
        )
        dated = f"{chance.randint(1970, 2030)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        return chance.choice((*plain, dated, f'say "{chance.choice(NOUNS)}"\t\\'))
    if kind == "number":
        return chance.choice(
            (chance.randint(-9, 99), chance.randint(0, 10**6), round(chance.uniform(-10, 1000), 2), 1e-7)
        )
    return chance.choice((True, False, None))


def key(chance: random.Random) -> str:
    """A key of one or two words."""
    words = [chance.choice(NOUNS) for _ in range(chance.randint(1, 2))]
    return (
        "_".join(words) if chance.random() < 0.5 else words[0] + "".join(word.title() for word in words[1:])
    )


def corpus(seed: int) -> Iterator[str]:
    """The training text, one document or paragraph at a time."""
    chance = random.Random(seed)
    for number in range(DOCUMENTS):
        document = {key(chance): value(chance, 3) for _ in range(chance.randint(1, 5))}
        layouts: tuple[dict[str, Any], ...] = ({"separators": (",", ":")}, {}, {"indent": 2}, {"indent": 4})
        yield json.dumps(document, ensure_ascii=chance.random() < 0.2, **layouts[number % 4])
        yield " ".join(sentence(chance) for _ in range(chance.randint(1, 4)))


def main(folder: Path) -> None:
    """Trains and writes tokenizer.json and tokenizer_config.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # GPT-2's own split keeps `":` and `{"` in one piece, as the large vocabularies have them.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(SEED), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    file = json.loads(tokenizer.to_str())
    text = json.dumps(file, ensure_ascii=True, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        '{"eos_token": "<|end|>", "pad_token": "<|pad|>"}\n', "utf-8"
    )
    print(f"{folder / 'tokenizer.json'}: {tokenizer.get_vocab_size()} tokens, {len(text)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests" / "data" / "bpe")
