"""Grammars of the pieces of a given text: `sg.substring_of`, and the quotes of `sg.Quote`.

A *piece* is a unit of the text: a character, a word, a sentence or a line. A *run* is one or more pieces side
by side. The runs of words of "to be or" are `to`, `to be`, `to be or`, `be`, `be or` and `or`. `substring_of`
makes the grammar of the runs of characters (*spans*), `runs_of` that of words, sentences or lines.

A *border* is a place where a run may begin or end. A *mark* is a character that is not in a word, such as a
full stop. An *accent* is a character that changes the one before it (a combining mark). A *joiner* is a text
that joins two words into one, such as the hyphen of `well-known`. A *place* is an offset in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Final, NamedTuple, TypeAlias
from unicodedata import category

import numpy as np

from structgen.base.errors import GrammarError, options_named
from structgen.base.language import checks
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int64Array
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.schema.reading.quote_keyword import QuoteMembers

Numbers: TypeAlias = "Int64Array"
_UNSPACED: Final = (
    "\u0e00-\u0e4f\u0e5a-\u0ecf\u0eda-\u0eff\u1000-\u103f\u104a-\u109f\u1780-\u17df\u17ea-\u17ff\u3005-\u3007"
    "\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""The characters, without digits, of scripts that have no blanks between words: Thai, Lao, Burmese, Khmer,
kana, bopomofo, Han."""
_MARK: Final = "\u0301"
"""The accent that replaces all others before words are looked for (`_with_one_accent`)."""
LETTER: Final = rf"[^\W_{_UNSPACED}]"
"""A letter or digit of a script with blanks between words."""
_FORMAT: Final = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
"""Characters without width and signs of direction. Inside a word they are part of it."""
_LETTERS: Final = rf"{LETTER}(?:{LETTER}++|{_MARK}|{_FORMAT}++(?={LETTER}))*+"
"""A run of letters with their accents."""
_WORD: Final = rf"(?:(?=\w)[{_UNSPACED}]{_MARK}*|{_LETTERS})"
"""A word: one character of a script without blanks, or a run of letters."""
_SIGN: Final = (
    r"(?:[\U0001f1e6-\U0001f1ff]{2}|[^\w\s]|_)"
    rf"(?:{_MARK}|[\U0001f3fb-\U0001f3ff]|\u200d[^\w\s]|[\U000e0020-\U000e007f])*+"
)
"""A mark, with the characters that change it: an accent, a colour of the skin, a sign joined by U+200D. Two
regional indicators (a flag) are one mark."""
_TOKEN: Final = re.compile(rf"({_WORD})|{_SIGN}")
"""A word (group 1), or a mark."""
_JOINER: Final = rf"(?:['\u2019\u2010\u2011@&+/-]|_++|(?<![a-z])\.|\.(?![A-Z])|(?<=\d)[,:]|://)(?={LETTER})"
"""A text between two runs of letters that makes them one word, such as `'` or `-`."""
_PIECES: Final = {
    "words": rf"{_LETTERS}(?:{_JOINER}{_LETTERS})*+|{_WORD}",
    "sentences": r"\S(?s:.)*?(?:(?=[.!?…؟।])(?<![.!?…؟।])(?<!\b[A-Z])"
    r"(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|Nr|No|vs))(?<!\b(?:Mrs|Mme|Sra))(?<!\bProf)[.!?…؟।]++[\"'”\u2019»)\]]*+(?=\s++[^\sa-z])|"
    r"[。\uff01\uff1f｡]++[”\u2019」』\uff09]*+|(?<=\S)(?=\s*+\Z|[^\S\n]*+\n[^\S\n]*+\n))",
    "lines": r"\S(?:[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*\S)?",
}
"""The patterns of pieces, by their names in `runs_of`."""


class QuoteBorders(NamedTuple):
    """The places where quotes of a text begin and end, in characters, ascending. Made by `borders_of`."""

    begins: Numbers
    """The places before which a quote may begin."""
    ends: Numbers
    """The places before which a quote may end."""
    words: Numbers
    """The places where the text's words begin. A quote contains at least one word."""


