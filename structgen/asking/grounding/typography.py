"""Finds the runs of a text that a value repeats, exactly or in other typography.

A model may write a straight apostrophe where the text has a curved one. Such a run is found, and the value
gets its letters. The *differences* between a value and a run, from the smallest:

- EXACT: white space alone, which is one blank wherever there is some.
- TYPOGRAPHY: marks of quotation, an ellipsis, composed or decomposed accents (NFC, NFD), ligatures, full and
  half width, and characters without width, soft hyphens among them. Behind a digit, marks of quotation are
  single or double: 5' is not 5".
- SPELLING: also the case of letters, the kind of a dash, and a hyphen at the end of a line. No digit follows
  what differs: a dash before a digit may be its sign, and m2 may not be M2.

A digit, a word and a sign before a digit are always those of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any, Final, TypeAlias

import numpy as np

from structgen.grammars.text_grammars.word_runs import borders_of

Run: TypeAlias = tuple[str, int, int]
"""A run of a text: the name of the text, and the places of its first character and behind its last one."""
EXACT, TYPOGRAPHY, SPELLING, OTHER = range(4)
"""The differences between a value and a run of a text; OTHER: another value."""
_MOST_COMPARED: Final = 20_000_000
"""The characters of runs that are compared with one value. Only texts that repeat themselves have more."""
_MOST_EDGES: Final = 50
"""The marks before or behind the same letters at which a run is tried to begin or end."""
_SINGLE: Final = "\u2018\u2019\u201a\u201b\u2039\u203a\u02b9\u02bb\u02bc\u02bd\u2032\u2035\u275b\u275c`\u00b4"
_DOUBLE: Final = "“”„‟«»″‶〝〞〟「」『』❝❞\u02ba"
_SOFT: Final = "\u00ad"
"""A soft hyphen, which has no width where a line does not end."""
_WITHOUT_WIDTH: Final = re.compile(
    r"[\u034f\u061c\u180e\u200b-\u200f\u202a-\u202c\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_FORMS: Final = re.compile("<(wide|narrow|small|vertical|isolated|initial|medial|final|compat)>")
"""The decompositions in Unicode's data of characters that are other forms of the same letters. That of a
superscript is no such form: 2² is not 22."""
_LETTER: Final = r"[^\W\d_]"
_BREAK: Final = r"\n\r\f\v\x85\u2028\u2029"
_LINE_END: Final = re.compile(
    rf"(?<={_LETTER})(?:[-\u2010\u2011][^\S{_BREAK}]*+[{_BREAK}]|{_SOFT}\s)\s*+(?={_LETTER})"
)
"""A hyphen between letters at the end of a line. A soft hyphen is one before any white space."""
_BROKEN: Final = "\0"
"""Stands for `_LINE_END`."""
_DASH: Final = r"[-\u2010-\u2015\u2212\u2e3a\u2e3b]"
_DIGIT: Final = r"\d\u00bc-\u00be\u2150-\u215f\u2189"
"""Digits and fractions such as "½", for a class of characters."""
_DASHES: Final = re.compile(rf"(?<!{_DASH}){_DASH}++(?!\W{{0,8}}(?:[A-Z]{{3}}\W?)?[{_DIGIT}])")
"""Dashes before which no number begins."""
_DOUBLE_MARK: Final = re.compile(rf"(?<![{_DIGIT}'])(?<!\d )(?:\"|'')")
"""A double quotation mark, also as two single ones. After a digit it is a unit: inches, seconds."""
_HYPHEN: Final = re.compile(rf"(?<={_LETTER})(- ?|{_BROKEN})(?={_LETTER})")
"""A hyphen between two letters."""
_WORD: Final = re.compile(rf"(?<!{_LETTER}){_LETTER}++(?!\d)")
"""Letters that no digit follows."""


@cache
def _forms() -> dict[int, str]:
    """Return what each character that has other forms is compared as, for `str.translate`."""
    marks = {**dict.fromkeys(map(ord, _SINGLE), "'"), **dict.fromkeys(map(ord, _DOUBLE), '"')}
    marks |= {0x2025: "..", 0x2026: "...", 0x22EF: "...", 0x152: "OE", 0x153: "oe"}
    every_char = "".join(map(chr, range(0x10000)))
    forms = dict[int, str]()
    for char in every_char:
        form = _FORMS.match(unicodedata.decomposition(char))
        # of signs such as "№" only other widths are forms
        if form and (form[1] != "compat" or unicodedata.category(char)[0] == "L"):
            forms[ord(char)] = unicodedata.normalize("NFKC", char).translate(marks)
    return {**forms, **marks, **dict.fromkeys(map(ord, [_SOFT, *_WITHOUT_WIDTH.findall(every_char)]), "")}


@cache
def _skeleton_of(char: str) -> str:
    """Return the letters and digits that a character is looked for by: small, without accents."""
    # a sign that Unicode decomposes into a letter is no letter of a word
    plain = char.translate(_forms()).casefold() if char.isalnum() else ""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", plain)))


@lru_cache(maxsize=16)
def _plain_typography(text: str) -> str:
    """Return a text in the typography in which texts are compared."""
    plain = unicodedata.normalize("NFC", " ".join(text.translate(_forms()).split()))
    return _DOUBLE_MARK.sub("'", plain.replace(". . .", "..."))


@lru_cache(maxsize=16)
def _plain_spelling(text: str) -> tuple[str, Mapping[int, str]]:
    """Return a text in small letters, without its hyphens between letters; and these, by their places."""
    plain = _DASHES.sub("-", _plain_typography(_LINE_END.sub(_BROKEN, _WITHOUT_WIDTH.sub("", text))))
    plain = _WORD.sub(lambda word: word[0].casefold(), plain)
    parts = _HYPHEN.split(plain)
    places = accumulate(map(len, parts[::2]))
    return "".join(parts[::2]), dict(zip(places, parts[1::2], strict=False))


def compare(value: str, words: str) -> int:
    """Return the difference between a value and the words of a text. Cost: linear."""
    if value == words or value.split() == words.split():
        return EXACT
    if _plain_typography(value) == _plain_typography(words):
        return TYPOGRAPHY
    (letters, hyphens), (other_letters, other_hyphens) = map(_plain_spelling, (value, words))
    pairs = [(hyphens.get(at), other_hyphens.get(at)) for at in hyphens.keys() | other_hyphens.keys()]
    is_same = letters == other_letters and all(a == b or _BROKEN in (a, b) for a, b in pairs)
    return SPELLING if is_same else OTHER


class _SearchedText:
    """A text in which runs are looked for. Cost: linear, some 0.3 us for each character."""

    def __init__(self, text: str) -> None:
        skeletons = [*map(_skeleton_of, text)]
        sizes = np.fromiter(map(len, skeletons), np.int64, len(text))
        self._text = text
        self._letters = "".join(skeletons)
        self._places = np.concatenate(([-1], np.repeat(np.arange(len(text)), sizes), [len(text)]))
        """The place in the text of each of `_letters`, between two that are outside of the text."""
        begins, ends, _ = borders_of(text)
        flags = np.zeros((2, len(text) + 1), np.uint8)
        flags[0, begins] = flags[1, ends] = 1
        self._begins, self._ends = map(bytes, flags)
        """For each place, whether a quote may begin there; and whether one may end there."""

    def similar_runs(self, value: str) -> Iterator[list[tuple[int, int]]]:
        """Yield the runs that have the letters and digits of a value, in the order of the text. Runs that
        differ in the marks around the same letters are one list, which is empty inside of a word."""
        skeletons = [*map(_skeleton_of, value)]
        needle = "".join(skeletons)
        if not needle:
            return
        full = [index for index, skeleton in enumerate(skeletons) if skeleton]
        lead = value[: full[0]]
        most_starts, most_ends = (
            min(3 * marks + 1, _MOST_EDGES) for marks in (len(lead), len(value) - full[-1] - 1)
        )
        index = self._letters.find(needle)
        for _ in range(_MOST_COMPARED // len(needle)):
            if index < 0:
                return
            previous, first = map(int, self._places[index : index + 2])
            last, following = map(int, self._places[index + len(needle) :][:2])
            starts = [place for place in range(first, previous, -1) if self._begins[place]][:most_starts]
            ends = [place for place in range(last + 1, following + 1) if self._ends[place]][:most_ends]
            yield [
                (start, end)
                for start in starts
                if compare(lead, self._text[start:first]) < OTHER
                for end in ends
            ]
            index = self._letters.find(needle, index + 1)


class RunSearch:
    """Finds the runs of some texts that a value repeats. They are read when the first value is looked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._searched_text = cache(_SearchedText)

    def __reduce__(self) -> tuple[Any, ...]:
        return RunSearch, (self._texts,)

    def find_runs(self, value: str, most: int) -> tuple[int, list[Run]]:
        """Return the runs of a value in the order of the texts, at most so many (two or more), and their
        difference: the smallest at which there are any. SPELLING counts only where one run has it. With OTHER
        the runs have the value's letters and digits, and other marks.

        Cost: linear in the texts; then, for each value, in its length and in the runs with its letters.
        """
        runs = defaultdict[int, list[Run]](list)
        for name, text in self._texts.items():
            searched = self._searched_text(text)
            for ways in filter(None, searched.similar_runs(value)):
                difference, _, run = min(
                    (compare(value, text[start:end]), end - start, (name, start, end)) for start, end in ways
                )
                if len(runs[difference]) < most:
                    runs[difference].append(run)
                if len(runs[EXACT]) == most:
                    break
        for difference in (EXACT, TYPOGRAPHY):
            if runs[difference]:
                return difference, runs[difference]
        spelled = runs[SPELLING]
        return (SPELLING, spelled) if len(spelled) == 1 else (OTHER, spelled + runs[OTHER])

    def repair_letters(self, value: str) -> str:
        """Return a value in the letters of the texts where they have it in other typography, else as it is.
        White space is folded, as in the quotes that a mask allows."""
        difference, runs = self.find_runs(value, 2)
        if difference in (EXACT, OTHER):
            return value
        name, start, end = runs[0]
        return " ".join(self._texts[name][start:end].split())
