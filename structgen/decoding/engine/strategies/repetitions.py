"""Values that repeat themselves, and numbers of too many digits: when they are to be closed.

A model may write the same words for ever, and every text so far begins a document of the grammar. A *run* is
the end of a text in which each character is the one a period before it. A run that is long enough ends at the
next place where the grammar lets it: the text so far stays, and only the choice of the next tokens is
narrowed (`Text.take_step`). It begins where the document is nearest to its end, in a list behind a whole
item, and has three stages:

    1  nothing may come that leads away from the end of the document: an item is finished, no other begins
    2  after one more period: only what begins as the shortest completion begins, as the closing quote does
    3  after yet another one: only the tokens of shortest completions

In a budget of few tokens no run would be long enough before the budget cuts it; there, one that takes half of
the tokens is. A text of which a run was closed is no person's: the next run is seen after a quarter of its
length, and after four choices against a run the text is completed in the shortest way.

As long as the run itself brings the end nearer, because the grammar asks for a certain length, it stays at
stage 1. docs/decisions/056-values-that-end.md has the lengths, and the measurements behind them.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple

from structgen.base.errors import fields_named
from structgen.base.json_text.events import EventLog, JsonError
from structgen.base.json_text.exact_json import Json
from structgen.base.language.checks import NumberCheck, WholeCheck, check_fields
from structgen.machines.core.matcher import Matcher

_NEEDLE: Final = 32
"""The last bytes that are looked for before the end: where they stand again, a period may begin."""
_LONGEST_PERIOD: Final = 512
"""Bytes. A run of a longer one would have 20 times as many, more than most texts may have."""
_CANDIDATES: Final = 8
"""Places that are looked at: inside of a period its own parts may repeat themselves."""


class _Kind(NamedTuple):
    """A kind of periods, and how often they are repeated (docs/decisions/056-values-that-end.md)."""

    pattern: re.Pattern[bytes]
    times: float
    """How many times more often than one of language."""
    short_times: int = 0
    """How often a short one is repeated at least, up to twice the length of a run."""


_LANGUAGE: Final = _Kind(re.compile(rb".*", re.DOTALL), 1)
_KINDS: Final = (
    # digests and certificates that were made up repeat a hundred lines
    _Kind(re.compile(rb"(?=.*[0-9])(?=.*[A-Za-z])[0-9A-Za-z+/=\n]*", re.DOTALL), 5, 128),
    # signs alone, and rows of numbers: a matrix of 32 equal rows is whole
    _Kind(re.compile(rb"[^0-9A-Za-z\x7f]*|[^A-Za-z\"\x7f]*\[[^A-Za-z\"\x7f]*"), 1.6),
    _LANGUAGE,
)
_FEWEST_TIMES: Final = 3
"""How often a period stands in a run at least, where the run takes its share of the tokens; and a period of
digits in the last ones of a number."""
_STAGE_BYTES: Final = 8
"""Bytes between two stages, besides a period: a token holds a short period several times."""
LAST_STAGE: Final = 3
_PATIENCE: Final = 4
"""Behind a run that was closed another one is so many times shorter, and after so many choices against runs
the text is completed in the shortest way."""
_WHOLE: Final = 1 << 64
"""Integers below it are often identities, of which each digit counts."""
_EXPONENT_DIGITS: Final = 4
"""The most digits of an exponent; exponents of doubles have three."""
_LARGEST_MAGNITUDE: Final = 40
"""A bound of more digits, as that of doubles, says nothing of the digits that a number should have."""
_ZEROS: Final = _LARGEST_MAGNITUDE - 17
"""Zeros before and after the significant digits, together with the unused ones of these. With the 17 digits
of a double they are a numeral of the largest magnitude."""
_CHECKED_DIGITS: Final = 12
"""Digits from which on a numeral is looked at, and of which a short period is repeated."""
NUMERAL: Final = b"0123456789.eE+-"
_MEMBER: Final = re.compile(rb'(?<!\\)"\s*:\s*(-?[0-9][0-9.eE+-]*)\Z')
_SPELT: Final = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.|[\xc0-\xff]?[\x80-\xbf]+|\n[ \t]*|(?<=[,:]) ", re.DOTALL)
"""Characters of several bytes, which are escapes and those of UTF-8; and characters that only a way of
writing JSON has: line breaks, and blanks behind commas."""
_BORDERS: Final = (b"\n", b"\\", b", ", b": ")
_LEAD: Final = re.compile(rb"[^\x80-\xbf]")
"""Where a period is taken to begin, so that no character is cut: else at its first lead byte."""


@fields_named("sg.strategies.Repetitions(length=256, times=20)")
@dataclass(frozen=True, slots=True)
class Repetitions:
    """When a value is closed that repeats itself: `sg.Sampling(repetition=...)`.

    Data repeats itself more often than language. Signs alone, such as rules and boards, and rows of numbers
    need 1.6 times the `times`; codes of digits and letters, such as base64, 5 times the `times`, and short
    ones 128 times, or twice the `length`.
    """

    length: Annotated[int, WholeCheck(32)] = 256
    """The characters of a run, at least. In JSON the run may be of a string, a key, or items of a list."""
    times: Annotated[int, WholeCheck(2)] = 20
    """How often the period of the run is repeated, at least."""
    digits: Annotated[int, WholeCheck(1)] = 17
    """The significant digits of a number in JSON; more where its schema names a number of more digits. An
    integer of 64 bits may have more, unless its last digits repeat a short period."""
    share: Annotated[float, NumberCheck(0, 1, "a number from 0 to 1")] = 0.5
    """Where `max_tokens` is at most `length`, a run is long enough, too, if it takes this share of them (0:
    never). Codes, digits in JSON, signs alone and rows of numbers are left out."""

    def __post_init__(self) -> None:
        check_fields(self)

    def needed(self, period: bytes, last: int = 0) -> int:
        """Return the bytes that a run of this period has at least. `last`: the bytes of its share of the
        tokens; 0 where they are not written yet."""
        spelling = spell_period(period)
        size = len(spelling)
        # the last kind takes every period
        kind = next(kind for kind in _KINDS if kind.pattern.fullmatch(spelling))
        short = min(kind.short_times * size, 2 * self.length)
        characters = max(self.length, short, round(self.times * kind.times * size))
        # in bytes, rounded up: a character may have several
        full_size = -(-characters * len(period) // size)
        if not last or kind is not _LANGUAGE:
            return full_size
        return min(full_size, max(last, _FEWEST_TIMES * len(period)))


def _stand_in(match: re.Match[bytes]) -> bytes:
    """Return the byte that stands for bytes that `_SPELT` finds: a line break for an escape, the sign of a
    character for one of UTF-8; nothing for bytes that only a way of writing has."""
    first = match[0][:1]
    if first == b"\\":
        return b"\n"
    return b"" if first in b"\n " else b"\x7f"


def spell_period(period: bytes) -> bytes:
    """Return the characters of a period, a byte each, wherever in it the text ends: never inside of one."""
    # Twice: whichever byte the period is made to begin with, a whole one follows.
    doubled = period + period
    borders = [doubled.find(sign) for sign in _BORDERS]
    first = min((border for border in borders if border >= 0), default=-1)
    if first < 0:
        lead = _LEAD.search(period)
        first = lead.start() if lead else 0
    # a period of blanks alone is one character
    return _SPELT.sub(_stand_in, doubled[first : first + len(period)]) or b" "


ENDS: Final = Repetitions()
"""The default."""


def repetitions_of(setting: bool | Mapping[str, Any]) -> Repetitions | None:
    """Return the rule that JSON says: the default for true, none for false, else that of the given fields.
    Errors: OptionError."""
    if isinstance(setting, Mapping):
        return Repetitions(**setting)
    return ENDS if setting else None


def find_run(text: bytearray, rule: Repetitions, last: int = 0) -> int:
    """Return the period, in bytes, of the run that a text ends with; 0 where it has none that is long enough.
    `last`: as in `Repetitions.needed`.

    Cost: two microseconds where nothing repeats itself, else linear in the run.
    """
    if len(text) < rule.length and not last:
        return 0
    # The last bytes are looked for before themselves: where they stand again, a period may have ended.
    needle = bytes(text[-_NEEDLE:])
    end = len(text) - 1
    first = max(len(text) - _NEEDLE - _LONGEST_PERIOD, 0)
    for _ in range(_CANDIDATES):
        match_start = text.rfind(needle, first, end)
        if match_start < 0:
            return 0
        size = len(text) - _NEEDLE - match_start
        period = bytes(text[-size:])
        run = rule.needed(period, last)
        # a run: moved by its period it is equal to itself
        start = len(text) - run
        if start >= 0 and text[start + size :] == text[start:-size]:
            return size
        # the next candidate ends a byte earlier, so its period is longer
        end = match_start + _NEEDLE - 1
    return 0


@dataclass(slots=True, eq=False)
class OpenRun:
    """The state of the run or the number at the end of one text. It takes the bytes of the text as they
    come."""

    rule: Repetitions
    schema: Json | None
    """Its schema where the text is a document of JSON."""
    most_tokens: InitVar[int] = 0
    """The most tokens of the text; 0 if they do not count."""
    repeats: Callable[[str], str] | None = None
    """Describes a repetition that the grammar finds in the text (`Grammar.repeats`), "" for none: the text is
    then completed at once."""
    text: bytearray = field(default_factory=bytearray)
    _last: deque[int] = field(init=False)
    """How long the text was before each of the last tokens, as many as the share is."""
    _closings: int = 0
    """Choices that were made against a run."""
    _period: int = 0
    _began: int = 0
    """The period of the run, and the size of the text where it was seen; 0: there is no run."""
    _fewest_bytes: int | None = None
    """The fewest bytes that completed the document in the run."""
    _goal: int = -1
    """The size of the text at which the run is to be closed; below 0: not known yet."""
    _log: EventLog = field(default_factory=EventLog)
    _logged_size: int = 0
    """How much of the text the log has read."""
    _digit_limit: int | None = None
    """The digits that numbers may have."""
    _again: str = ""
    """What `repeats` told."""
    _last_asked_size: int = 0
    """The size of the text when it was asked last."""

    def __post_init__(self, most_tokens: int) -> None:
        share = self.rule.share if most_tokens <= self.rule.length else 0
        self._last = deque(maxlen=math.ceil(share * most_tokens))

    def write_bytes(self, data: bytes) -> None:
        """Take the bytes of a token."""
        self._last.append(len(self.text))
        self.text += data
        # the bytes of the last tokens, once there are as many tokens as the share
        has_share = 0 < len(self._last) == self._last.maxlen
        last = len(self.text) - self._last[0] if has_share else 0
        if self.schema is not None and self.text[-_NEEDLE:].isdigit():
            last = 0  # a digest of zeros is most of a short document; numbers have few digits anyway
        period = find_run(self.text, self.rule, last)
        if not period:
            self._began = 0
            self._goal = -1
            self._fewest_bytes = None
        elif not self._began:
            self._period = period
            self._began = len(self.text)
        growth = len(self.text) - self._last_asked_size
        if self.repeats is not None and growth > self._last_asked_size // _NEEDLE:
            self._last_asked_size = len(self.text)  # it reads the whole text: in all that stays linear
            self._again = self._again or self.repeats(self.text.decode("utf-8", "ignore"))
            if self._again:
                self._closings = _PATIENCE

    @property
    def is_long(self) -> bool:
        """Whether the text ends with a run that is to be closed."""
        return self._began > 0 or self._closings >= _PATIENCE

    def count_closing(self) -> None:
        """Note that a choice was made against the run, before its bytes are written."""
        if self._closings == 0:
            # once: from the first closing on the next run is seen earlier
            length = max(self.rule.length // _PATIENCE, _NEEDLE)
            times = max(self.rule.times // _PATIENCE, 2)
            self.rule = replace(self.rule, length=length, times=times)
        self._closings += 1

    def bytes_to_await(self, matcher: Matcher) -> bytes:
        """Return the bytes of the run that are still to come before it is closed: within the next period
        there is a place where the shortest completion is shortest, in a list behind a whole item. Cost: once
        for a run, that of a completion for each byte of its period."""
        if self._closings >= _PATIENCE:
            return b""
        # as far as the run goes on, the next bytes are those of the last period
        ahead = bytes(self.text[-self._period :])
        if self._goal < 0:
            compiled_grammar = matcher.compiled
            state = matcher.state
            best_offset = 0
            fewest = len(compiled_grammar.completion(state))
            for offset, byte in enumerate(ahead, 1):
                after = compiled_grammar.step_bytes(state, bytes((byte,)))
                if after is None:
                    break
                state = after
                completion_size = len(compiled_grammar.completion(state))
                # the first of equally near places
                if completion_size < fewest:
                    fewest = completion_size
                    best_offset = offset
            # the stages count from there on
            self._goal = self._began = len(self.text) + best_offset
        return ahead[: max(self._goal - len(self.text), 0)]

    def find_stage(self, completion_size: int) -> int:
        """Return the stage at which the run is closed, 1 to 3. `completion_size`: the bytes of the shortest
        completion."""
        if self._fewest_bytes is None or completion_size < self._fewest_bytes:
            # the end has come nearer, as where the grammar asks for a length: the stages begin again
            self._fewest_bytes = completion_size
            self._began = len(self.text)
        if self._closings >= _PATIENCE:
            return LAST_STAGE
        growth = max(len(self.text) - self._began, 0)
        return min(1 + growth // (self._period + _STAGE_BYTES), LAST_STAGE)

    @property
    def description(self) -> str:
        """The repetition that is closed, in words."""
        if self._again:
            return self._again
        period = bytes(self.text[len(self.text) - self._period :]).decode("utf-8", "replace")
        return f"a run of {period[:40]!r} at character {len(self.text.decode('utf-8', 'replace')):,}"

    def has_too_many_digits(self, data: bytes) -> bool:
        """Return whether a numeral would have too many digits after these bytes. Cost: 0.3 us where no
        numeral of many digits is open."""
        if not data or data[0] not in NUMERAL:
            return False
        tail = self.text[-_CHECKED_DIGITS:]
        open_length = len(tail) - len(tail.rstrip(NUMERAL))
        new_digits = data[: len(data) - len(data.lstrip(NUMERAL))]
        # a fast test of the last bytes; only then the document is read
        if open_length + len(new_digits) < min(_CHECKED_DIGITS, self.rule.digits):
            return False
        numeral = self._open_numeral()
        return bool(numeral) and is_beyond(numeral + new_digits, self._find_digit_limit())

    def _open_numeral(self) -> bytes:
        """Return the numeral that the text ends with; empty where it is a part of something else. In a text
        that is no document of JSON, such as one of tools, a numeral is the value of a member."""
        if self.schema is None:
            member = _MEMBER.search(self.text, max(len(self.text) - 128, 0))
            return b"" if member is None else member[1]
        new_bytes = bytes(self.text[self._logged_size :])
        self._logged_size = len(self.text)
        try:
            self._log.write_document(new_bytes)
        except JsonError:  # the grammar's texts are of a policy that JSON is not
            return b""
        return self._log.numeral

    def _find_digit_limit(self) -> int:
        """Return the digits that numbers may have; the schema is searched once, at the first long numeral."""
        if self._digit_limit is None:
            schema_digits = () if self.schema is None else digits_in_schema(self.schema)
            self._digit_limit = max((self.rule.digits, *schema_digits))
        return self._digit_limit


def ends_numeral(data: bytes) -> bool:
    """Tell whether a token's bytes are no part of a numeral; an end token has none."""
    return not data or data[:1] not in NUMERAL