def borders_of(text: str) -> QuoteBorders:
    """Return where quotes of a text begin and end, each in ascending order.

    A quote begins with a word, or with a mark that belongs to the next word; it ends likewise. A mark belongs
    to a word if only other marks, and no white space, are between them. A mark that touches no word on either
    side belongs to the words on both sides. A word is a run of letters and digits, with their accents, of a
    script with blanks; or one letter of a script without. Any other character except white space is a mark.

    So `Inc.`, `Inc`, `(it` and `5 €` may be quotes; `. paid` of "Acme Inc. paid" may not. Cost: linear.
    """
    spans = (match.regs for match in _TOKEN.finditer(_with_one_accent(text)))
    flat = chain.from_iterable(chain.from_iterable(spans))
    # Four numbers for each match of `_TOKEN`: its start and end, then those of group 1, which are -1 for a
    # mark.
    starts, stops, word_starts, _ = np.fromiter(flat, np.int64).reshape(-1, 4).T
    count = len(starts)
    numbers = np.arange(count)
    # From here on, words and marks are known by their index; -1 and `count` mean none before and none after.
    words = (word_starts >= 0).nonzero()[0]
    word_numbers = np.array([-1, *words, count])
    gaps = (starts[1:] != stops[:-1]).nonzero()[0]  # white space follows these
    gap_numbers = np.array([-1, *gaps, count])
    next_word = word_numbers[word_numbers.searchsorted(numbers)]
    next_gap = gap_numbers[gap_numbers.searchsorted(numbers)]
    last_word = word_numbers[word_numbers.searchsorted(numbers, "right") - 1]
    last_gap = gap_numbers[gap_numbers.searchsorted(numbers) - 1]
    has_next = next_word < count
    has_last = last_word >= 0
    # a word or mark touches a word where no white space stands between
    touches_next = has_next & (next_word <= next_gap)
    touches_last = has_last & (last_word > last_gap)
    begins = has_next & (touches_next | ~touches_last)
    ends = has_last & (touches_last | ~touches_next)
    return QuoteBorders(starts[begins], stops[ends], starts[words])


