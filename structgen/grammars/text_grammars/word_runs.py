"""Grammars of the pieces of a given text: `sg.substring_of`, and the quotes of `sg.Quote`.

A *run* of a text is a piece of it without gaps. Of "to be or" the runs of words are `to`, `to be`, `be or`
and so on. `substring_of` has the runs of characters, `runs_of` those of words, sentences or lines.
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
import numpy.typing as npt

from structgen.base.errors import GrammarError, options_named
from structgen.base.language import checks
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.schema.reading.quote_keyword import QuoteMembers

Numbers: TypeAlias = "npt.NDArray[np.int64]"
_UNSPACED: Final = (
    "\u0e00-\u0e4f\u0e5a-\u0ecf\u0eda-\u0eff\u1000-\u103f\u104a-\u109f\u1780-\u17df\u17ea-\u17ff\u3005-\u3007"
    "\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Scripts without blanks between words, their digits left out: Thai, Lao, Burmese, Khmer, kana, bopomofo,
Han."""
_MARK: Final = "\u0301"
"""The one mark of a text in which words are looked for."""
LETTER: Final = rf"[^\W_{_UNSPACED}]"
"""A letter or digit of a script with blanks between words."""
_FORMAT: Final = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
"""Characters without width and signs of direction: inside a word they are part of it."""
_LETTERS: Final = rf"{LETTER}(?:{LETTER}++|{_MARK}|{_FORMAT}++(?={LETTER}))*+"
_WORD: Final = rf"(?:(?=\w)[{_UNSPACED}]{_MARK}*|{_LETTERS})"
_SIGN: Final = (
    r"(?:[\U0001f1e6-\U0001f1ff]{2}|[^\w\s]|_)"
    rf"(?:{_MARK}|[\U0001f3fb-\U0001f3ff]|\u200d[^\w\s]|[\U000e0020-\U000e007f])*+"
)
"""A character that is of no word, with what changes it: an accent, a colour, what a joiner joins."""
_TOKEN: Final = re.compile(rf"({_WORD})|{_SIGN}")
_JOINER: Final = rf"(?:['\u2019\u2010\u2011@&+/-]|_++|(?<![a-z])\.|\.(?![A-Z])|(?<=\d)[,:]|://)(?={LETTER})"
_PIECES: Final = {
    "words": rf"{_LETTERS}(?:{_JOINER}{_LETTERS})*+|{_WORD}",
    "sentences": r"\S(?s:.)*?(?:(?=[.!?…؟।])(?<![.!?…؟।])(?<!\b[A-Z])"
    r"(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|Nr|No|vs))(?<!\b(?:Mrs|Mme|Sra))(?<!\bProf)[.!?…؟।]++[\"'”\u2019»)\]]*+(?=\s++[^\sa-z])|"
    r"[。\uff01\uff1f｡]++[”\u2019」』\uff09]*+|(?<=\S)(?=\s*+\Z|[^\S\n]*+\n[^\S\n]*+\n))",
    "lines": r"\S(?:[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*\S)?",
}
"""Patterns of the pieces that are counted."""


class QuoteBorders(NamedTuple):
    """Where quotes of a text begin and end, in characters. Made by `borders_of`."""

    begins: Numbers
    ends: Numbers
    words: Numbers
    """Where its words begin; a quote has one of them."""


