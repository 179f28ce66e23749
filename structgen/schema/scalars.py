"""Strings and numbers: one formula over atoms for each demand, folded where that is cheap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from structgen.errors import LimitError, SchemaError
from structgen.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Demands,
    Format,
    Formula,
    Interval,
    Length,
    Multiple,
    Not,
    Pattern,
    Spec,
    Words,
)
from structgen.limits import Limits
from structgen.schema import patterns
from structgen.schema.model import Schema
from structgen.schema.place import BOOLEAN, NULL, NUMBER, STRING, Info, Tables
from structgen.schema.values import Text, has_lone_surrogate, json_string

_FILTERED = 1_000
"""Finite sets up to this size are filtered word by word through patterns and formats; larger ones keep the formula."""
_SMALL_EXPONENT = 400
"""Exact arithmetic on decimals is done here up to this exponent; beyond it the number automata are asked."""


class StringOracle(Protocol):
    """What the network asks about sets of strings."""

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some string meets, the shortest JSON string literal (quotes included)."""
        ...

    def matches(self, formula: Formula, text: str) -> bool:
        """Return whether a decoded string meets a formula."""
        ...

    def words(self, formula: Formula, most: int) -> Sequence[str] | None:
        """Return all strings that meet a formula if they are at most `most`, else None."""
        ...


class NumberOracle(Protocol):
    """What the network asks about sets of numbers."""

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some numeral within policy meets, the shortest such numeral."""
        ...


# Formulas, folded as they are built


def negation(formula: Formula) -> Formula:
    """Return the complement, folded where it is a constant or a complement itself."""
    if isinstance(formula, Not):
        return formula.of
    if formula == TRUE:
        return FALSE
    if formula == FALSE:
        return TRUE
    return Not(formula)


def disjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the union; finite sets of words are joined, duplicates and constants folded. Linear."""
    kept: dict[Formula, None] = {}
    words: list[frozenset[str]] = []
    for formula in formulas:
        if formula == TRUE:
            return TRUE
        for part in formula.of if isinstance(formula, Any_) else (formula,):
            if isinstance(part, Words):
                words.append(part.of)
            else:
                kept[part] = None
    if words:
        joined = words[0] if len(words) == 1 else frozenset().union(*words)
        kept[Words(joined)] = None
    if len(kept) == 1:
        return next(iter(kept))
    return Any_(tuple(kept))


def points(formula: Formula) -> tuple[Decimal, ...] | None:
    """Return the numbers of a formula that is a finite set of them on its face, else None."""
    if isinstance(formula, Interval):
        return (formula.low,) if formula.low is not None and formula.low == formula.high else None
    if isinstance(formula, Any_) and formula.of:
        found: list[Decimal] = []
        for part in formula.of:
            if not isinstance(part, Interval) or part.low is None or part.low != part.high:
                return None
            found.append(part.low)
        return tuple(found)
    return None


def is_multiple(value: Decimal, of: Decimal) -> bool:
    """Return whether a number is an integer times another; exact at any exponent."""
    if not value:
        return True
    _, value_digits, value_exponent = value.as_tuple()
    _, of_digits, of_exponent = of.as_tuple()
    assert isinstance(value_exponent, int) and isinstance(of_exponent, int)
    a = int("".join(map(str, value_digits)))
    b = int("".join(map(str, of_digits)))
    shift = value_exponent - of_exponent
    if shift >= 0:
        return a * pow(10, shift, b) % b == 0
    if -shift > len(value_digits):
        return False
    return a % (b * 10**-shift) == 0


def number_meets(formula: Formula, value: Decimal) -> bool:
    """Return whether a number meets a formula; exact."""
    match formula:
        case Interval(low, high, open_low, open_high):
            if low is not None and (value < low or (open_low and value == low)):
                return False
            return high is None or not (value > high or (open_high and value == high))
        case Multiple(of):
            return is_multiple(value, of)
        case Not(inner):
            return not number_meets(inner, value)
        case All(parts):
            return all(number_meets(part, value) for part in parts)
        case Any_(parts):
            return any(number_meets(part, value) for part in parts)
    raise AssertionError(formula)