@options_named("sg.substring_of(document)")
def substring_of(document: str, *, limits: Limits | None = None) -> Spans:
    """Return the grammar of the spans of a document: every run of its characters that is not empty.

    Raises `OptionError` for anything but a text, `GrammarError` for the empty text. Cost: 20 bytes of memory
    for each byte; of a text so far, linear in the places where it stands.
    """
    if not checks.check_encodable("document", document):
        raise GrammarError("An empty document has no spans.", where="document", cure="Pass a text.")
    return Spans(document, checks.check_limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class Spans(TextGrammar):
    """The spans of a document. Made by `substring_of`."""

    document: str
    limits: Limits
    pieces: tuple[int, ...] = ()
    """The sizes of the pieces, in characters. A span has each piece whole or not at all. (): each character
    is a piece."""
    source = "the spans of a document"

    @property
    def canonical(self) -> str:
        digest = blake2b(self.document.encode(), digest_size=16).hexdigest()
        spelling = f"spans {digest} {len(self.document)}"
        return f"{spelling} {self.pieces}" if self.pieces else spelling

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        # a blank after the text, so that its end is the beginning of a character too
        text = b"%b " % self.document.encode()
        # bytes 0x80 to 0xBF go on with a character of UTF-8; all others begin one
        borders = (np.frombuffer(text, np.uint8) & 0xC0 != 0x80).nonzero()[0]
        description = "a span of the document"
        if self.pieces:
            description = "more of the pieces"
            borders = borders[np.unique(np.cumsum((0, *self.pieces)))]
        first = borders[:-1]
        shortest_ends = first + 1
        last = np.full_like(first, borders[-1])
        return RunLanguage(description, text, first, shortest_ends, last, _to_next(borders))


def _pieces_of(of: str, text: str) -> QuoteBorders:
    """Return where the words, sentences or lines of a text begin and end."""
    matches = re.finditer(_PIECES[of], _with_one_accent(text))
    flat = chain.from_iterable(match.span() for match in matches)
    begins, ends = np.fromiter(flat, np.int64).reshape(-1, 2).T
    return QuoteBorders(begins, ends, begins)


def _with_one_accent(text: str) -> str:
    """Return a text in which all accents are replaced by one and the same accent (`_MARK`)."""
    # Each character is replaced by one character, so places in the result are places in the text. All
    # categories that begin with M are combining marks.
    marks = (char for char in set(text) if category(char).startswith("M"))
    return text.translate({ord(mark): _MARK for mark in marks})


def _to_next(stops: Numbers) -> Numbers:
    """Return for each byte the number of bytes from it to the next of `stops`, which are ascending places.
    For example, for the stops 2 and 3 the result is 2, 1, 0, 0."""
    all_bytes = np.arange(stops[-1] + 1)
    distances: Numbers = stops[stops.searchsorted(all_bytes)] - all_bytes
    return distances


def runs_of(
    text: str,
    *,
    words: int | None = None,
    of: str = "words",
    limits: Limits | None = None,
) -> WordRuns:
    """Return the grammar of the runs of a text: one or more of its words, sentences or lines that stand side
    by side, with what is between them. White space of the text is one blank in a run.

    `words`: the most words of a run; None: any number. Where runs begin and end, `borders_of` says. Words
    that are joined count as one: by one of `'@&+/-`, by a full stop (not from a small letter to a capital),
    by `_`, by `://`, and after a digit by a comma or colon. A sentence has its stops and the quotation marks
    after them; a blank line ends one, too.

    Raises `OptionError` for anything but a text, counts and names, `GrammarError` for a text without words.
    Cost: some 5 us a word, and 30 bytes of memory for each byte of the text.
    """
    return WordRuns(
        checks.check_encodable("text", text), QuoteMembers(of, words), checks.check_limits(limits)
    )


class WordRuns(TextGrammar):
    """The runs of a text. Made by `runs_of`."""

    __slots__ = ("bytes_left", "first", "folded_text", "last", "limits", "members", "shortest_ends", "text")
    limits: Limits
    source = "the runs of a text"

    def __init__(self, text: str, members: QuoteMembers, limits: Limits) -> None:
        self.text = text
        self.members = members
        self.limits = limits
        blank = 32
        # a blank before the text, too: blanks at its beginning are left out like all that follow a blank
        with_blanks = re.sub(r"\s", " ", text).encode()
        data = np.frombuffer(b" %b " % with_blanks, np.uint8)
        previous = data[:-1]
        current = data[1:]
        stays = (current != blank) | (previous != blank)
        self.folded_text: bytes = current[stays].tobytes()
        """The text with one blank for each run of white space, and a blank after it."""
        # For each character of the text, and for the end of the text, its place in `folded_text`, in bytes.
        # Bytes 0x80 to 0xBF continue a character; all others begin one.
        is_first_byte = current & 0xC0 != 0x80
        byte_places = (stays.cumsum() - stays)[is_first_byte]
        borders = borders_of(text) if members.of == "words" else _pieces_of(members.of, text)
        begins, ends, pieces = borders
        if not len(pieces):
            cure = "Pass a text that has some."
            raise GrammarError(f"The text has no {members.of}.", where="text", cure=cure)
        self.first: Numbers = byte_places[begins]
        """The bytes at which a run may begin, ascending."""
        first_pieces = pieces[pieces.searchsorted(begins)]
        self.shortest_ends: Numbers = byte_places[first_pieces] + 1
        """For each place of `first`, the earliest end of a run that begins there: after the first byte of its
        first piece."""
        self.last: Numbers = np.full_like(begins, byte_places[ends[-1]])
        """For each place of `first`, the latest end of a run that begins there."""
        if members.words:
            word_starts = _pieces_of("words", text).begins
            # For each beginning, the index of the first word that is too many; the run ends at the last
            # border up to the beginning of this word.
            excluded_word = word_starts.searchsorted(first_pieces, "right") - 1 + members.words
            bounds = np.append(word_starts, ends[-1])
            latest = bounds[np.minimum(excluded_word, len(word_starts))]
            self.last = byte_places[ends[ends.searchsorted(latest, "right") - 1]]
        self.bytes_left = _to_next(np.unique(byte_places[ends]))
        """For each byte, how many bytes there are to the next end of a piece."""

    @property
    def canonical(self) -> str:
        digest = blake2b(self.text.encode(), digest_size=16).hexdigest()
        return f"runs {self.members.of} {self.members.words} {digest} {len(self.text)}"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return RunLanguage(
            f"more {self.members.of} of the text",
            self.folded_text,
            self.first,
            self.shortest_ends,
            self.last,
            self.bytes_left,
        )


class RunLanguage(Language):
    """The language of the runs of a text.

    A configuration is (number of bytes read, low, high). `_first[low:high]` are the places of all runs that
    begin with the bytes read. When the next bytes are asked for, this range is sorted by them, so that the
    runs with one next byte are a range again. If only one place is left, the earlier bytes no longer matter:
    equal places with equal earliest and latest ends share one configuration.
    """

    def __init__(
        self,
        description: str,
        text: bytes,
        first: Numbers,
        shortest_ends: Numbers,
        last: Numbers,
        bytes_left: Numbers,
    ) -> None:
        """All places are in bytes of `text`. `first`: the places where runs begin. `shortest_ends`, `last`:
        for each of them the earliest and the latest end of a run. `bytes_left`: for each place the number of
        bytes to the next place where a run may end; a run ends only where it is 0. After the last end the
        text has one byte more. `description`: the name of a run in messages.

        For example, the runs of whole words of "to be": `text` b"to be ", `first` [0, 3], `shortest_ends`
        [1, 4], `last` [5, 5], `bytes_left` [2, 1, 0, 2, 1, 0].
        """
        self.description = description
        self._text = text
        self._bytes_left = bytes_left
        # copies: `_configs_by_byte` puts ranges of these three in another order
        self._first = first.copy()
        self._shortest_ends = shortest_ends.copy()
        self._last = last.copy()
        self._data = np.frombuffer(text, np.uint8)
        self._single_configs: dict[tuple[int, int, int], Config] = {}
        """For (place in the text, earliest end, latest end) the first configuration that was made for it."""

    def start(self) -> Config:
        return 0, 0, len(self._first)

    @remember_answers
    def _configs_by_byte(self, config: Config) -> dict[int, Config]:
        """Return the configuration after each byte that may come next."""
        configs: dict[int, Config] = {}
        read_count, low, high = config
        # views of the three arrays, so that they are sorted in place
        first = self._first[low:high]
        shortest_ends = self._shortest_ends[low:high]
        last = self._last[low:high]
        # A key is the next byte plus 1, or 0 where the run cannot go on. A byte in UTF-8 is never 255, so the
        # sum fits into a byte.
        next_keys = (self._data[first + read_count] + 1) * (first + read_count < last)
        order = next_keys.argsort(kind="stable")
        first[:] = first[order]
        shortest_ends[:] = shortest_ends[order]
        last[:] = last[order]
        # the places with the same next byte are one range now
        counts = np.bincount(next_keys)
        for next_key in counts.nonzero()[0].tolist():
            count = int(counts[next_key])
            after = read_count + 1, low, low + count
            if count == 1:
                # a single place is left: the bytes before it no longer matter
                place = int(self._first[low]) + read_count
                earliest_end = max(place, int(self._shortest_ends[low]))
                single_key = place, earliest_end, int(self._last[low])
                after = self._single_configs.setdefault(single_key, after)
            if next_key:  # 0: these runs cannot go on
                configs[next_key - 1] = after
            low += count
        return configs

    def cheap_next_bytes(self, config: Config) -> bytes:
        return bytes(sorted(self._configs_by_byte(config)))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._configs_by_byte(config).get(symbol)

    def _standing_places(self, config: Config) -> tuple[Numbers, Numbers]:
        """Return the places of the text that a configuration may have reached, and for each of them the
        number of bytes to the next allowed end."""
        read_count, low, high = config
        places = self._first[low:high] + read_count
        earliest = np.maximum(places, self._shortest_ends[low:high])
        return places, earliest - places + self._bytes_left[earliest]

    def accepts(self, config: Config) -> bool:
        """Return whether a run may end here: at one of the places no byte is left."""
        _, bytes_left = self._standing_places(config)
        return not bytes_left.all()

    def shortest_rest(self, config: Config) -> Sequence[int]:
        places, bytes_left = self._standing_places(config)
        size = int(bytes_left.min())
        nearest_places = places[bytes_left == size].tolist()
        return min(self._text[place : place + size] for place in nearest_places)
