"""Decides when to close a value that repeats itself, or a number of too many digits.

A model may write the same words for ever, and the grammar alone does not stop it.

- A *run* is the end of a text that repeats a *period*. In `no, no, no, ` the period is `no, `, four bytes.
- To *close* a run means to restrict the next tokens until the value ends. The text so far stays
  (`Text.take_step`).
- A *completion* is what may follow the text so far to make it a whole document, such as `"}`.
- A *numeral* is the text of a number.

A run that is long enough is closed at the place of its next period where the document is nearest to its end;
in a list this is after a whole item. Closing has three stages:

    1  no token leads away from the end of the document: an item may be finished, but no other item begins
    2  after one more period: only tokens that begin as the shortest completion begins, such as `"`
    3  after yet another period: only the tokens of a shortest completion

As long as the run itself brings the end nearer, because the grammar asks for a certain length, it stays at
stage 1. If max_tokens is small, a run may be too long for it: then a run that takes half of the tokens is
long enough. After one run was closed, the text is unlikely to be meant. The next run is closed after a
quarter of the usual length. After four choices against a run the text is completed in the shortest way.
docs/decisions/056-values-that-end.md has the lengths, and the measurements that led to them.
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
from structgen.base.language.checks import NumberCheck, PositiveCount, WholeCheck, check_fields
from structgen.machines.core.matcher import Matcher

_NEEDLE: Final = 32
"""The number of last bytes that are searched for earlier in the text. An earlier occurrence may be one
period back."""
_LONGEST_PERIOD: Final = 512
"""The longest period that is looked for, in bytes. A run has at least 20 periods, so a run of a longer period
would be longer than most texts."""
_CANDIDATES: Final = 8
"""The number of earlier occurrences that are looked at. There may be several within one period, since parts
of a period may repeat themselves too."""


class _Kind(NamedTuple):
    """A kind of period, with the number of its repetitions that make a run
    (docs/decisions/056-values-that-end.md)."""

    pattern: re.Pattern[bytes]
    times: float
    """The factor by which a run needs more repetitions than a run of words does."""
    short_times: int = 0
    """The least number of repetitions of a short period, up to twice the length of a run."""


_LANGUAGE: Final = _Kind(re.compile(rb".*", re.DOTALL), 1)
_KINDS: Final = (
    # codes, such as digests and certificates: invented ones repeat a hundred lines
    _Kind(re.compile(rb"(?=.*[0-9])(?=.*[A-Za-z])[0-9A-Za-z+/=\n]*", re.DOTALL), 5, 128),
    # signs alone, and rows of numbers: a matrix of 32 equal rows is still a sensible value
    _Kind(re.compile(rb"[^0-9A-Za-z\x7f]*|[^A-Za-z\"\x7f]*\[[^A-Za-z\"\x7f]*"), 1.6),
    _LANGUAGE,
)
_FEWEST_TIMES: Final = 3
"""The least number of periods in a run that takes its share of the tokens; also the least number of periods
in the last digits of a number."""
_STAGE_BYTES: Final = 8
"""The bytes between two stages, in addition to a period. A token may contain a short period several times."""
LAST_STAGE: Final = 3
_PATIENCE: Final = 4
"""After a run was closed, the next run may be this many times shorter. After this many choices against runs,
the text is completed in the shortest way."""
_WHOLE: Final = 1 << 64
"""The bound of the integers that may have any number of digits: those of 64 bits are often identifiers."""
_EXPONENT_DIGITS: Final = 4
"""The most digits of an exponent; exponents of doubles have three."""
_LARGEST_MAGNITUDE: Final = 40
"""The most digits of a schema's bound that count as a wish for that many digits. A bound of more digits, such
as that of doubles, does not mean that a number should have so many."""
_ZEROS: Final = _LARGEST_MAGNITUDE - 17
"""The most zeros before and after the significant digits, together with the significant digits that are not
used. With the 17 digits of a double they make a numeral of the largest magnitude."""
_CHECKED_DIGITS: Final = 12
"""The number of digits from which on a numeral is checked; also the number of last digits in which a short
period is looked for."""
NUMERAL: Final = b"0123456789.eE+-"
_MEMBER: Final = re.compile(rb'(?<!\\)"\s*:\s*(-?[0-9][0-9.eE+-]*)\Z')
_SPELT: Final = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.|[\xc0-\xff]?[\x80-\xbf]+|\n[ \t]*|(?<=[,:]) ", re.DOTALL)
"""The pattern of bytes that `_stand_in` replaces. These are characters of several bytes (escapes such as
`\\u00e9`, and UTF-8), and layout of JSON: line breaks, and blanks after commas and colons."""
_BORDERS: Final = (b"\n", b"\\", b", ", b": ")
"""The signs at the first of which `spell_period` lets a period begin, so that none of them is cut in two."""
_LEAD: Final = re.compile(rb"[^\x80-\xbf]")
"""The pattern of a byte at which a character begins. A period is taken to begin there, so that no character
is cut."""


@fields_named("sg.strategies.Repetitions(length=256, times=20)")
@dataclass(frozen=True, slots=True)
class Repetitions:
    """The limits at which a value that repeats itself is closed: `sg.Sampling(repetition=...)`.

    Data repeats itself more often than language, so it needs more repetitions. Signs alone, such as rules and
    boards, and rows of numbers need 1.6 times the `times`. Codes of digits and letters, such as base64, need
    5 times the `times`. Short codes need 128 repetitions, or twice the `length`.
    """

    length: Annotated[int, WholeCheck(32)] = 256
    """The least number of characters in a run. In JSON a run may be of a string, a key, or items of a
    list."""
    times: Annotated[int, WholeCheck(2)] = 20
    """The least number of repetitions of the period."""
    digits: PositiveCount = 17
    """The most significant digits of a number in JSON; more if its schema has a number of more digits. An
    integer of 64 bits may have more, unless its last digits repeat a short period."""
    share: Annotated[float, NumberCheck(0, 1, "a number from 0 to 1")] = 0.5
    """The share of `max_tokens` from which on a run is long enough, if `max_tokens` is at most `length` (0:
    never). It does not apply to codes, digits in JSON, signs alone and rows of numbers."""

    def __post_init__(self) -> None:
        check_fields(self)

    def needed(self, period: bytes, last: int = 0) -> int:
        """Return the least number of bytes in a run of this period. `last` is the number of bytes of the last
        tokens, as many tokens as the `share` is; 0 if so many are not written yet."""
        spelling = spell_period(period)
        size = len(spelling)
        # the pattern of the last kind matches every period
        kind = next(kind for kind in _KINDS if kind.pattern.fullmatch(spelling))
        short = min(kind.short_times * size, 2 * self.length)
        characters = max(self.length, short, round(self.times * kind.times * size))
        # converted from characters to bytes, rounded up
        full_size = -(-characters * len(period) // size)
        if not last or kind is not _LANGUAGE:
            return full_size
        return min(full_size, max(last, _FEWEST_TIMES * len(period)))


def _stand_in(match: re.Match[bytes]) -> bytes:
    """Return the byte that replaces a match of `_SPELT`: one byte for an escape or a character of UTF-8, and
    nothing for layout."""
    first = match[0][:1]
    if first == b"\\":
        return b"\n"
    return b"" if first in b"\n " else b"\x7f"


def spell_period(period: bytes) -> bytes:
    """Return the characters of a period, one byte for each. The period may begin inside of a character; it is
    then taken to begin at the next one."""
    # The period is doubled: from whichever byte it is taken to begin, a whole period follows.
    doubled = period + period
    borders = [doubled.find(sign) for sign in _BORDERS]
    first = min((border for border in borders if border >= 0), default=-1)
    if first < 0:
        lead = _LEAD.search(period)
        first = lead.start() if lead else 0
    # a period of blanks alone is one character
    return _SPELT.sub(_stand_in, doubled[first : first + len(period)]) or b" "


ENDS: Final = Repetitions()
"""The default limits."""


def repetitions_of(setting: bool | Mapping[str, Any]) -> Repetitions | None:
    """Return the limits for a setting in JSON: the default for true, None for false, otherwise those with the
    given fields. Raises OptionError."""
    if isinstance(setting, Mapping):
        return Repetitions(**setting)
    return ENDS if setting else None


def find_run(text: bytearray, rule: Repetitions, last: int = 0) -> int:
    """Return the length of the period, in bytes, if the text ends with a run that is long enough; else 0.

    `rule` has the limits; `last` is as in `Repetitions.needed`. Cost: two microseconds if nothing repeats
    itself, else linear in the run.
    """
    if len(text) < rule.length and not last:
        return 0
    # An earlier occurrence of the last bytes may be the end of the period before the last one.
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
        # A run is equal to itself when it is moved by its period.
        start = len(text) - run
        if start >= 0 and text[start + size :] == text[start:-size]:
            return size
        # the next candidate ends a byte earlier, so its period is longer
        end = match_start + _NEEDLE - 1
    return 0


@dataclass(slots=True, eq=False)
class OpenRun:
    """The watcher of the run or the number at the end of one text. It takes the bytes of the text as they
    are written."""

    rule: Repetitions
    schema: Json | None
    """The schema of the text, if the text is a document of JSON."""
    most_tokens: InitVar[int]
    """The most tokens of the text; 0 if they do not count."""
    repeats: Callable[[str], str] | None = None
    """The function that describes a repetition which the grammar itself finds (`Grammar.repeats`); "": none.
    Such a text is completed at once."""
    text: bytearray = field(default_factory=bytearray)
    _last: deque[int] = field(init=False)
    """The sizes of the text before each of the last tokens, as many tokens as the share is."""
    _closings: int = 0
    """The number of choices that were made against a run."""
    _period: int = 0
    """The length of the run's period, in bytes; 0: there was no run yet."""
    _began: int = 0
    """The size of the text from which the stages of a run count, at first where it was seen; 0: no run."""
    _fewest_bytes: int | None = None
    """The fewest bytes that completed the document in the run."""
    _goal: int = -1
    """The size of the text at which the run is to be closed; below 0: not known yet."""
    _log: EventLog = field(default_factory=EventLog)
    _logged_size: int = 0
    """The number of bytes of the text that the log has read."""
    _digit_limit: int | None = None
    """The most digits of a number; None: not known yet."""
    _again: str = ""
    """The last answer of `repeats`."""
    _last_asked_size: int = 0
    """The size of the text when `repeats` was last asked."""

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
            last = 0  # a digest of zeros may be most of a short document, and numbers have few digits anyway
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
            self._last_asked_size = len(self.text)  # `repeats` reads the whole text: asked rarely, so linear
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
            # only once: from the first closing on, a shorter run suffices
            length = max(self.rule.length // _PATIENCE, _NEEDLE)
            times = max(self.rule.times // _PATIENCE, 2)
            self.rule = replace(self.rule, length=length, times=times)
        self._closings += 1

    def bytes_to_await(self, matcher: Matcher) -> bytes:
        """Return the bytes of the run that are still to come before it is closed.

        It is closed at the place of the next period where the shortest completion is shortest; in a list this
        is after a whole item. `matcher` is after the text so far. Cost, once for a run: a completion for each
        byte of its period.
        """
        if self._closings >= _PATIENCE:
            return b""
        # while the run continues, the next bytes are those of the last period
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
                # the first one of equally good places is taken
                if completion_size < fewest:
                    fewest = completion_size
                    best_offset = offset
            # the stages are counted from this place on
            self._goal = self._began = len(self.text) + best_offset
        return ahead[: max(self._goal - len(self.text), 0)]

    def find_stage(self, completion_size: int) -> int:
        """Return the current stage of closing, 1 to 3. `completion_size` is the number of bytes of the
        shortest completion."""
        if self._fewest_bytes is None or completion_size < self._fewest_bytes:
            # The end has come nearer, for example because the grammar asks for a length: begin again.
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
        """Return whether the numeral at the end of the text would have too many digits after these bytes.
        Cost: 0.3 us if there is no numeral of many digits."""
        if not data or data[0] not in NUMERAL:
            return False
        tail = self.text[-_CHECKED_DIGITS:]
        open_length = len(tail) - len(tail.rstrip(NUMERAL))
        new_digits = data[: len(data) - len(data.lstrip(NUMERAL))]
        # a fast test of the last bytes, so that the document is rarely read
        if open_length + len(new_digits) < min(_CHECKED_DIGITS, self.rule.digits):
            return False
        numeral = self._open_numeral()
        return bool(numeral) and is_beyond(numeral + new_digits, self._find_digit_limit())

    def _open_numeral(self) -> bytes:
        """Return the numeral at the end of the text; b"" if these digits are part of something else, such as
        a string. In a text that is not a JSON document, such as tool calls, a numeral is the value of a
        member."""
        if self.schema is None:
            member = _MEMBER.search(self.text, max(len(self.text) - 128, 0))
            return b"" if member is None else member[1]
        new_bytes = bytes(self.text[self._logged_size :])
        self._logged_size = len(self.text)
        try:
            self._log.write_document(new_bytes)
        except JsonError:  # the policy of the grammar allows texts that are not JSON
            return b""
        return self._log.numeral

    def _find_digit_limit(self) -> int:
        """Return the most digits of a number. The schema is searched once, at the first long numeral."""
        if self._digit_limit is None:
            schema_digits = () if self.schema is None else digits_in_schema(self.schema)
            self._digit_limit = max((self.rule.digits, *schema_digits))
        return self._digit_limit


def ends_numeral(data: bytes) -> bool:
    """Return whether a token's bytes are not a part of a numeral. An end token has no bytes."""
    return not data or data[:1] not in NUMERAL


def is_beyond(numeral: bytes, max_digits: int) -> bool:
    """Return whether a numeral has more than `max_digits` significant digits, or more zeros or exponent
    digits than a number needs."""
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
    """Yield the digit counts of the numbers in a schema, before or after the point, and those of formats of
    64 bits. Cost: linear in the schema. It does not recurse, so any depth is fine."""
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
            # `repr` gives the digits that a person would write for a float, not its exact value
            number = Decimal(part) if isinstance(part, int | Decimal) else Decimal(repr(part))
            if number.is_finite():
                decimal_parts = number.as_tuple()  # arithmetic would round the number
                yield len(bytes(decimal_parts.digits).strip(b"\0"))
                places_before = number.adjusted() + 1
                places_behind = -int(decimal_parts.exponent)
                for places in (places_before, places_behind):
                    if 0 < places <= _LARGEST_MAGNITUDE:
                        yield places
