"""Calls the checkers of one target. All calls of a checker's methods are made here.

A *checker* is an object of the caller with methods such as `viable(prefix)` and `final(value)` (`checkers`).
Its *state* is the copy of the checker that belongs to one prefix. A *standing* (`CheckerStanding`) has the
states of all checkers after a prefix. A JSON value *closes* when its last byte is written: after
`{"a": [1, 2]` the values 1, 2 and [1, 2] have closed.

This module copies states from prefix to prefix, finds the values that close, and turns a checker's failure
into an error that names the checker.
"""

from __future__ import annotations

import bisect
import copy
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError, StructgenError
from structgen.base.json_text.events import ITEM_END, VALUE_END, EventLog
from structgen.base.language.checks import show_value
from structgen.base.native.array_types import BoolArray
from structgen.decoding.samplers.checkers import METHODS, Checker, ClosedValue, GeneratedText

REMEMBERED: Final = 1 << 14
"""The most prefixes whose answers are remembered; with states of `processes.MOST_STATE` bytes they take 1
GiB. It is also the most viable and the most refused prefixes that are kept for each checker. These detect a
checker that is not monotone."""
MOST_LOG_WEIGHT: Final = 300.0
"""The greatest log-weight of a checker. Its exp, and the square of that, are still finite."""
ReadValue = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class CheckerStanding:
    """The states of the checkers after a prefix, and the reader of the JSON text up to there.

    It is immutable, so prefixes may share it.
    """

    states: tuple[Any, ...]
    log: EventLog | None
    is_decided: bool = False
    """Whether the grammar allows only one continuation from here, and the checkers have accepted it."""


class Constraints:
    """The checkers of a target."""

    def __init__(self, checkers: Sequence[Checker], read_value: ReadValue, *, are_values: bool) -> None:
        """Prepare the checkers. `read_value` returns the value of a text for `final`. `are_values` says
        whether the texts are JSON documents. Raises OptionError for an object that is not a checker."""
        self._callers = [
            _CheckerCaller(checker, number, are_values) for number, checker in enumerate(checkers)
        ]
        self._read_value = read_value
        self.methods = frozenset[str]().union(*(caller.has for caller in self._callers))
        """The names of the methods that at least one checker has."""

    def __bool__(self) -> bool:
        return bool(self._callers)

    @property
    def checks(self) -> int:
        """The number of calls of checkers' methods."""
        return sum(caller.calls for caller in self._callers)

    def start(self) -> CheckerStanding:
        """Return the states before the first byte."""
        # The document is read along only if a checker has `closed`, which gets its values.
        log = EventLog() if "closed" in self.methods else None
        return CheckerStanding(tuple(caller.checker for caller in self._callers), log)

    def _pair_with_states(self, standing: CheckerStanding) -> Iterator[tuple[_CheckerCaller, Any]]:
        """Yield each caller with the state of its checker."""
        return zip(self._callers, standing.states, strict=True)

    def extend_standing(
        self, standing: CheckerStanding, prefix_length: int, text: bytes
    ) -> CheckerStanding | None:
        """Return the states after `text`, whose first `prefix_length` bytes led to `standing`; None if a
        checker refuses it."""
        if standing.is_decided:
            return standing
        log, closed_values = standing.log, list[ClosedValue]()
        if log is not None:
            # Other prefixes may continue from the same standing.
            log = log.copy()
            closed_values = _find_closed_values(log, text[prefix_length:])
        states = []
        for caller, state in self._pair_with_states(standing):
            after = caller.extend_state(state, closed_values, prefix_length, text)
            if after is None:
                return None
            states.append(after)
        return CheckerStanding(tuple(states), log)

    def accepts_text(self, standing: CheckerStanding, text: bytes) -> bool:
        """Return whether every checker accepts a text that ends here."""
        if standing.is_decided:
            return True
        # A blank after the document closes a top-level number. It changes nothing else.
        closed_values = [] if standing.log is None else _find_closed_values(standing.log.copy(), b" ")
        pairs = self._pair_with_states(standing)
        if not all(
            caller.accepts_text(state, closed_values, text, self._read_value) for caller, state in pairs
        ):
            return False
        self._probe_prefix(text)
        return True

    def _probe_prefix(self, text: bytes) -> None:
        """Ask the checkers about a shorter prefix of a valid text: every such prefix must be viable. Raises
        StructgenError if a checker refuses it: the checker is then not monotone."""
        start = self.start()
        pairs = self._pair_with_states(start)
        probed_pairs = [pair for pair in pairs if "viable" in pair[0].has and pair[0].is_repeatable]
        # A byte 10xxxxxx continues a character of UTF-8. If the first byte does, no place to cut may exist.
        if len(text) < 2 or text[0] & 0xC0 == 0x80 or not probed_pairs:
            return
        # A checksum chooses the place, so equal runs ask about equal prefixes.
        cut = 1 + zlib.crc32(text) % (len(text) - 1)
        while text[cut] & 0xC0 == 0x80:  # not inside a character: some tokenizers never split one
            cut -= 1
        closed_values = [] if start.log is None else _find_closed_values(start.log, text[:cut])
        for caller, state in probed_pairs:
            if caller.extend_state(state, closed_values, 0, text[:cut]) is None:
                raise caller.not_monotone(text[:cut], text)

    def allowed_tokens(
        self, standing: CheckerStanding, generated: GeneratedText, size: int
    ) -> BoolArray | None:
        """Return bool [V]: the tokens that the masks of all checkers allow; None if no checker has a mask."""
        allowed_mask: BoolArray | None = None
        for caller, state in self._pair_with_states(standing):
            mask = caller.mask_after(state, generated, size)
            if mask is not None:
                allowed_mask = mask if allowed_mask is None else allowed_mask & mask
        return allowed_mask

    def log_weight(self, standing: CheckerStanding, text: GeneratedText) -> float:
        """Return the sum of the checkers' log-weights of a whole text. `text` is given without its value."""
        pairs = self._pair_with_states(standing)
        log_weights = []
        for caller, state in pairs:
            if "weigh" in caller.has:
                # Each checker reads a value of its own, as for `final`.
                value = self._read_value(text.text)
                log_weights.append(caller.weigh_text(state, "weigh", text._replace(value=value)))
        return sum(log_weights)

    def guess_log_weight(self, standing: CheckerStanding, prefix: GeneratedText) -> float:
        """Return the sum of the guesses at the log-weights of the texts that begin with a prefix."""
        pairs = self._pair_with_states(standing)
        return sum(
            caller.weigh_text(state, "guess", prefix) for caller, state in pairs if "guess" in caller.has
        )


