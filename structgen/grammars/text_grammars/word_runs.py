"""`runs_of`: the runs of whole words, sentences or lines of a text. `sg.Quote` marks strings that are such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, TypeAlias
from unicodedata import category

import numpy as np
import numpy.typing as npt

from structgen.base.errors import GrammarError, OptionError, options_named
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import ALL_BYTES, CompileTarget, Config, Language
from structgen.grammars.text_grammars.regular_formulas import check_utf8
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.schema.reading.quote_keyword import QUOTE_CURE, quote_fault

Numbers: TypeAlias = "npt.NDArray[np.int64]"
_CLASSES: Final = {"M": "\u0301", "Cf": "\u200d", "Sc": "$"}
"""Categories of characters whose members are alike in words: the character that stands for them."""
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Letters of scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana, bopomofo, Han."""
_ALNUM: Final = r"[^\W_一]"
_CORE: Final = rf"{_ALNUM}(?:{_ALNUM}|\u0301|\u200d+(?={_ALNUM}))*"
_JOINER: Final = rf"(?:'(?![sS](?![\w\u0301]))|[-@&+/]|_+|(?<![a-z])\.|\.(?![A-Z])|(?<=\d)[,:]|://)(?={_ALNUM})"
_WORD: Final = re.compile(
    r"一\u0301*|"
    r"((?:[#@]|[$§](?:\s(?=\d))?|(?<![^\s(\[])[-+−](?=\$?\d)\$?)?)"
    rf"((?:(?i:[cdjlmnst]|un|\w{{0,5}}(?:ll|qu))'(?={_ALNUM}))?)"
    rf"{_CORE}(?:{_JOINER}{_CORE})*"
    r"((?:'[sS](?!\w))?)"
    r"((?:[%‰°$+#]+(?!\w)|(?<=\d)\s[%‰°$](?!\w)|(?<=\.[^\W\d_])\.)?)"
)
"""A word, of a text in which one character stands for all of its class. Its groups may be left out of a
quote: a sign before it, an article that is elided (l'), the genitive's end ('s), a sign or stop behind it."""
_CUTS: Final = {
    "sentences": re.compile(
        r"(?<![.!?…؟।])(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|Nr|No|vs))(?<!\b(?:Mrs|Mme|Sra))(?<!\bProf)(?<!\b[A-Z])"
        r"[.!?…؟।]++[\"'”’»)\]]*+(?=\s++[^\sa-z])|[。！？｡]++[”’」』）]*+|\n\s*\n"
    ),
    "lines": re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"),
}
"""What ends a piece of a text."""