def _meet(a: Interval, b: Interval) -> Interval | None:
    low, open_low = a.low, a.open_low
    if low is None or (b.low is not None and (b.low > low or (b.low == low and b.open_low))):
        low, open_low = b.low, b.open_low
    high, open_high = a.high, a.open_high
    if high is None or (b.high is not None and (b.high < high or (b.high == high and b.open_high))):
        high, open_high = b.high, b.open_high
    if low is not None and high is not None and (low > high or (low == high and (open_low or open_high))):
        return None
    return Interval(low, high, open_low, open_high)


def conjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the intersection: intervals and lengths are met, constants and contradictions folded.

    Finite sets are not filtered here (`Scalars.narrowed` does that, for it may have to ask the automata).
    """
    kept: dict[Formula, None] = {}
    interval: Interval | None = None
    words: frozenset[str] | None = None
    length: Length | None = None
    stack = list(formulas)
    stack.reverse()
    while stack:
        formula = stack.pop()
        if isinstance(formula, All):
            stack.extend(reversed(formula.of))
        elif isinstance(formula, Interval):
            met = formula if interval is None else _meet(interval, formula)
            if met is None:
                return FALSE
            interval = met
        elif isinstance(formula, Words):
            words = formula.of if words is None else words & formula.of
            if not words:
                return FALSE
        elif isinstance(formula, Length):
            if length is not None:
                most = formula.most if length.most is None else length.most
                if formula.most is not None and most is not None:
                    most = min(most, formula.most)
                formula = Length(max(length.least, formula.least), most)
            if formula.most is not None and formula.least > formula.most:
                return FALSE
            length = formula
        elif formula == FALSE:
            return FALSE
        else:
            kept[formula] = None
    if interval is not None:
        kept[interval] = None
    if length is not None:
        kept[length] = None
    if words is not None:
        kept[Words(words)] = None
    for formula in kept:
        if isinstance(formula, Not) and formula.of in kept:
            return FALSE
    if len(kept) == 1:
        return next(iter(kept))
    return All(tuple(kept)) if kept else TRUE


def apart(a: Formula, b: Formula) -> bool:
    """Return whether two formulas are disjoint for a cheap reason. False says nothing."""
    if a == FALSE or b == FALSE:
        return True
    for x in a.of if isinstance(a, All) else (a,):
        for y in b.of if isinstance(b, All) else (b,):
            if isinstance(x, Words) and isinstance(y, Words):
                if x.of.isdisjoint(y.of):
                    return True
            elif isinstance(x, Interval) and isinstance(y, Interval):
                if _meet(x, y) is None:
                    return True
            elif isinstance(x, Length) and isinstance(y, Length):
                if conjunction((x, y)) == FALSE:
                    return True
            elif x == Not(y) or y == Not(x):
                return True
    return False


class Scalars:
    """The formulas of strings and numbers, and what is asked of the automata about them; all memoised."""

    def __init__(
        self, tables: Tables, limits: Limits, strings: StringOracle, numbers: NumberOracle, *, lone: bool
    ) -> None:
        """`lone`: strings and keys with lone surrogates can be written (escapes="any")."""
        self.tables = tables
        self.limits = limits
        self.strings = strings
        self.numbers = numbers
        self.lone = lone
        self._own: dict[tuple[int, int], Formula] = {}
        self._demands: dict[tuple[int, int], Formula] = {}
        self._satisfiable: dict[tuple[int, Formula], bool] = {}
        self._shortest: dict[tuple[int, Formula], Text | None] = {}
        self._key_matches: dict[tuple[str, str], bool] = {}

    # Formulas of schemas. `kind` is STRING or NUMBER, or NULL for null, BOOLEAN for true, -BOOLEAN for false.

    def demand(self, demand: int, kind: int) -> Formula:
        """Return the formula of a demand for one kind of scalar; TRUE and FALSE where it is a constant."""
        key = demand, kind
        found = self._demands.get(key)
        if found is None:
            literals = self.tables.demands[demand]
            if len(literals) == 1:
                found = self.literal(literals[0], kind)
            elif not literals:
                found = TRUE
            else:
                found = self.narrowed((self.literal(literal, kind) for literal in literals), kind)
            self._demands[key] = found
        return found

    def literal(self, literal: int, kind: int) -> Formula:
        """Return the formula of a literal."""
        if literal < 0:
            return FALSE if literal == -1 else TRUE
        formula = self._own.get((literal >> 1, kind))
        if formula is None:
            info = self.tables.infos[literal >> 1]
            formula = self._read(info, kind) if info.combined else self._plain(info, kind)
            self._own[literal >> 1, kind] = formula
        return negation(formula) if literal & 1 else formula

    def _read(self, root: Info, kind: int) -> Formula:
        """Return the formula of a schema with combinators; iterative post-order over them."""
        own, tables = self._own, self.tables
        stack: list[tuple[Info, bool]] = [(root, False)]
        open_: set[int] = set()
        while stack:
            info, ready = stack.pop()
            schema = info.schema
            key = schema.id, kind
            if key in own:
                continue
            if info.verdict is not None:
                own[key] = TRUE if info.verdict else FALSE
                continue
            if not info.combined:
                own[key] = self._plain(info, kind)
                continue
            if ready:
                open_.discard(schema.id)
                own[key] = self._combined(info, kind)
                continue
            if schema.id in open_:
                raise SchemaError(
                    "This schema refers to itself without progress.",
                    where=schema.pointer,
                    cure="Let the cycle pass through a property or an item, or remove it.",
                )
            open_.add(schema.id)
            stack.append((info, True))
            for part in _operands(schema):
                stack.append((tables.info(part), False))
        return own[root.schema.id, kind]

    def _combined(self, info: Info, kind: int) -> Formula:
        schema = info.schema

        def of(part: Schema) -> Formula:
            return self._own[self.tables.info(part).schema.id, kind]

        parts = [self._plain(info, kind)]
        if schema.ref is not None:
            parts.append(of(schema.ref))
        parts.extend(map(of, schema.all_of))
        if schema.any_of:
            parts.append(disjunction(map(of, schema.any_of)))
        if schema.one_of:
            parts.append(self._exactly_one([of(part) for part in schema.one_of], kind, schema.pointer))
        if schema.not_ is not None:
            parts.append(negation(of(schema.not_)))
        if schema.if_ is not None:
            test = of(schema.if_)
            then = of(schema.then) if schema.then is not None else TRUE
            other = of(schema.else_) if schema.else_ is not None else TRUE
            parts.append(
                disjunction((self.narrowed((test, then), kind), self.narrowed((negation(test), other), kind)))
            )
        return self.narrowed(parts, kind)

    def _plain(self, info: Info, kind: int) -> Formula:
        """Return the formula of a schema's own keywords."""
        if info.verdict is not None:
            return TRUE if info.verdict else FALSE
        if kind == STRING:
            if not info.types & STRING:
                return FALSE
            return self._plain_string(info) if info.strings or info.values is not None else TRUE
        if kind == NUMBER:
            if not info.types & NUMBER:
                return FALSE
            return self._plain_number(info) if info.numbers or info.values is not None else TRUE
        if not info.types & abs(kind):
            return FALSE
        if info.values is None:
            return TRUE
        value = None if kind == NULL else kind == BOOLEAN
        return TRUE if ("literal", value) in info.values else FALSE

    def _plain_string(self, info: Info) -> Formula:
        schema = info.schema
        parts: list[Formula] = []
        if schema.pattern is not None:
            parts.append(Pattern(schema.pattern))
        if schema.format is not None:
            parts.append(Format(schema.format))
        if schema.min_length or schema.max_length is not None:
            parts.append(Length(schema.min_length, schema.max_length))
        if schema.enum is None:
            return parts[0] if len(parts) == 1 and not isinstance(parts[0], Length) else conjunction(parts)
        words = frozenset(value for value in schema.enum if isinstance(value, str))
        if not self.lone:
            lone = [word for word in words if not word.isascii() and has_lone_surrogate(word)]
            words = words.difference(lone)
        if not words:
            return FALSE
        parts.append(Words(words))
        return self.narrowed(parts, STRING) if len(parts) > 1 else parts[0]

    def _plain_number(self, info: Info) -> Formula:
        schema = info.schema
        parts: list[Formula] = []
        types = schema.types
        if types is not None and "integer" in types and "number" not in types:
            parts.append(Multiple(Decimal(1)))
        if schema.multiple_of is not None:
            parts.append(Multiple(schema.multiple_of))
        if schema.minimum is not None:
            parts.append(Interval(schema.minimum, None))
        if schema.maximum is not None:
            parts.append(Interval(None, schema.maximum))
        if schema.exclusive_minimum is not None:
            parts.append(Interval(schema.exclusive_minimum, None, open_low=True))
        if schema.exclusive_maximum is not None:
            parts.append(Interval(None, schema.exclusive_maximum, open_high=True))
        if schema.enum is not None:
            found: dict[Decimal, None] = {}
            for value in schema.enum:
                if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
                    found[Decimal(value)] = None
            if not found:
                return FALSE
            parts.append(disjunction([Interval(value, value) for value in found]))
        return self.narrowed(parts, NUMBER) if len(parts) > 1 else parts[0]

    def _exactly_one(self, formulas: list[Formula], kind: int, pointer: str) -> Formula:
        left = [formula for formula in formulas if formula != FALSE]
        if len(left) < 2:
            return left[0] if left else FALSE
        if all(isinstance(formula, Words) for formula in left):
            counted = Counter(word for formula in left if isinstance(formula, Words) for word in formula.of)
            once = frozenset(word for word, times in counted.items() if times == 1)
            return Words(once) if once else FALSE
        if len(left) ** 2 > 50 * self.limits.alternatives:
            raise LimitError(
                f"oneOf has {len(left)} branches that are compared pair by pair.",
                limit="alternatives",
                where=pointer,
            )
        branches: list[Formula] = []
        for i, formula in enumerate(left):
            rest = [negation(other) for j, other in enumerate(left) if j != i and not apart(formula, other)]
            branches.append(self.narrowed((formula, *rest), kind) if rest else formula)
        return disjunction(branches)

    def narrowed(self, formulas: Iterable[Formula], kind: int) -> Formula:
        """Return the intersection, with a finite set among them filtered through the rest."""
        formula = conjunction(formulas)
        if not isinstance(formula, All):
            return formula
        if kind == NUMBER:
            for part in formula.of:
                finite = points(part)
                if finite is not None:
                    rest = All(tuple(other for other in formula.of if other is not part))
                    left = [Interval(value, value) for value in finite if number_meets(rest, value)]
                    return disjunction(left)
            return _merge_multiples(formula)
        for part in formula.of:
            if isinstance(part, Words):
                rest_parts = [other for other in formula.of if other is not part]
                if len(part.of) > _FILTERED and not all(map(_is_local, rest_parts)):
                    return formula
                words = frozenset(
                    word for word in part.of if all(self.string_meets(other, word) for other in rest_parts)
                )
                return Words(words) if words else FALSE
        return formula

    # Questions

    def string_meets(self, formula: Formula, text: str) -> bool:
        """Return whether a string meets a formula; simple patterns are answered here, the rest by the automata."""
        match formula:
            case Words(of):
                return text in of
            case Length(least, most):
                return least <= len(text) and (most is None or len(text) <= most)
            case Not(inner):
                return not self.string_meets(inner, text)
            case All(parts):
                return all(self.string_meets(part, text) for part in parts)
            case Any_(parts):
                return any(self.string_meets(part, text) for part in parts)
            case Pattern(source):
                return self.pattern_matches(source, text)
        return self.strings.matches(formula, text)

    def pattern_matches(self, source: str, text: str) -> bool:
        """Return whether an ECMA-262 pattern matches somewhere in a string."""
        found = self._key_matches.get((source, text))
        if found is None:
            plain = patterns.simple(source)
            if plain is not None:
                found = plain.search.search(text) is not None
            else:
                found = self.strings.matches(Pattern(source), text)
            self._key_matches[source, text] = found
        return found

    def satisfiable(self, formula: Formula, kind: int) -> bool:
        """Return whether some value of the kind meets a formula."""
        if formula == TRUE:
            return True
        if formula == FALSE:
            return False
        key = kind, formula
        found = self._satisfiable.get(key)
        if found is None:
            quick = quick_string(formula) if kind == STRING else quick_number(formula)
            found = self.shortest(formula, kind) is not None if quick is None else quick
            self._satisfiable[key] = found
        return found

    def shortest(self, formula: Formula, kind: int) -> Text | None:
        """Return the shortest JSON text of a value that meets a formula, or None."""
        if formula == FALSE:
            return None
        if formula == TRUE:
            return _FREE_STRING if kind == STRING else _ZERO
        key = kind, formula
        if key in self._shortest:
            return self._shortest[key]
        found: Text | None
        if kind == NUMBER:
            if number_meets(formula, Decimal(0)):
                found = _ZERO
            else:
                answer = self.numbers.shortest(Spec((formula,)))
                found = Text((answer[0],)) if 0 in answer else None
        elif isinstance(formula, Words):
            found = Text((shortest_word(formula.of),))
        else:
            answer = self.strings.shortest(Spec((formula,)))
            found = Text((answer[0],)) if 0 in answer else None
        self._shortest[key] = found
        return found


