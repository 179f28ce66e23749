"""The runs of a text: `sg.substring_of` takes those of its characters, `runs_of` those of its words,
sentences or lines. `sg.Quote` marks strings that are such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Final, TypeAlias
from unicodedata import category

import numpy as np
import numpy.typing as npt

from structgen.base.errors import GrammarError, options_named
from structgen.base.language import checks
from structgen.base.language.remembering import remembered
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
# a hyphen before a capital joins two words that a quote may have alone: Buckfast-Königin
_HYPHEN: Final = r"[-\u2010\u2011](?![A-ZÀ-Þ])|(?<![a-zß-ÿ])[-\u2010\u2011]"
_JOINER: Final = (
    rf"(?:['\u2019](?!s(?![\w{_MARK}]))|{_HYPHEN}|[@&+/]|_++|(?<![a-z])\.|\.(?![A-Z])|(?<=\d)[,:]|://)"
    rf"(?={LETTER})"
)
_MONEY: Final = "[$€£¥₹₽₩₺₫₴¢§]"
_PIECES: Final = {
    "words": rf"((?:[#@]|{_MONEY}(?:\s(?=\d))?|(?<![^\s(\[])[-+\u2212](?={_MONEY}?\d){_MONEY}?)?)"
    rf"((?:(?i:[cdjlmnst]|un|\w{{0,5}}(?:ll|qu))['\u2019](?={LETTER}))?)"
    rf"(?:(?=\w)[{_UNSPACED}]{_MARK}*|{_LETTERS}(?:{_JOINER}{_LETTERS})*+)"
    r"((?:['\u2019]s(?!\w))?)"
    rf"((?:(?:[%‰°+#]|{_MONEY})++(?!\w)|(?<=\d)\s(?:[%‰°]|{_MONEY})(?!\w)|(?<=\.[^\W\d_])\.)?)",
    "sentences": r"()()\S(?s:.)*?(?:(?=[.!?…؟।])(?<![.!?…؟।])(?<!\b[A-Z])"
    r"(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|Nr|No|vs))(?<!\b(?:Mrs|Mme|Sra))(?<!\bProf)[.!?…؟।]++[\"'”\u2019»)\]]*+(?=\s++[^\sa-z])|"
    r"[。\uff01\uff1f｡]++[”\u2019」』\uff09]*+|(?<=\S)(?=\s*+\Z|[^\S\n]*+\n[^\S\n]*+\n))()()",
    "lines": r"()()\S(?:[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*\S)?()()",
}
"""Patterns of pieces. What their groups have may be left out of a quote: of a word the sign before it, an
article that is elided (l'), the genitive's end ('s), the sign or stop behind it."""


@options_named("sg.substring_of(document)")
def substring_of(document: str, *, limits: Limits | None = None) -> Spans:
    """Return the grammar of the spans of a document: every run of its characters that is not empty.

    Raises `OptionError` for anything but a text, `GrammarError` for the empty text. Cost: 20 bytes of memory
    for each byte; of a text so far, linear in the places where it stands.
    """
    if not checks.encodable("document", document):
        raise GrammarError("An empty document has no spans.", where="document", cure="Give a text.")
    return Spans(document, checks.limits(limits))


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
        said = f"spans {digest} {len(self.document)}"
        return f"{said} {self.pieces}" if self.pieces else said

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        text = b"%b " % self.document.encode()
        begins = (np.frombuffer(text, np.uint8) & 0xC0 != 0x80).nonzero()[0]
        what = "a run of the pieces" if self.pieces else "a span of the document"
        if self.pieces:
            begins = begins[np.unique(np.cumsum((0, *self.pieces)))]
        last = np.full_like(begins[1:], begins[-1])
        return RunLanguage(what, text, begins[:-1], last, _to_next(begins))


def _to_next(stops: Numbers) -> Numbers:
    """Return of each byte how many there are to the next of some places in ascending order."""
    every = np.arange(stops[-1] + 1)
    left: Numbers = stops[stops.searchsorted(every)] - every
    return left


def runs_of(
    text: str, *, words: int | None = None, of: str = "words", limits: Limits | None = None
) -> WordRuns:
    """Return the grammar of the runs of a text: one or more of its words, sentences or lines that stand side
    by side, with what is between them. White space of the text is one blank in a run.

    `words`: the most words of a run; None: any number. A word is a run of letters, digits and their marks,
    and of several that are joined: by one of `'@&+/`, by a hyphen or a full stop (not from a small letter to
    a capital), by `_`, by `://`, and behind a digit by a comma or colon. In scripts without blanks each
    character with its marks is a word. A quote may leave out the sign of its first word (`$`, `#`, `@`, that
    of a number) or an article there that is elided (`l'`), and behind its last word `'s`, signs (`%`, `€`,
    `C++`) and the stop of `p.m.`. A sentence has its stops and the quotation marks behind them; a blank line
    ends one, too.

    Raises `OptionError` for anything but a text, counts and names, `GrammarError` for a text without words.
    Cost: some 5 us a word, and 30 bytes of memory for each byte of the text.
    """
    return WordRuns(checks.encodable("text", text), QuoteMembers(of, words), checks.limits(limits))


class WordRuns(TextGrammar):
    """The runs of a text. Made by `runs_of`."""

    __slots__ = ("first", "folded", "last", "left", "limits", "quoted", "text")
    limits: Limits
    source = "the runs of a text"

    def __init__(self, text: str, quoted: QuoteMembers, limits: Limits) -> None:
        self.text, self.quoted, self.limits = text, quoted, limits
        data = np.frombuffer(b" %b " % re.sub(r"\s", " ", text).encode(), np.uint8)
        stays = (data[1:] != 32) | (data[:-1] != 32)
        self.folded: bytes = data[1:][stays].tobytes()
        """The text with one blank for each run of white space, and a blank behind it."""
        # of each character of the text, and its end, the byte of `folded` at which it stands
        stands = (stays.cumsum() - stays)[data[1:] & 0xC0 != 0x80]
        marks = {ord(char): _MARK for char in set(text) if category(char)[0] == "M"}
        spans = (match.regs for match in re.finditer(_PIECES[quoted.of], text.translate(marks)))
        flat = chain.from_iterable(chain.from_iterable(spans))
        places = stands[np.fromiter(flat, np.int64).reshape(-1, 10)]
        """Of each piece where it and its groups begin and end."""
        if not (count := len(places)):
            cure = "Give a text that has some."
            raise GrammarError(f"The text has no {quoted.of}.", where="text", cure=cure)
        self.first, at = np.unique(places[:, [0, 3, 5]], return_index=True)
        """The bytes at which a run may begin, ascending."""
        self.last: Numbers = places[np.minimum(at // 3 + (quoted.words or count), count) - 1, 1]
        """Of each of them the byte before which a run that begins there ends at the latest."""
        self.left = _to_next(np.unique(places[:, [1, 6, 8]]))
        """Of each byte how many there are to the next end of a piece."""

    @property
    def canonical(self) -> str:
        digest = blake2b(self.text.encode(), digest_size=16).hexdigest()
        return f"runs {self.quoted.of} {self.quoted.words} {digest} {len(self.text)}"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return RunLanguage("a run of the text", self.folded, self.first, self.last, self.left)


class RunLanguage(Language):
    """The runs of a text. A configuration is how many bytes were read, and a range of `_first`: where the
    runs begin that begin so. A range is put in the order of its next bytes when they are asked for. Of one
    place and one latest end there is one configuration, however the run began."""

    def __init__(self, what: str, text: bytes, first: Numbers, last: Numbers, left: Numbers) -> None:
        """Read the runs of a text that begin at the bytes `first`, end at the latest before the bytes `last`,
        and end where no byte is `left`. Behind the last end there is one byte more."""
        self.what, self._text, self._left = what, text, left
        self._first, self._last = first.copy(), last.copy()
        self._data = np.frombuffer(text, np.uint8)
        self._alone: dict[tuple[int, int], Config] = {}
        """By a place and the latest end the first configuration that has no other place."""

    def start(self) -> Config:
        return 0, 0, len(self._first)

    @remembered
    def _moves(self, config: Config) -> dict[int, Config]:
        """Return the configuration after each byte that may come next."""
        moves: dict[int, Config] = {}
        read, low, high = config
        first, last = self._first[low:high], self._last[low:high]
        # one more than the next byte, which is no 255 in UTF-8; 0 where no run goes on
        after = (self._data[first + read] + 1) * (first + read < last)
        order = after.argsort(kind="stable")
        first[:], last[:] = first[order], last[order]
        counts = np.bincount(after)
        for byte in counts.nonzero()[0].tolist():
            count = int(counts[byte])
            following = read + 1, low, low + count
            if count == 1:
                place = int(self._first[low]) + read, int(self._last[low])
                following = self._alone.setdefault(place, following)
            if byte:
                moves[byte - 1] = following
            low += count
        return moves

    def told(self, config: Config) -> bytes:
        return bytes(sorted(self._moves(config)))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._moves(config).get(symbol)

    def _ends(self, config: Config) -> tuple[Numbers, Numbers]:
        """Return the places of a configuration, and of each how many bytes there are to the next end."""
        read, low, high = config
        places = self._first[low:high]
        # before the first byte, an end at the place is that of the piece before
        return places + read, self._left[places + (read or 1)] + (not read)

    def accepts(self, config: Config) -> bool:
        return not self._ends(config)[1].all()

    def shortest(self, config: Config) -> Sequence[int]:
        places, left = self._ends(config)
        size = int(left.min())
        return min(self._text[at : at + size] for at in places[left == size].tolist())
