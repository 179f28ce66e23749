"""Earlier answers, by tenant and schema, in memory. Drafts of later answers are made from them.

A *tenant* is one of several parties that use a server; a *schema* is the fingerprint of a grammar. An *index*
is an `NGrams` of a tenant's latest answers to a schema: it tells which tokens followed some others in them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np

from structgen.base.errors import OptionError, options_named
from structgen.base.system.fork_locks import QUEUES, new_lock
from structgen.decoding.speculation.drafters.ngrams import START, KnownTexts, NGrams
from structgen.decoding.speculation.drafts.drafter import RequestFacts
from structgen.tokens.tokenizer import Tokenizer

_OVERHEAD: Final = 128
"""The bytes that an answer counts, in addition to four for each of its tokens."""
MOST_INDEXED: Final = 1 << 13
"""The most tokens of a schema's latest answers from which drafts are made, at most 800 bytes each."""
_INDEXES: Final = 8
"""The number of indexes that are kept, those that were used last."""
Key = tuple[str, str]
"""A tenant and a schema."""


class AnswerHistory:
    """Earlier answers, from which drafts are made. Requests share one object. Thread-safe.

    It contains only what `add` was given. A server with several parties names each as a tenant. No tenant's
    drafts come from another tenant's answers. `tenant_bytes` and `most_bytes` are the most bytes of the
    answers of one tenant and of all; the oldest answers are dropped first. In addition, indexes take at most
    50 MB.
    """

    @options_named(
        "sg.speculation.AnswerHistory(tokenizer)",
        {"folder": "Keep `answers` in a file of your own, and `add` them to a new history"},
        "sg.speculation.AnswerHistory",
    )
    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        tenant_bytes: int = 1 << 20,
        most_bytes: int = 1 << 24,
    ) -> None:
        if not 0 < tenant_bytes <= most_bytes:
            raise OptionError(
                f"tenant_bytes={tenant_bytes} and most_bytes={most_bytes} are not valid.",
                where="AnswerHistory",
                cure="Set 0 < tenant_bytes <= most_bytes.",
            )
        self._vocab_size = tokenizer.vocab_size
        self.fingerprint = tokenizer.fingerprint
        """The fingerprint of the tokenizer that all answers are encoded with."""
        self._tenant_bytes = tenant_bytes
        self._most_bytes = most_bytes
        self._lock = new_lock(QUEUES)
        self._stored_answers: dict[tuple[Key, bytes], None] = {}
        """The answers of all tenants, from the oldest to the newest, as keys of a dict: an ordered set."""
        self._sizes: Counter[str] = Counter()
        """The bytes of each tenant's answers, by tenant."""
        self._indexes: OrderedDict[Key, NGrams] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """The bytes of all answers, as they count against `most_bytes`."""
        with self._lock:
            return self._sizes.total()

    def add(self, tenant: str, schema: str, tokens: Sequence[int]) -> None:
        """Add an answer with its end token. A known answer becomes the newest; one that exceeds the bound is
        not kept. Raises OptionError if a token is not in the vocabulary."""
        for token in tokens:
            if not 0 <= token < self._vocab_size:
                raise OptionError(
                    f"Token {token} is not one of the tokenizer's {self._vocab_size}.",
                    where="tokens",
                    cure="Store answers of the model whose tokenizer the history was made with.",
                )
        # Four bytes for each token, in place of Python's 28.
        answer = np.array(tokens, np.int32).tobytes()
        with self._lock:
            self._store_answer((tenant, schema), answer)

    def _store_answer(self, key: Key, answer: bytes) -> None:
        """Store an answer, and forget old ones above the bounds. The lock is held."""
        tenant, _ = key
        if not answer or len(answer) + _OVERHEAD > self._tenant_bytes:
            return
        if (key, answer) in self._stored_answers:
            # The answer is taken out and stored again below, so that it becomes the newest.
            del self._stored_answers[key, answer]
        else:
            self._sizes[tenant] += len(answer) + _OVERHEAD
            index = self._indexes.get(key)
            if index is not None:
                index.add_tokens([START, *_tokens_of_answer(answer)])
                # A full index is dropped. It is made again from the latest answers when it is next needed.
                if len(index.text) > 2 * MOST_INDEXED:
                    del self._indexes[key]
        self._stored_answers[key, answer] = None
        # A dict keeps the order of insertion, so the first entry is the oldest.
        while self._sizes[tenant] > self._tenant_bytes:
            entries_of_tenant = (entry for entry in self._stored_answers if entry[0][0] == tenant)
            self._forget_entry(next(entries_of_tenant))
        while self._sizes.total() > self._most_bytes:
            self._forget_entry(next(iter(self._stored_answers)))

    def _forget_entry(self, entry: tuple[Key, bytes]) -> None:
        """Forget an answer. The lock is held."""
        del self._stored_answers[entry]
        key, answer = entry
        tenant, _ = key
        self._sizes[tenant] -= len(answer) + _OVERHEAD
        # An index cannot forget: no draft may come from an answer that was deleted.
        self._indexes.pop(key, None)

    def _answers_of(self, key: Key) -> list[bytes]:
        """Return the answers of a tenant to a schema, the oldest first. The lock is held."""
        return [answer for stored_key, answer in self._stored_answers if stored_key == key]

    def answers(self, tenant: str, schema: str) -> list[list[int]]:
        """Return a tenant's answers to a schema, the oldest first."""
        with self._lock:
            return [_tokens_of_answer(answer) for answer in self._answers_of((tenant, schema))]

    def index(self, tenant: str, schema: str) -> NGrams | None:
        """Return the index of a tenant's latest answers to a schema; None if there are no answers. The caller
        must not change it.

        The index grows with the answers, and is made again when it is full. Cost: 1 us; when it is made
        again, 2 us a token, for at most 8,192 tokens.
        """
        key = tenant, schema
        with self._lock:
            index = self._indexes.get(key)
            if index is None:
                latest = self._latest_answers(key)
                if not latest:
                    return None
                index = self._indexes[key] = NGrams()
                # The oldest answer goes first, in the order in which they were added.
                for tokens in reversed(latest):
                    index.add_tokens(tokens)
            self._indexes.move_to_end(key)
            if len(self._indexes) > _INDEXES:
                self._indexes.popitem(last=False)
            return index

    def _latest_answers(self, key: Key) -> list[list[int]]:
        """Return as many of the latest answers as one index holds, the newest first. Each begins with the
        token START. The lock is held."""
        latest = list[list[int]]()
        room = MOST_INDEXED
        for answer in reversed(self._answers_of(key)):
            tokens = [START, *_tokens_of_answer(answer)[: MOST_INDEXED - 1]]
            room -= len(tokens)
            # The newest answer is taken in any case. The slice above makes it fit.
            if room < 0 and latest:
                break
            latest.append(tokens)
        return latest

    def drafter(self) -> KnownTexts:
        """Return a drafter that drafts from the answers to a request's schema. For a free text, which has no
        schema, it makes empty drafts."""

        def index_of_request(facts: RequestFacts) -> NGrams | None:
            """Return the index of a request's schema; None for a free text, which has no schema."""
            return self.index(facts.tenant, facts.schema) if facts.schema else None

        return KnownTexts("earlier", index_of_request)

    def delete(self, tenant: str, schema: str | None = None) -> int:
        """Delete a tenant's answers to a schema, or to all; return how many they were."""
        with self._lock:
            # The entries are collected first, because none can be deleted while the dict is read.
            entries = []
            for key, answer in self._stored_answers:
                entry_tenant, entry_schema = key
                if entry_tenant == tenant and schema in (None, entry_schema):
                    entries.append((key, answer))
            for entry in entries:
                self._forget_entry(entry)
            return len(entries)


def _tokens_of_answer(answer: bytes) -> list[int]:
    """Return the tokens of an answer as Python's numbers."""
    tokens: list[int] = np.frombuffer(answer, np.int32).tolist()
    return tokens