def borders_of(text: str) -> QuoteBorders:
    """Return where quotes of a text begin and end, each in ascending order.

    A quote begins and ends with a word, or with a mark that belongs to it: one that touches it, other marks
    between, or one that touches no word. A word is a run of letters and digits of a script with blanks, with
    their accents, or one such character of a script without; a mark is any other character but white space.
    So `Inc.`, `Inc`, `(it`, and `5 €`, but not `. paid` of "Acme Inc. paid". Cost: linear.
    """
    spans = (match.regs for match in _TOKEN.finditer(_with_one_accent(text)))
    flat = chain.from_iterable(chain.from_iterable(spans))
    # of each word or mark: its start and end, and the start of its group of words, which is -1 for a mark
    starts, stops, word_starts, _ = np.fromiter(flat, np.int64).reshape(-1, 4).T
    count = len(starts)
    numbers = np.arange(count)
    # From here on, places are numbers of words and marks; -1 and `count` stand before and after all.
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
        raise GrammarError("An empty document has no spans.", where="document", cure="Give a text.")
    return Spans(document, checks.check_limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class Spans(TextGrammar):
    """The spans of a document. Made by `substring_of`."""

    document: str
    limits: Limits
    pieces: tuple[int, ...] = ()
    """How many characters each piece has of which a span has all or none; (): each has one."""
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
            description = "a run of the pieces"
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
    """Return a text with one and the same mark for each that changes the character before it."""
    # one character for one, so that places in the result are places in the text
    marks = (char for char in set(text) if category(char).startswith("M"))
    return text.translate({ord(mark): _MARK for mark in marks})


def _to_next(stops: Numbers) -> Numbers:
    """Return of each byte how many there are to the next of some places in ascending order."""
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
        # of each character of the text, and its end, the byte of `folded_text` at which it stands
        is_first_byte = current & 0xC0 != 0x80
        byte_places = (stays.cumsum() - stays)[is_first_byte]
        borders = borders_of(text) if members.of == "words" else _pieces_of(members.of, text)
        begins, ends, pieces = borders
        if not len(pieces):
            cure = "Give a text that has some."
            raise GrammarError(f"The text has no {members.of}.", where="text", cure=cure)
        self.first: Numbers = byte_places[begins]
        """The bytes at which a run may begin, ascending."""
        first_pieces = pieces[pieces.searchsorted(begins)]
        self.shortest_ends: Numbers = byte_places[first_pieces] + 1
        """For each of these, the byte after which a run may end: the first byte of a word."""
        self.last: Numbers = np.full_like(begins, byte_places[ends[-1]])
        """For each of these, the byte before which a run that begins there ends at the latest."""
        if members.words:
            word_starts = _pieces_of("words", text).begins
            # the first word that a run does not have any more, and the last border before it
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
            "a run of the text", self.folded_text, self.first, self.shortest_ends, self.last, self.bytes_left
        )


class RunLanguage(Language):
    """The runs of a text. A configuration is how many bytes were read, and a range of `_first`: where the
    runs begin that begin so. A range is put in the order of its next bytes when they are asked for. Of one
    place, one latest end and one earliest end there is one configuration, however the run began."""

    def __init__(
        self,
        description: str,
        text: bytes,
        first: Numbers,
        shortest_ends: Numbers,
        last: Numbers,
        bytes_left: Numbers,
    ) -> None:
        """Read the runs of a text that begin at the bytes `first`, end at the earliest before the bytes
        `shortest_ends`, at the latest before the bytes `last`, and only at a byte of which `bytes_left` is 0.
        After the last end the text has one byte more. `description`: a run, in words.

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
        """For a place and the bounds of its end, the first configuration that has no other place."""

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
        # one more than the next byte, which is no 255 in UTF-8; 0 where no run goes on
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
                # a single place: the bytes that a run has before it change nothing any more
                place = int(self._first[low]) + read_count
                earliest_end = max(place, int(self._shortest_ends[low]))
                single_key = place, earliest_end, int(self._last[low])
                after = self._single_configs.setdefault(single_key, after)
            if next_key:
                configs[next_key - 1] = after
            low += count
        return configs

    def cheap_next_bytes(self, config: Config) -> bytes:
        return bytes(sorted(self._configs_by_byte(config)))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._configs_by_byte(config).get(symbol)

    def _standing_places(self, config: Config) -> tuple[Numbers, Numbers]:
        """Return where in the text a configuration may stand, and from each place how many bytes there are to
        the next end of a piece."""
        read_count, low, high = config
        places = self._first[low:high] + read_count
        earliest = np.maximum(places, self._shortest_ends[low:high])
        return places, earliest - places + self._bytes_left[earliest]

    def accepts(self, config: Config) -> bool:
        _, bytes_left = self._standing_places(config)
        return not bytes_left.all()

    def shortest_rest(self, config: Config) -> Sequence[int]:
        places, bytes_left = self._standing_places(config)
        size = int(bytes_left.min())
        nearest_places = places[bytes_left == size].tolist()
        return min(self._text[place : place + size] for place in nearest_places)
