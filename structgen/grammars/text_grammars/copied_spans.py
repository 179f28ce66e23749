"""`sg.without_spans_of`: texts that copy no long run of characters from a corpus.

A *corpus* is a long text. A *run* is a piece of a text without gaps. A run is *copied* if it occurs in the
corpus. A text is refused where one of its runs of more than n characters is copied. For example, with the
corpus `to be or not` and n = 3, the text `to do` is allowed, and `I be or` is refused: ` be ` is copied.

The allowed texts are a regular language. A reader remembers only the *suffix*: the longest copied end of the
text so far, of at most n characters. A *place* of the corpus is an index of a character. All places are kept
in an array, sorted by the n + 1 characters that begin there (a suffix array). A run is looked up there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import numpy as np

from structgen.automata.unicode.charsets import ANY
from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of
from structgen.base.errors import GrammarError, LimitError, options_named
from structgen.base.language import checks
from structgen.base.limits import DEFAULT, Limits
from structgen.base.native.array_types import Int32Array
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextFilter
from structgen.machines.core.compiled import REMEMBERED

_MOST: Final = 1 << 26
"""The most characters of a corpus. Each takes 4 bytes of memory, and some 40 while the array is made."""
_LONGEST: Final = 1000
"""The largest `longest`, in characters. A step looks up ends of the text of up to this length."""
_UTF8_CUTS: Final = (0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5)
"""The first byte of each range of bytes that have the same meaning in UTF-8: from 0x80 on continuation bytes,
from 0xC2 on first bytes of two-byte characters, and so on."""

Place: TypeAlias = "tuple[str, bytes]"
"""A configuration of `SpanFreeLanguage`: the suffix (the copied end of the text so far), and the bytes of the
character that is not complete yet."""


@options_named("sg.without_spans_of(corpus, longest=40)")
def without_spans_of(corpus: str, longest: int) -> SpanFree:
    """Return the grammar of all texts in which no run of more than `longest` characters stands in a corpus.

    It is regular, so that `&` joins it with any grammar: `sg.without_spans_of(corpus, longest=40) & schema`.
    A grammar that needs such a run is refused when it is compiled, with the run. `copied(text)` finds runs in
    a text that was written otherwise.

    Cost: sorting the places of the corpus at the first use: about a second and 40 MiB for a million
    characters; 4 MiB stay. Each end of a text that stands in the corpus is a state, so masks cost more the
    larger the vocabulary. Raises OptionError for a corpus that is no text, and a `longest` that is not 1 to
    1,000; LimitError for a corpus of more than 67,108,864 characters.
    """
    checks.InstanceCheck(str, "Pass its text.")("corpus", corpus)
    longest = checks.check_whole("longest", longest, 1, _LONGEST)
    if len(corpus) > _MOST:
        raise LimitError(
            f"The corpus has {len(corpus):,} characters; the limit is {_MOST:,}.", limit="corpus"
        )
    return SpanFree(corpus, longest)


@dataclass(frozen=True, slots=True)
class CopiedSpan:
    """A copied run of a text: text[start:end] == corpus[place : place + end - start]. The unit is a
    character."""

    start: int
    end: int
    place: int


class SpanFree(TextFilter):
    """The grammar of the texts without a copied run of more than `longest` characters. Made by
    `without_spans_of`."""

    def __init__(self, corpus: str, longest: int) -> None:
        self.corpus = corpus
        self.longest = longest
        digest = blake2b(corpus.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._name = f"without spans of {digest} {longest}"

    limits = DEFAULT
    source = "texts without spans of a corpus"

    @property
    def canonical(self) -> str:
        return self._name

    @cached_property
    def corpus_index(self) -> CorpusIndex:
        """The index of the corpus. It is built when it is first used."""
        return CorpusIndex(self.corpus, self.longest + 1)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return SpanFreeLanguage(self.corpus_index, self.longest)

    def refusal_error(self, text: str) -> GrammarError:
        """Return the error for a grammar all of whose texts copy a long run. `text`: one of its texts, whose
        first copied run the message shows."""
        spans = self.copied(text)
        shown_run = "one"
        if spans:
            first = spans[0]
            shown_run = repr(text[first.start : first.end])
        return GrammarError(
            f"Each text of the grammar contains more than {self.longest} consecutive characters of "
            f"the corpus, such as {shown_run}.",
            where="grammar",
            cure="Increase longest, or relax the grammar.",
        )

    def copied(self, text: str) -> list[CopiedSpan]:
        """Return the copied runs of a text that have more than `longest` characters.

        Each run has the place of the corpus that comes first in the sorted order. Runs may overlap by up to
        `longest` characters. Cost: some microseconds a character.
        """
        spans: list[CopiedSpan] = []
        start = 0
        size = self.longest + 1
        while start + size <= len(text):
            place = self.corpus_index.place_of(text[start : start + size])
            if place is None:
                start += 1
                continue
            # the run goes on at this place, as far as the corpus agrees; a slice is "" after its end
            end = start + size
            corpus_end = place + size
            while end < len(text) and self.corpus[corpus_end : corpus_end + 1] == text[end]:
                end += 1
                corpus_end += 1
            spans.append(CopiedSpan(start, end, place))
            # the first run after this one that is not a part of it
            start = end - self.longest
        return spans

    def __reduce__(self) -> tuple[Any, ...]:
        return SpanFree, (self.corpus, self.longest)


class CorpusIndex:
    """Finds texts of at most `reach` characters in a corpus, by binary search in the sorted places."""

    def __init__(self, corpus: str, reach: int) -> None:
        self.corpus = corpus
        self.characters = frozenset(corpus)
        self._places = sorted_places(corpus, reach)
        self._answers: dict[str, bool] = {}

    def place_of(self, text: str) -> int | None:
        """Return a place at which a text occurs in the corpus; None where it does not occur. The text has at
        most `reach` characters."""
        size = len(text)
        # places in the order of longer texts are in the order of their beginnings too
        row = bisect_left(self._places, text, key=lambda place: self.corpus[place : place + size])
        if row == len(self._places):
            return None
        place = int(self._places[row])
        return place if self.corpus.startswith(text, place) else None

    def has_text(self, text: str) -> bool:
        """Return whether a text of at most `reach` characters occurs in the corpus; answers are kept."""
        answer = self._answers.get(text)
        if answer is None:
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()  # bounded memory; texts of the moment come again at once
            answer = self.place_of(text) is not None
            self._answers[text] = answer
        return answer


def sorted_places(corpus: str, reach: int) -> Int32Array:
    """Return the places of a corpus, sorted by the `reach` or more characters that begin at each.

    The method is prefix doubling (Manber and Myers, "Suffix arrays", 1990): places sorted by 1 character are
    sorted by 2, then by 4, and so on. For example, of "aba" the places in order are 2 (`a`), 0 (`aba`) and
    1 (`ba`).
    """
    code_points = np.frombuffer(corpus.encode("utf-32-le", "surrogatepass"), np.uint32)
    # a rank is from 1 on: 0 is the rank of the text after the end, which is before all others
    ranks = code_points.astype(np.int64) + 1
    order = np.argsort(ranks, kind="stable")
    size = 1
    while size < reach and len(order):
        # the key of 2 * size characters: the rank of the first half, then that of the second half
        keys = ranks * (int(ranks.max()) + 1)
        keys[:-size] += ranks[size:]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        # equal keys have the same rank; each new key adds one
        steps = np.empty(len(keys), np.int64)
        steps[0] = 1
        np.not_equal(keys[1:], keys[:-1], out=steps[1:], casting="unsafe")
        ranks[order] = np.cumsum(steps)
        size *= 2
    return order.astype(np.int32)


class SpanFreeLanguage(Language):
    """The language of the texts in UTF-8 without a long copied run. A text may end after any character."""

    description = "a text without spans of the corpus"

    def __init__(self, index: CorpusIndex, longest: int) -> None:
        self._index = index
        self._longest = longest
        corpus_bytes = set("".join(index.characters).encode("utf-8", "surrogatepass"))
        class_numbers: dict[int, int] = {}
        classes = bytearray()
        for byte in range(256):
            # A byte of the corpus is a class of its own. Other bytes differ only by their range in UTF-8,
            # which is numbered -1, -2, ... here, so that it differs from every byte.
            kind = byte if byte in corpus_bytes else -1 - bisect_right(_UTF8_CUTS, byte)
            classes.append(class_numbers.setdefault(kind, len(class_numbers)))
        self.classes = bytes(classes)

    def start(self) -> Config:
        return "", b""

    def step(self, config: Config, symbol: int) -> Config | None:
        suffix, partial = config
        if symbol > 255:
            return None
        partial += bytes((symbol,))
        try:
            char = partial.decode()
        except UnicodeDecodeError:
            # inside a character: some character must be possible, else this would be a dead end
            return None if self._complete_character(suffix, partial) is None else (suffix, partial)
        after = self._suffix_after(suffix, char)
        return None if after is None else (after, b"")

    def _suffix_after(self, suffix: str, char: str) -> str | None:
        """Return the suffix after one more character; None where it has more than `longest` characters."""
        if char not in self._index.characters:
            return ""
        text = suffix + char
        # Binary search for the smallest `low` with text[low:] in the corpus: if an end of the text is copied,
        # so is each shorter end. The last character alone is in the corpus.
        low = 0
        high = len(text) - 1
        while low < high:
            middle = (low + high) // 2
            if self._index.has_text(text[middle:]):
                high = middle
            else:
                low = middle + 1
        return None if len(text) - low > self._longest else text[low:]

    def _complete_character(self, suffix: str, partial: bytes) -> bytes | None:
        """Return bytes that complete the character begun with `partial`, so that the character may follow
        `suffix`; None where no character may."""
        # The first completion is tried alone: it is remembered, and mostly it is allowed.
        first_rest = _first_rest(partial)
        if first_rest is None or self._suffix_after(suffix, (partial + first_rest).decode()) is not None:
            return first_rest
        for rest in _character_rests(partial):
            char = (partial + rest).decode()
            if self._suffix_after(suffix, char) is not None:
                return rest
        return None

    def accepts(self, config: Config) -> bool:
        return not config[1]  # no character is incomplete

    def shortest_rest(self, config: Config) -> Sequence[int]:
        suffix, partial = config
        rest = self._complete_character(suffix, partial) if partial else b""
        assert rest is not None
        return rest

    @property
    def sizes(self) -> dict[str, int]:
        return {"corpus_characters": len(self._index.corpus)}


@lru_cache(maxsize=4096)
def _first_rest(partial: bytes) -> bytes | None:
    """Return the smallest bytes that complete a character which begins with `partial`; None where no
    character begins so."""
    return next(_character_rests(partial), None)


def _character_rests(partial: bytes) -> Iterator[bytes]:
    """Yield each sequence of bytes that completes a character which begins with `partial`, in ascending
    order. It yields nothing if no character begins so."""
    # a node is a state of the automaton of one character; None: no character; DONE: the character is complete
    node: ByteNode | None = node_of(ANY)
    for byte in partial:
        node = None if node is None else node.after[byte]
    todo = [(b"", node)]
    while todo:
        rest, node = todo.pop()
        if node is DONE:
            yield rest
        elif node is not None:
            # The bytes that continue a character are 0x80 to 0xBF. They are added downwards, since the last
            # of the list is taken first: so the rests come in ascending order.
            continuation_bytes = range(0xBF, 0x7F, -1)
            todo += [(rest + bytes((byte,)), node.after[byte]) for byte in continuation_bytes]
