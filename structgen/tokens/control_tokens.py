"""Encodes chat prompts so that only the chat template writes control tokens, never the text of a message.

A *control token* is a special token with a text, such as `<|im_start|>`. A *chat template* writes messages as
one text; the control tokens that it writes are its *marks*. A *sign* is a character with which a control
token begins or ends, such as `<`. A *guard* is a character that replaces a sign; a *guarded* text has guards
instead of signs where people wrote them.

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
from itertools import pairwise
from typing import Any, Final

from structgen.tokens.tokenizer import Tokenizer

_FIRST: Final = 0x10F000
"""The first guard. The guards are in a private plane of Unicode that no fonts use."""


class ControlTokens:
    """The control tokens of one tokenizer; there may be none.

    `ids`: the ids of the control tokens by their texts. `backend`: the `tokenizers.Tokenizer` that encodes;
    None: another library encodes.
    """

    def __init__(self, ids: Mapping[str, int], backend: Any = None) -> None:
        self.ids = dict(ids)
        self._backend = backend
        self._renamed_tokenizer: Any = None
        """The tokenizer with the other names, made when a text first needs it."""
        secret = secrets.token_hex(8)  # random, so that no text can contain these names
        self._names = {text: f"\ufdd0{secret}{at:05}\ufdd0" for at, text in enumerate(ids)}
        words = [text for text in ids if _is_of_words(text[0])]
        # A sign such as `<` is guarded wherever it stands; a letter only where a whole token would follow.
        edges: set[str] = set()
        for text in ids:
            edges.update(sign for sign in (text[0], text[-1]) if not _is_of_words(sign))
        signs = sorted(edges | {text[0] for text in words})
        self._guards = {sign: chr(_FIRST + at) for at, sign in enumerate(signs)}
        """The character that stands for each sign. A letter is a sign only where a control token follows."""
        self._table = str.maketrans({sign: self._guards[sign] for sign in edges})
        self._back = str.maketrans({guard: sign for sign, guard in self._guards.items()})
        # "(?!)" never matches: without control tokens no text has any.
        self._own = re.compile(_any_of(ids) or "(?!)")
        word_patterns = [f"{re.escape(text[0])}(?={re.escape(text[1:])})" for text in words]
        self._words = re.compile("|".join(word_patterns) or "(?!)")
        edge_patterns = map(re.escape, edges)
        self._begins = re.compile("|".join([*edge_patterns, *word_patterns]) or "(?!)")

    def may_stand_in(self, value: Any) -> bool:
        """Return whether a text inside a value has a sign, so that it may contain a control token."""
        return any(map(self._begins.search, _texts_inside(value)))

    def stand_in(self, value: Any) -> bool:
        """Return whether a text inside a value contains the whole text of a control token."""
        return any(map(self._own.search, _texts_inside(value)))

    def guard_value(self, value: Any) -> Any:
        """Return a value with guarded texts: in all strings inside it, and in keys, guards replace the
        signs."""
        if isinstance(value, str):
            # Signs first: then letters are looked for that begin a control token in what remains.
            guarded_text = value.translate(self._table)
            return self._words.sub(lambda sign: self._guards[sign[0]], guarded_text)
        if isinstance(value, Mapping):
            members: dict[Any, Any] = {}
            for key, member in value.items():
                members[self.guard_value(key)] = self.guard_value(member)
            return members
        if isinstance(value, list | tuple):
            return [*map(self.guard_value, value)]
        return value

    def restore_signs(self, text: str) -> str:
        """Return a text with signs instead of guards, also where a template wrote the guards as escapes of
        JSON."""
        for sign, guard in self._guards.items():
            escaped_guard = json.dumps(guard)[1:-1]
            escaped_sign = json.dumps(sign)[1:-1]
            text = text.replace(escaped_guard, escaped_sign)
        return text.translate(self._back)

    def are_made_in(self, text: str) -> bool:
        """Return whether a guarded text, with its signs restored, has more control tokens than its marks."""
        mark_count = len(self._own.findall(text))
        return len(self._own.findall(self.restore_signs(text))) > mark_count

    def encode_guarded(self, text: str, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens of a guarded text. Only its marks become control tokens.

        `tokenizer`: the tokenizer that encodes the texts between the marks if there is no backend.
        """
        if self._backend is None:
            # No library that could take other names: the texts between the marks are encoded one by one.
            tokens = list[int]()
            at = 0
            for mark in self._own.finditer(text):
                tokens += self.encoded_plainly(text[at : mark.start()], tokenizer)
                tokens.append(self.ids[mark[0]])
                at = mark.end()
            return tokens + self.encoded_plainly(text[at:], tokenizer)
        if self._renamed_tokenizer is None:
            self._renamed_tokenizer = _rename_tokens(self._backend, self._names)
        renamed_tokenizer = self._renamed_tokenizer
        # First the marks, then the signs: a control token that a person wrote comes back as plain text.
        text_with_names = self._own.sub(lambda mark: self._names[mark[0]], text)
        named_text = self.restore_signs(text_with_names)
        ids: dict[int, int] = {
            renamed_tokenizer.token_to_id(name): self.ids[control_text]
            for control_text, name in self._names.items()
        }
        encoding = renamed_tokenizer.encode(named_text, add_special_tokens=False)
        return [ids.get(token, token) for token in encoding.ids]

    def encoded_plainly(self, text: str, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens of a guarded text as `Tokenizer.encode` returns them. A control token that a
        person wrote is encoded in two parts, so that it becomes plain text."""
        plain = text.translate(self._back)
        # A guard is one character for one sign, so places in both texts are the same. After a cut behind
        # its first character, neither part is a control token.
        cuts: list[int] = []
        for match in self._own.finditer(plain):
            guarded_part = text[match.start() : match.end()]
            if guarded_part != match[0]:
                cuts.append(match.start() + 1)
        tokens: list[int] = []
        for begin, end in pairwise([0, *cuts, len(plain)]):
            tokens += tokenizer.encode(plain[begin:end].encode())
        return tokens


def _is_of_words(sign: str) -> bool:
    """Return whether a character is common in texts (a letter, a digit, a space), so that it is a sign only
    before the rest of a control token."""
    return sign.isalnum() or sign.isspace()


def _texts_inside(value: Any) -> Iterator[str]:
    """Yield all strings inside a value: in lists, in tuples, and as keys and values of mappings."""
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
    """Return a pattern that matches any of some texts, longer ones first: `ab`, `ac` -> `(?:a(?:b|c))`.

    Common beginnings are written once; the pattern is "" for no text.
    """
    tails: dict[str, list[str]] = {}
    for text in texts:
        tails.setdefault(text[:1], []).append(text[1:])
    is_optional = tails.pop("", None) is not None  # one of the texts ends here
    branches: list[str] = []
    for first, rest in tails.items():
        if len(rest) == 1:
            branches.append(re.escape(first + rest[0]))
        else:
            branches.append(re.escape(first) + _any_of(rest))
    if not branches:
        return ""
    pattern = "|".join(branches)
    return f"(?:{pattern})?" if is_optional else f"(?:{pattern})"


def _rename_tokens(backend: Any, names: Mapping[str, str]) -> Any:
    """Return a copy of a `tokenizers.Tokenizer` in which control tokens have other texts.

    `names`: the new text for each old one. The old texts are not tokens of the copy.
    """
    file = json.loads(backend.to_str())
    for token in file["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = file["model"]
    vocabulary = model["vocab"]
    merges = model.get("merges")
    # A BPE model has ids by texts, a Unigram model pairs of a text and its score.
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(text, text): id for text, id in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
    if merges is not None:
        # A merge of a text that is no token any more would be refused, or would make the token again.
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in merges)
        remaining_merges = []
        for pair in pairs:
            merged_texts = {*pair, "".join(pair)}
            if not merged_texts & names.keys():
                remaining_merges.append([*pair])
        model["merges"] = remaining_merges
    if "unk_token" in model:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    file["truncation"] = file["padding"] = file["post_processor"] = None
    return type(backend).from_str(json.dumps(file))
