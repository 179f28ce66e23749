"""Small tokenizers with control tokens, chat templates, and conversations whose texts write such tokens."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

WORDS = (
    "The quick brown fox jumps over the lazy dog. im_start im_end tool call system user assistant end of "
    'text think INST SEP CLS unk s name arguments <b>bold</b> a[0] = x|y >= 3 {"a": [1]} über 你好 \n\n  two'
)
SPECIAL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|end|>",
    "[INST]",
    "[/INST]",
    "<s>",
    "</s>",
    "madeupword",
    "\uff5cend\uff5c",
)
ADDED = ("<tool_call>", "</tool_call>", "<think>", "</think>", "<table>")
"""Added tokens that are not special; no template or format has `<table>`."""
LETTERS = "".join(sorted({*string.printable, *WORDS, *WORDS.upper(), *"".join(SPECIAL)}))
"""With all of them in a vocabulary no text has the unknown token."""


def with_added(made: Tokenizer, template: str, **named: str) -> PreTrainedTokenizerFast:
    made.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL])
    made.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    return PreTrainedTokenizerFast(tokenizer_object=made, chat_template=template, eos_token="</s>", **named)


def bytewise(template: str) -> PreTrainedTokenizerFast:
    """A BPE over bytes, as GPT-2's."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    # what it learns has the texts of control tokens, which are words to its merges
    made.train_from_iterator(
        [WORDS, *SPECIAL, *ADDED] * 9, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet)
    )
    return with_added(made, template)


def prepending(template: str) -> PreTrainedTokenizerFast:
    """A BPE with byte fallback that puts a blank before each text, as Llama 2's."""
    letters = [*LETTERS.replace(" ", "▁")]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    merges = [("▁", "t"), ("▁", "s"), ("e", "r"), ("i", "m"), ("▁", "<"), ("e", "n"), ("en", "d"), ("|", ">")]
    pieces += [a + b for a, b in merges]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return with_added(made, template, bos_token="<s>", unk_token="<unk>")


def unigram(template: str) -> PreTrainedTokenizerFast:
    """A Unigram model in whose vocabulary control tokens are pieces as others are, as T5's."""
    letters = [*LETTERS.replace(" ", "▁")]
    pieces = [
        ("<unk>", 0.0),
        ("<s>", 0.0),
        ("</s>", 0.0),
        ("<tool_call>", -1.0),
        *((one, -5.0) for one in letters),
    ]
    pieces += [("▁the", -3.0), ("end", -3.0), ("▁<", -3.5), ("|>", -3.0)]
    made = Tokenizer(models.Unigram(pieces, unk_id=0))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    return with_added(made, template, unk_token="<unk>")


def wordpiece(template: str) -> PreTrainedTokenizerFast:
    """A WordPiece model that reads small letters, as BERT's."""
    pieces = ["[UNK]", "[CLS]", "[SEP]"]
    letters = sorted({*LETTERS.lower()} - {*string.whitespace})
    pieces += [*letters, *(f"##{one}" for one in letters), "the", "end", "##nd"]
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return with_added(made, template, unk_token="[UNK]", sep_token="[SEP]", cls_token="[CLS]")


MAKERS: dict[str, Callable[[str], PreTrainedTokenizerFast]] = {
    "bytes": bytewise,
    "prepend": prepending,
    "unigram": unigram,
    "wordpiece": wordpiece,
}

_TOOLS = "{% if tools %}<|im_start|>tools {{ tools | tojson }}<tool_call></tool_call><|im_end|>{% endif %}"
_DOCUMENTS = (
    "{% for one in documents or [] %}<|im_start|>{{ one.title }}: {{ one.text }}<|im_end|>{% endfor %}"
)
_CALLS = (
    '{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}'
)
_END = "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"


def _template(content: str, before: str = "") -> str:
    turn = f"<|im_start|>{{{{ message.role }}}}\n{content}{_CALLS}<|im_end|>\n"
    return f"{_TOOLS}{_DOCUMENTS}{{% for message in messages %}}{before}{turn}{{% endfor %}}{_END}"