@options_named('runs_of(text, words=6), runs_of(text, of="sentences")')
def runs_of(
    text: str, *, words: int | None = None, of: str = "words", limits: Limits | None = None
) -> WordRuns:
    """Return the grammar of the runs of a text: one or more of its words, sentences or lines that stand side
    by side, with what is between them; each run of white space is one blank.

    `words`: the most words of a run; None: any number. A word is a run of letters, digits and their marks,
    and those that `'-@_&+/` join, a full stop (not from a small to a capital letter), `://`, and a comma or
    colon behind a digit. A sign before a word (`$`, `#`, `@`, that of a number) and behind it (`%`, `€`, `C++`)
    is part of it or not, as the quote has it; so are an elided article, `'s`, and the last stop of `p.m.`. Of
    scripts without blanks each character with its marks is a word. A sentence has its stops and the quotation
    marks behind them; a blank line ends one too.

    Raises `OptionError` for anything but a text and counts, `GrammarError` for a text without words. Cost:
    some 5 us a word, and 30 bytes of memory for each byte of the text.
    """
    if not isinstance(text, str):
        raise OptionError(
            f"A text is a string, not a {type(text).__name__}.", where="runs_of", cure="Give its text."
        )
    if fault := quote_fault(of, words):
        raise OptionError(fault, where="runs_of", cure=QUOTE_CURE)
    check_utf8(text, "text", "Leave it out.")
    return WordRuns(text, of, words, checks.limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class WordRuns(TextGrammar):
    """The runs of a text. Made by `runs_of`."""

    text: str
    of: str
    words: int | None
    limits: Limits
    folded: bytes = field(init=False)
    """The text with one blank for each run of white space."""
    at: Numbers = field(init=False)
    """Of each character of the text, and of its end, the byte of `folded` at which it stands."""
    first: Numbers = field(init=False)
    """The bytes at which a run may begin, ascending."""
    last: Numbers = field(init=False)
    """Of each of them the byte before which a run that begins there ends at the latest."""
    left: Numbers = field(init=False)
    """Of each byte how many there are to the next end of a piece; behind the last end, below 0."""

    def __post_init__(self) -> None:
        self.folded = " ".join(self.text.split()).encode()
        begins, ends = _pieces(self.text, self.of)
        if not len(begins):
            raise GrammarError(
                f"The text has no {self.of}.", where="text", cure="Give a text with letters or digits."
            )
        self.at = at = _folded_places(self.text)
        latest = at[ends.max(axis=1)]
        latest = latest[np.minimum(np.arange(len(latest)) + (self.words or len(latest)), len(latest)) - 1]
        columns = begins >= 0
        self.first, once = np.unique(at[begins[columns]], return_index=True)
        self.last = np.broadcast_to(latest[:, None], begins.shape)[columns][once]
        stops, every = np.unique(at[ends[ends >= 0]]), np.arange(len(self.folded) + 2)
        self.left = np.append(stops, -1)[np.searchsorted(stops, every)] - every

    @property
    def source(self) -> str:
        """What it is, for messages."""
        return f"the {self.of} of a text"

    @property
    def canonical(self) -> str:
        digest = blake2b(self.folded, digest_size=16)
        for one in (self.first, self.last, self.left):
            digest.update(one.astype("<i8").tobytes())
        return f"runs {digest.hexdigest()} {len(self.folded)}"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return RunLanguage(self)

    def places(self, quote: str) -> list[tuple[int, int]]:
        """Return where a quote stands in the text: the first character, and the one behind the last. White
        space counts as the grammar folds it. Cost: 0.1 us for each place where a run may begin."""
        data = " ".join(quote.split()).encode(errors="replace")
        return [
            (int(np.searchsorted(self.at, at, "right")) - 1, int(np.searchsorted(self.at, end)))
            for at, last in zip(self.first.tolist(), self.last.tolist(), strict=True)
            if self.folded.startswith(data, at) and at < (end := at + len(data)) <= last and not self.left[end]
        ]


def _folded_places(text: str) -> Numbers:
    """Return of each character of a text, and of its end, the byte at which it stands once it is folded."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    blank = np.isin(codes, np.array([ord(one) for one in set(text) if one.isspace()], np.uint32))
    width = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    width[blank] = 1
    width[blank & np.append(True, blank[:-1])] = 0
    return np.append(0, np.cumsum(width))


def _pieces(text: str, of: str) -> tuple[Numbers, Numbers]:
    """Return the pieces of a text, in order: the characters at which each may begin, and before which it may
    end; -1 for none."""
    if of != "words":
        spans = np.array(list(_between(_CUTS[of], text)), np.int64).reshape(-1, 2)
        return spans[:, :1], spans[:, 1:]
    alike = {ord(one): _alike(one) for one in set(text)}
    found = np.array([one.regs for one in _WORD.finditer(text.translate(alike))], np.int64).reshape(-1, 5, 2)
    return (
        np.stack([found[:, 0, 0], found[:, 1, 1], found[:, 2, 1]], 1),
        np.stack([found[:, 0, 1], found[:, 3, 0], found[:, 4, 0]], 1),
    )


def _between(cut: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Yield what stands between the cuts of a text, without white space around it."""
    for at, end in pairwise([0, *(one.end() for one in cut.finditer(text)), len(text)]):
        piece = text[at:end]
        if stripped := piece.strip():
            begin = at + len(piece) - len(piece.lstrip())
            yield begin, begin + len(stripped)


def _alike(char: str) -> str:
    """Return the character that stands for those which are in words what this one is."""
    kind = category(char)
    if kind in ("Lo", "Lm", "Nl") and _UNSPACED.match(char):
        return "一"
    return {"’": "'", "\u2010": "-", "\u2011": "-"}.get(char) or _CLASSES.get(kind) or _CLASSES.get(kind[0], char)


class RunLanguage(Language):
    """The runs of a text. A configuration is how many bytes were read, and a range of `_first`: the beginnings
    of the runs that begin so. A range is put in the order of its next bytes when they are asked for. Where one
    place is left, it is that place and the latest end, however the quote began."""

    what = "a run of the text"

    def __init__(self, runs: WordRuns) -> None:
        self._first, self._last, self._left = runs.first.copy(), runs.last.copy(), runs.left
        self._data = np.frombuffer(runs.folded + b" ", np.uint8)
        self._after: dict[Config, dict[int, Config]] = {}
        """What each byte leads to, of the ranges that were put in order."""
        seen = sorted(set(runs.folded))
        number = {byte: index + 1 for index, byte in enumerate(seen)}
        found = bytes(number.get(byte, 0) for byte in range(256))
        self.classes = found if len(seen) < 256 else ALL_BYTES

    def start(self) -> Config:
        return 0, 0, len(self._first)

    def _places(self, config: Config) -> Any:
        """Return the places of a configuration in the folded text."""
        if len(config) == 2:
            return np.array(config[:1])
        read, low, high = config
        return self._first[low:high] + read

    def _moves(self, config: Config) -> dict[int, Config]:
        """Return the configuration after each byte that may come next."""
        if len(config) == 2:
            at, last = config
            return {int(self._data[at]): (at + 1, last)} if at < last else {}
        if config not in self._after:
            self._after[config] = dict(self._divided(*config))
        return self._after[config]

    def _divided(self, read: int, low: int, high: int) -> Iterator[tuple[int, Config]]:
        first, last = self._first[low:high], self._last[low:high]
        at = first + read
        after = np.where(at < last, self._data[at].astype(np.int16), -1)
        order = np.argsort(after, kind="stable")
        first[:], last[:], after = first[order], last[order], after[order]
        cuts = np.flatnonzero(np.diff(after)) + 1
        for begin, end in pairwise([0, *cuts.tolist(), high - low]):
            if after[begin] >= 0:
                one = int(first[begin]) + read + 1, int(last[begin])
                yield int(after[begin]), one if end - begin == 1 else (read + 1, low + begin, low + end)

    def told(self, config: Config) -> bytes:
        return bytes(sorted(self._moves(config)))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._moves(config).get(symbol)

    def accepts(self, config: Config) -> bool:
        return not self.shortest(config)

    def shortest(self, config: Config) -> Sequence[int]:
        at = self._places(config)
        is_start = int(len(config) == 3 and config[0] == 0)
        left = self._left[at + is_start] + is_start
        one = int(np.argmin(left))
        return self._data[at[one] : at[one] + left[one]].tobytes()

    def run(self, config: Config) -> tuple[bytes, Config] | None:
        rest = self.shortest(config) if len(config) == 2 else b""
        return (bytes(rest), (config[0] + len(rest), config[1])) if rest else None

    @property
    def sizes(self) -> dict[str, int]:
        return {"places": len(self._first)}