class _CheckerCaller:
    """Calls one checker. It keeps the checker's methods, some earlier answers, and the number of calls."""

    def __init__(self, checker: Any, number: int, are_values: bool) -> None:
        where = f"checkers[{number}]"
        checker, self.has = methods_of(checker, where)
        if "closed" in self.has and not are_values:
            raise OptionError(
                f"{name_of(checker)}.closed would never be called: the grammar's texts are not JSON "
                "documents.",
                where=where,
                cure="Define `viable` or `final` instead, or pass a JSON Schema or a type as the grammar.",
            )
        self.checker = checker
        self._where = where
        # `mask`, `final`, `weigh` and `guess` get a copy of the state; their changes to it are discarded.
        self._is_changed = not self.has.isdisjoint(("viable", "closed"))
        """Whether a method is called between the first token and the end, so that state may change."""
        self.is_repeatable: bool = getattr(checker, "is_repeatable", True)
        self.calls = 0
        self._refused_texts: set[bytes] = set()
        self._viable_texts: list[bytes] = []
        """The prefixes that were viable, in ascending order."""

    def extend_state(
        self, state: Any, closed_values: Sequence[ClosedValue], prefix_length: int, text: bytes
    ) -> Any:
        """Return the checker's state after a text; None if it refuses the text.

        For example `extend_state(state, [], 5, b'{"a":1')` is about the new byte "1". `state` is the state
        after the first `prefix_length` bytes of `text`. `closed_values` are the JSON values that close in the
        bytes after those.
        """
        state = self._copy_state(state)
        if not self._accepts_values(state, closed_values):
            return None
        if "viable" in self.has:
            answer = self._ask_yes_or_no(state, "viable", text, show_value(text))
            if self.is_repeatable:
                self._compare_answers(answer, prefix_length, text)
            if not answer:
                return None
        return state

    def accepts_text(
        self, state: Any, closed_values: Sequence[ClosedValue], text: bytes, read_value: ReadValue
    ) -> bool:
        """Return whether the checker accepts a whole text.

        `state` is the state after `text`. `closed_values` are the values that the end of the text closes, for
        example the number of the text `12`. `read_value` makes the argument of `final`. Each checker gets a
        value of its own, so that a change by one does not affect the next.
        """
        if "final" not in self.has and not closed_values:
            return True
        # The checker may change its state, which other texts with this prefix need.
        state = self._copy_state(state)
        if not self._accepts_values(state, closed_values):
            return False
        return "final" not in self.has or self._ask_yes_or_no(
            state, "final", read_value(text), show_value(text)
        )

    def _accepts_values(self, state: Any, closed_values: Sequence[ClosedValue]) -> bool:
        """Return whether the checker accepts values that closed."""
        return "closed" not in self.has or all(
            self._ask_yes_or_no(state, "closed", value, _describe_event(value)) for value in closed_values
        )

    def mask_after(self, state: Any, generated: GeneratedText, size: int) -> BoolArray | None:
        """Return the checker's mask after a prefix. Raises StructgenError for a wrong type or shape."""
        if "mask" not in self.has:
            return None
        answer = self._ask_checker(self._copy_state(state), "mask", generated, show_value(generated.text))
        if answer is None:
            return None
        mask = np.asarray(answer)
        if mask.dtype != np.bool_ or mask.ndim != 1 or len(mask) < size:
            raise self._checker_error(
                f"returned an array of {mask.dtype} of shape {mask.shape} as a mask",
                f"after {show_value(generated.text)}",
                f"Return a bool array with a value for each of the {size:,} tokens, or None.",
            )
        return mask[:size]

    def weigh_text(self, state: Any, method: str, generated: GeneratedText) -> float:
        """Return the log-weight that `method` ("weigh" or "guess") answers. Raises StructgenError for an
        answer that is not a log-weight."""
        shown_text = show_value(generated.text)
        answer = self._ask_checker(self._copy_state(state), method, generated, shown_text)
        # True is an int in Python. A comparison with NaN is false, so `not <=` refuses NaN as well.
        is_number = isinstance(answer, int | float | np.floating) and not isinstance(answer, bool)
        if not is_number or not answer <= MOST_LOG_WEIGHT:
            raise self._checker_error(
                f"returned {show_value(answer)}, which is not a log-weight",
                f"called {method}({shown_text})",
                f"Return a number of up to {MOST_LOG_WEIGHT:g}, or minus infinity.",
            )
        return float(answer)

    def _copy_state(self, state: Any) -> Any:
        """Return a copy of a state; if no method changes states, return the state itself. Raises
        StructgenError for a checker that cannot be copied."""
        if not self._is_changed:
            return state
        try:
            return copy_checker(state)
        except Exception as error:
            raise self._checker_error(
                f"cannot be copied ({type(error).__name__}: {error})",
                "for another prefix",
                "Define copy(self); a checker without state may return self.",
            ) from error

    def _ask_checker(self, state: Any, method: str, argument: Any, shown_argument: str) -> Any:
        """Return the answer of a method of the checker. `shown_argument` is the argument as messages show it,
        for example `b'{"a"'`. If the method raises, raises StructgenError, which names the checker."""
        self.calls += 1
        try:
            return getattr(state, method)(argument)
        except StructgenError:
            raise  # from `InProcess`: it names the checker already
        except Exception as error:
            raise self._checker_error(
                f"raised {type(error).__name__}: {error}",
                f"called {method}({shown_argument})",
                "Return False for what is not valid; an exception counts as a mistake in the checker.",
            ) from error

    def _ask_yes_or_no(self, state: Any, method: str, argument: Any, shown_argument: str) -> bool:
        """Return the answer of a method that returns a bool, for example of `viable`. Raises StructgenError
        for any other answer."""
        answer = self._ask_checker(state, method, argument, shown_argument)
        if not isinstance(answer, bool | np.bool_):
            raise self._checker_error(
                f"returned {show_value(answer)}, which is not a bool",
                f"called {method}({shown_argument})",
                "Return True or False.",
            )
        return bool(answer)

    def _compare_answers(self, answer: bool, prefix_length: int, text: bytes) -> None:
        """Compare an answer of `viable` with those for shorter and longer prefixes."""
        if answer:
            # Prefixes up to `prefix_length` have led here, so none of them was refused.
            cuts = range(prefix_length + 1, len(text)) if self._refused_texts else ()
            for end in cuts:
                if text[:end] in self._refused_texts:
                    raise self.not_monotone(text[:end], text)
            if len(self._viable_texts) < REMEMBERED:
                bisect.insort(self._viable_texts, text)
            return
        # The list is sorted, so the first viable text that begins with this one, if any, stands here.
        at = bisect.bisect_left(self._viable_texts, text)
        if at < len(self._viable_texts) and self._viable_texts[at].startswith(text):
            raise self.not_monotone(text, self._viable_texts[at])
        if len(self._refused_texts) < REMEMBERED:
            self._refused_texts.add(text)

    def not_monotone(self, shorter: bytes, longer: bytes) -> StructgenError:
        """Return the error of a checker that refuses a prefix but accepts a longer one."""
        return self._checker_error(
            "is not monotone",
            f"it refuses the prefix {show_value(shorter)}, but accepts {show_value(longer)}",
            "From `viable`, return False only for a prefix with which no valid text begins.",
        )

    def _checker_error(self, fault: str, when: str, cure: str) -> StructgenError:
        """Return an error that names the checker: its fault, when it happened, and the cure."""
        return StructgenError(
            f"The checker {name_of(self.checker)} {fault}: {when}.", where=self._where, cure=cure
        )