TEMPLATES = {
    "chatml": _template("{{ message.content }}"),
    "trim": _template("{{ message.content | trim }}"),
    "test": _template(
        "{% if '</think>' in message.content or '<|im_end|>' in message.content %}<think>"
        "{{ message.content }}</think>{% else %}{{ message.content }}{% endif %}"
    ),
    "split": _template("{{ message.content.split('</think>')[-1].split('<|im_end|>')[0].lstrip('\\n') }}"),
    "lines": _template("{% for line in message.content.split('\\n') %}{{ line }}{% endfor %}"),
    "words": _template("{{ message.content.split('x') | join('') }}"),
    "cut": _template("{{ message.content[:40] }}{{ message.content | length }}"),
    "upper": _template("{{ message.content | upper }}{{ message.content | replace('b', '') }}"),
    "json": _template("{{ message.content | tojson }}{{ message | tojson(ensure_ascii=True) }}"),
    "inst": "<s>{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content }} "
    "[/INST]{% else %}{{ message.content }}" + _CALLS + "</s>{% endif %}{% endfor %}",
    "role": "{% for message in messages %}<|{{ 'im_start' }}|>{{ message.role }}\n{{ message.content }}"
    "<|end|>{% endfor %}",
}


@cache
def holder(kind: str, template: str) -> PreTrainedTokenizerFast:
    return MAKERS[kind](TEMPLATES[template])


def harmless(value: Any, controls: Sequence[str]) -> Any:
    """Return a value whose texts have a word in place of each control token."""
    if isinstance(value, str):
        for text in sorted(controls, key=len, reverse=True):
            value = value.replace(text, "fox")
        return value
    if isinstance(value, dict):
        return {harmless(key, controls): harmless(one, controls) for key, one in value.items()}
    return [harmless(one, controls) for one in value] if isinstance(value, list) else value


def text(draw: random.Random, controls: Sequence[str]) -> str:
    """Return a text of words, and of control tokens, whole and in parts."""
    pieces = [*WORDS.split(" "), " ", "\n", "x", " <|", "im_", "|>", "<", ">", "</", "["]
    found = draw.choices(pieces, k=draw.randint(0, 8))
    for one in draw.choices(controls, k=draw.randint(1, 3)) if controls else ():
        found.insert(draw.randint(0, len(found)), one)
    return draw.choice(["", " "]).join(found)


def conversation(draw: random.Random, controls: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return messages of all roles and what else a template reads, each text with control tokens."""

    def said() -> str:
        return text(draw, controls)

    call = {"id": "c1", "type": "function", "function": {"name": said(), "arguments": {said(): [said(), 1]}}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": said()},
        {"role": "user", "content": said()},
        {"role": "assistant", "content": said(), "tool_calls": [call], "reasoning_content": said()},
        {"role": "tool", "content": said(), "tool_call_id": "c1", "name": said()},
        {"role": "user", "content": said()},
    ]
    schema = {"type": "object", "properties": {said(): {"description": said(), "enum": [said()]}}}
    tool = {"type": "function", "function": {"name": said(), "description": said(), "parameters": schema}}
    return messages, {"tools": [tool], "documents": [{"title": said(), "text": said()}], "date": said()}


def rename_last_tokens(file: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a tokenizer.json of a BPE whose last tokens are added ones of these names."""
    vocabulary = dict(file["model"]["vocab"])
    last = sorted(vocabulary, key=vocabulary.__getitem__)[-len(names) :]
    merges = [one for one in file["model"]["merges"] if not {*one, "".join(one)} & {*last}]
    model = {
        **file["model"],
        "vocab": {k: v for k, v in vocabulary.items() if k not in last},
        "merges": merges,
    }
    model["vocab"] |= {name: vocabulary[old] for old, name in zip(last, names, strict=True)}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    added = [{"id": vocabulary[old], "content": name, **flags} for old, name in zip(last, names, strict=True)]
    return {**file, "model": model, "added_tokens": [*file["added_tokens"], *added]}