def shortest_word(words: frozenset[str]) -> bytes:
    """Return the shortest JSON literal of some words, the smallest of those; few words are written at all."""
    best: bytes | None = None
    for word in sorted(words, key=len):
        if best is not None and len(word) + 2 > len(best):
            break
        text = json_string(word)
        if best is None or (len(text), text) < (len(best), best):
            best = text
    assert best is not None
    return best


_FREE_STRING = Text((b'""',))
_ZERO = Text((b"0",))


def _operands(schema: Schema) -> list[Schema]:
    parts = [*schema.all_of, *schema.any_of, *schema.one_of]
    parts.extend(
        part for part in (schema.ref, schema.not_, schema.if_, schema.then, schema.else_) if part is not None
    )
    return parts


def _is_local(formula: Formula) -> bool:
    """Return whether membership of a word is decided without patterns and formats."""
    stack = [formula]
    while stack:
        node = stack.pop()
        match node:
            case Pattern() | Format():
                return False
            case Not(inner):
                stack.append(inner)
            case All(parts) | Any_(parts):
                stack.extend(parts)
    return True


def _merge_multiples(formula: All) -> Formula:
    """Return the conjunction without multiples that another of its multiples implies."""
    found = [part for part in formula.of if isinstance(part, Multiple)]
    if len(found) < 2:
        return formula
    implied = {
        weak for weak in found for strong in found if weak != strong and is_multiple(strong.of, weak.of)
    }
    return conjunction(part for part in formula.of if part not in implied)