class Predicate:
    """A checker made from a function, which becomes its `final`."""

    def __init__(self, function: Callable[[Any], bool]) -> None:
        self.final = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        fingerprint = getattr(function, "fingerprint", None)
        if fingerprint is not None:
            self.fingerprint = fingerprint

    def copy(self) -> Predicate:
        """Return the predicate itself: a function keeps no state of a prefix."""
        return self


def methods_of(checker: Any, where: str) -> tuple[Any, frozenset[str]]:
    """Return a checker and the names of its methods. A function becomes a `Predicate`. Raises OptionError for
    an object that is not a checker; `where` is its place in the error."""
    if isinstance(checker, type):
        raise OptionError(
            f"The class {checker.__name__} is not a checker; pass an object of it.",
            where=where,
            cure="Pass an object; sg.samplers.TypeChecker(T) checks the values of a type T.",
        )
    # A wrapper around a checker names the checker's methods in `asks`.
    asks = getattr(checker, "asks", None)
    names = frozenset(name for name in METHODS if callable(getattr(checker, name, None)))
    # `InProcess` itself has all six methods, whatever methods its checker has.
    if isinstance(asks, frozenset):
        names = asks
    elif not names and callable(checker):
        return Predicate(checker), frozenset(("final",))
    if not names:
        raise OptionError(
            f"{show_value(checker)} has none of the methods {', '.join(METHODS)}.",
            where=where,
            cure="Define at least one of them, or pass a function from a value to a bool.",
        )
    return checker, names


def _find_closed_values(log: EventLog, data: bytes) -> list[ClosedValue]:
    """Return the values that close in the next bytes of a document."""
    return [
        ClosedValue(place, bytes(log.text[start:end]))
        for kind, place, start, end, _ in log.feed_text(data)
        if kind is VALUE_END or kind is ITEM_END
    ]


def copy_checker(checker: Any) -> Any:
    """Return a copy of a checker, by its own method if it has one."""
    copy_method = getattr(checker, "copy", None)
    return copy.deepcopy(checker) if copy_method is None else copy_method()


def name_of(checker: Any) -> str:
    """Return the name of a caller's object in messages."""
    return getattr(checker, "__name__", None) or type(checker).__name__


def _describe_event(event: ClosedValue) -> str:
    """Return a description of a closed value and its place, for a message."""
    return f"{show_value(event.document)} at {event.pointer or 'the root'!r}"
