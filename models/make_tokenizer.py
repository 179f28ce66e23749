"""Makes models/tokenizer: the byte-level BPE that all embedded models share.

    python models/make_tokenizer.py

It is read with GPT-2's pre-tokenizer, as every tool knows it, but was trained on text cut finer: blanks
before letters and digits alone, and digits one by one. So no token joins a blank to a word, and a name has
the same tokens after a blank in a sentence as after a quotation mark in JSON: what is copied is copied
token by token. One version of `tokenizers` always gives one file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data.sentences import Examples, written
from data.words import KNOWN
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from structgen.grammars.json_grammars.prompting import extraction_prompt

FOLDER = Path(__file__).parent / "tokenizer"
SEED = 20261120
EXAMPLES = 25_000
TOKENS = 2048
SPECIAL_TOKENS = ["<|pad|>", "<|end|>", "<|mask|>"]
SHARE_OF_RARE_WORDS = 0.05
"""Of words seen fewer than RARE times, nearly all of them made up: this share is learned from."""
RARE = 6
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
"""A system message with the outline and a user message with the text are the prompt of the models."""


def texts() -> Iterator[str]:
    """Yield what the models read and write, as they do."""
    source = Examples(SEED)
    for _ in range(EXAMPLES):
        example = source.draw()
        yield extraction_prompt(example.schema, example.text) + written(example.answer)


def pieces() -> Iterator[str]:
    """Yield pieces of text as often as they count: made-up words seldom, so that tokens are English."""
    cut = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" (?=[\p{L}\p{N}])"), "isolated"),
            pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
            pre_tokenizers.Split(Regex(r" ?[^\s\p{L}\p{N}]+|\p{L}+|\s+"), "isolated"),
        ]
    )
    counts: Counter[str] = Counter()
    for text in texts():
        counts.update(piece for piece, _ in cut.pre_tokenize_str(text))
    for word in KNOWN.common:
        counts[word] += 60
    rare = 0
    for piece, count in sorted(counts.items()):
        if count < RARE:
            rare += 1
            if rare % round(1 / SHARE_OF_RARE_WORDS):
                continue
        for _ in range(min(count, 3000)):
            yield piece


def main() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pieces(), trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if tokenizer.get_vocab_size() != TOKENS:
        raise SystemExit(f"{tokenizer.get_vocab_size()} tokens, not {TOKENS}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|end|>",
        "mask_token": "<|mask|>",
        "model_max_length": 2048,
        "pad_token": "<|pad|>",
    }
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