def quick_string(formula: Formula) -> bool | None:
    """Return whether a string meets the formula where that shows at once, else None."""
    match formula:
        case Words(of):
            return bool(of)
        case Length(least, most):
            return most is None or least <= most
        case Format():
            return True
        case Pattern(source):
            plain = patterns.simple(source)
            return True if plain is not None and plain.inhabited else None
        case Not(Words()):
            return True
        case Any_(parts):
            if any(quick_string(part) for part in parts):
                return True
        case All(parts):
            # Finitely many words are missing from infinitely many strings.
            if all(
                (isinstance(part, Not) and isinstance(part.of, Words))
                or (isinstance(part, Length) and part.most is None)
                for part in parts
            ):
                return True
    return None


def quick_number(formula: Formula) -> bool | None:
    """Return whether a number meets the formula where plain arithmetic tells, else None."""
    parts = formula.of if isinstance(formula, All) else (formula,)
    interval: Interval | None = None
    multiple: Multiple | None = None
    for part in parts:
        if isinstance(part, Interval) and interval is None:
            interval = part
        elif isinstance(part, Multiple) and multiple is None:
            multiple = part
        elif isinstance(formula, Any_):
            return True if any(quick_number(branch) for branch in formula.of) else None
        else:
            return None
    if interval is None or interval.low is None or interval.high is None or number_meets(formula, Decimal(0)):
        return True
    if multiple is None:
        return True
    low, high, of = interval.low, interval.high, multiple.of
    if any(abs(value.adjusted()) > _SMALL_EXPONENT for value in (low, high, of) if value):
        return None
    n, d = of.as_integer_ratio()
    a, b = low.as_integer_ratio()
    c, e = high.as_integer_ratio()
    first = -((-a * d) // (b * n))
    last = (c * d) // (e * n)
    if interval.open_low and first * n * b == a * d:
        first += 1
    if interval.open_high and last * n * e == c * d:
        last -= 1
    return first <= last
