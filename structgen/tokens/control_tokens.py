"""Control tokens, such as `<|im_start|>`: marks of a chat template write them, texts of messages never.

A chat template joins its marks and the texts of people. To tell both apart in what it writes, the signs with
which names of control tokens begin and end, as `<` and `>`, are replaced in the texts of people by characters
that stand for them. What still reads as a control token is a mark of the template. The marks are renamed, the
signs come back, and a tokenizer whose control tokens have these other names encodes the whole. So marks and
texts are split and merged as the model's own tokenizer does it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from structgen.tokens.tokenizer import Tokenizer

_FIRST: Final = 0x10F000
"""The first of the characters that stand for signs: of a private plane that no fonts use."""


class ControlTokens:
    """The control tokens of one tokenizer, which may be none. `ids`: their ids by their texts; `backend`:
    their `tokenizers.Tokenizer`; None: another library encodes."""

    def __init__(self, ids: Mapping[str, int], backend: Any = None) -> None:
        self.ids = dict(ids)
        self._backend = backend
        self._renamed_tokenizer: Any = None
        """The tokenizer with the other names, made when a text first needs it."""
        secret = secrets.token_hex(8)  # these names no text may write either
        self._names = {text: f"\ufdd0{secret}{at:05}\ufdd0" for at, text in enumerate(ids)}
        words = [text for text in ids if _is_of_words(text[0])]
        edges = {sign for text in ids for sign in (text[0], text[-1]) if not _is_of_words(sign)}
        signs = sorted(edges | {text[0] for text in words})
        self._guards = {sign: chr(_FIRST + at) for at, sign in enumerate(signs)}
        """What stands for a sign. A letter is one only where a control token follows."""
        self._table = str.maketrans({sign: self._guards[sign] for sign in edges})
        self._back = str.maketrans({guard: sign for sign, guard in self._guards.items()})
        self._own = re.compile(_any_of(ids) or "(?!)")
        word_patterns = [f"{re.escape(text[0])}(?={re.escape(text[1:])})" for text in words]
        self._words = re.compile("|".join(word_patterns) or "(?!)")
        self._begins = re.compile("|".join([*map(re.escape, edges), *word_patterns]) or "(?!)")

    def may_stand_in(self, value: Any) -> bool:
        """Tell whether a text inside of a value has signs of control tokens."""
        return any(map(self._begins.search, _texts_inside(value)))

    def stand_in(self, value: Any) -> bool:
        """Tell whether a text inside of a value writes a control token."""
        return any(map(self._own.search, _texts_inside(value)))

    def guard_value(self, value: Any) -> Any:
        """Return a value in whose texts, its keys too, other characters stand for the signs."""
        if isinstance(value, str):
            return self._words.sub(lambda sign: self._guards[sign[0]], value.translate(self._table))
        if isinstance(value, Mapping):
            return {self.guard_value(key): self.guard_value(member) for key, member in value.items()}
        if isinstance(value, list | tuple):
            return [*map(self.guard_value, value)]
        return value

    def restore_signs(self, text: str) -> str:
        """Return a text with its signs, also where a template wrote it as JSON in ASCII."""
        for sign, guard in self._guards.items():
            text = text.replace(json.dumps(guard)[1:-1], json.dumps(sign)[1:-1])
        return text.translate(self._back)

    def are_made_in(self, text: str) -> bool:
        """Tell whether a guarded text has control tokens beside its marks."""
        return len(self._own.findall(self.restore_signs(text))) > len(self._own.findall(text))

    def encode_guarded(self, text: str, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens of a guarded text: control tokens for its marks alone. `tokenizer`: the same, for
        texts without control tokens."""
        if self._backend is None:
            cuts = list[int]()
            at = 0
            for mark in self._own.finditer(text):
                cuts += [*self.encoded_plainly(text[at : mark.start()], tokenizer), self.ids[mark[0]]]
                at = mark.end()
            return cuts + self.encoded_plainly(text[at:], tokenizer)
        if self._renamed_tokenizer is None:
            self._renamed_tokenizer = _rename_tokens(self._backend, self._names)
        named_text = self.restore_signs(self._own.sub(lambda mark: self._names[mark[0]], text))
        ids = {
            self._renamed_tokenizer.token_to_id(name): self.ids[text] for text, name in self._names.items()
        }
        return [
            ids.get(token, token)
            for token in self._renamed_tokenizer.encode(named_text, add_special_tokens=False).ids
        ]

    def encoded_plainly(self, text: str, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens of a guarded text as `Tokenizer.encode` has them. A control token that is none of
        its marks is encoded in two parts."""
        plain = text.translate(self._back)
        cuts = [
            match.start() + 1 for match in self._own.finditer(plain) if text[slice(*match.span())] != match[0]
        ]
        parts = zip([0, *cuts], [*cuts, len(plain)], strict=True)
        return [token for begin, end in parts for token in tokenizer.encode(plain[begin:end].encode())]


def _is_of_words(sign: str) -> bool:
    """Tell whether a character stands in most texts, so that it alone tells nothing."""
    return sign.isalnum() or sign.isspace()


def _texts_inside(value: Any) -> Iterator[str]:
    """Yield the texts inside of a value, and its keys."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, Mapping):
            stack += [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple):
            stack += node


def _any_of(texts: Iterable[str]) -> str:
    """Return a pattern of texts, longer ones first, that tries what they begin with together once."""
    tails: dict[str, list[str]] = {}
    for text in texts:
        tails.setdefault(text[:1], []).append(text[1:])
    ends = tails.pop("", None) is not None
    pattern = "|".join(
        re.escape(first + rest[0] if len(rest) == 1 else first) + ("" if len(rest) == 1 else _any_of(rest))
        for first, rest in tails.items()
    )
    return f"(?:{pattern}){'?' if ends else ''}" if pattern else ""


def _rename_tokens(backend: Any, names: Mapping[str, str]) -> Any:
    """Return a `tokenizers.Tokenizer` in which tokens have other names, and the texts of before are none."""
    file = json.loads(backend.to_str())
    for token in file["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = file["model"]
    vocabulary = model["vocab"]
    merges = model.get("merges")
    model["vocab"] = (
        {names.get(text, text): id for text, id in vocabulary.items()}
        if isinstance(vocabulary, dict)
        else [[names.get(text, text), score] for text, score in vocabulary]
    )
    if merges is not None:
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in merges)
        model["merges"] = [[*pair] for pair in pairs if not {*pair, "".join(pair)} & names.keys()]
    if "unk_token" in model:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    file["truncation"] = file["padding"] = file["post_processor"] = None
    return type(backend).from_str(json.dumps(file))