def is_beyond(numeral: bytes, max_digits: int) -> bool:
    """Return whether a numeral has more than so many significant digits, or more zeros and digits of an
    exponent than a number needs."""
    mantissa, _, exponent = numeral.lower().partition(b"e")
    if len(exponent.strip(b"+-")) > _EXPONENT_DIGITS:
        return True
    all_digits = mantissa.lstrip(b"-").replace(b".", b"")
    digits = all_digits.lstrip(b"0")
    if len(all_digits) > max_digits + _ZEROS:
        return True
    has_period = _repeats_period(digits)
    is_integer = b"." not in mantissa and not exponent
    if is_integer and not has_period and int(digits or b"0") < _WHOLE:
        return False
    # zeros at the end are not significant, unless they are part of a period of other digits
    is_loop = has_period and digits[-_CHECKED_DIGITS:].strip(b"0")
    return len(digits if is_loop else digits.rstrip(b"0")) > max_digits


def _repeats_period(digits: bytes) -> bool:
    """Return whether the last digits repeat a short period."""
    last = digits[-_CHECKED_DIGITS:]
    longest_period = _CHECKED_DIGITS // _FEWEST_TIMES
    return any(last[size:] == last[:-size] for size in range(1, longest_period + 1))


def digits_in_schema(schema: Any) -> Iterator[int]:
    """Yield the digits of the numbers that a schema names, before or behind the point, and those of formats
    of 64 bits. Linear in the schema; iterative at any depth."""
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts += part.values()
            if part.get("format") in ("int64", "uint64"):
                yield len(str(_WHOLE))
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, int | float | Decimal) and not isinstance(part, bool):
            # `repr`: the digits that a person would write of a float, not its exact value
            number = Decimal(part) if isinstance(part, int | Decimal) else Decimal(repr(part))
            if number.is_finite():
                decimal_parts = number.as_tuple()  # arithmetic would round it
                yield len(bytes(decimal_parts.digits).strip(b"\0"))
                places_before = number.adjusted() + 1
                places_behind = -int(decimal_parts.exponent)
                for places in (places_before, places_behind):
                    if 0 < places <= _LARGEST_MAGNITUDE:
                        yield places
