"""Strings and numbers: translates each demand into one formula, and asks the automata about formulas.

A *scalar* is a string, a number, true, false or null. A *formula* describes a set of scalars of one kind,
from atoms such as a pattern or a range (`formulas`). For example the demand of `{"minimum": 0, "maximum": 9}`
has one range as its formula for numbers. For strings, which it does not restrict, its formula is TRUE.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial, reduce
from operator import and_
from typing import NamedTuple, Protocol

from structgen.automata.numbers.written_forms import only_integers
from structgen.automata.strings.live_strings import speaks_of_texts
from structgen.base.errors import LimitError
from structgen.base.language.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Demands,
    Format,
    Formula,
    Length,
    Multiple,
    Not,
    Outcomes,
    Pattern,
    PlainInteger,
    Spec,
    Texts,
    Words,
    conjuncts,
)
from structgen.base.language.number_ranges import Ranges, interval, points
from structgen.base.limits import Limits
from structgen.schema.meaning.formulas import (
    LISTED,
    are_disjoint,
    branch_exclusions,
    conjunction,
    disjunction,
    evaluate_formula,
    is_empty,
    is_local,
    is_of_values,
    negation,
    neighbour_pairs,
    number_meets,
    numbers_of,
    overlapping_pairs,
    quick_number,
    quick_string,
    spans_of,
)
from structgen.schema.meaning.literals import (
    ARRAY,
    BOOLEAN,
    EVERY,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Literal,
    Literals,
)
from structgen.schema.meaning.place import PlaceTables, integers_alone, is_conditional
from structgen.schema.reading.json_values import (
    JsonPieces,
    can_be_written,
)
from structgen.schema.reading.missing_bytes import MANY, Quoting
from structgen.schema.reading.model import Schema


class StringOracle(Protocol):
    """Questions of the network about sets of strings."""

    outcomes: Outcomes
    """The numbers that stand for sets of true formulas, as `ir.Outcomes` has them."""

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some string meets, the shortest JSON literal, quotes included."""

    def exists(self, formula: Formula) -> bool:
        """Return whether some string meets a formula."""

    def matches(self, formula: Formula, text: str) -> bool:
        """Return whether a decoded string meets a formula."""

    def words(self, formula: Formula, max_words: int) -> Sequence[str] | None:
        """Return all strings that meet a formula if they are at most `max_words`, else None."""

    def classes(self, formulas: Sequence[Formula]) -> Mapping[frozenset[int], bool]:
        """Return each set of formulas such that exactly these are true of some string. The value says whether
        infinitely many strings are such."""


class NumberOracle(Protocol):
    """Questions of the network about sets of numbers."""

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some numeral within policy meets, the shortest such numeral."""


class ValueSet(NamedTuple):
    """A set of values, described for each type of JSON."""

    scalars: Mapping[int, Formula]
    """For each kind of scalar the formula of the values in the set (`Scalars` names the kinds)."""
    containers: int
    """OBJECT and ARRAY as bits, where the set may have objects or arrays."""
    literals: Literals
    """The literals that all values of the set meet."""

    def is_empty(self, satisfiable: Callable[[Formula, int], bool]) -> bool:
        """Return whether the set is empty; objects and arrays are assumed to exist. `satisfiable` decides for
        a formula and a kind."""
        if self.containers:
            return False
        for kind, formula in self.scalars.items():
            # A constant (null, true, false) that is not excluded is a value.
            is_constant = abs(kind) in (NULL, BOOLEAN)
            if formula != FALSE and (is_constant or satisfiable(formula, kind)):
                return False
        return True


class Scalars:
    """The formulas of strings and numbers, and questions to the automata about them; all memoised."""

    def __init__(
        self,
        tables: PlaceTables,
        limits: Limits,
        strings: StringOracle,
        numbers: NumberOracle,
        quoting: Quoting,
        *,
        max_length: int | None = None,
        lacks_numerals: bool = False,
    ) -> None:
        """`quoting` is the way in which strings are written. `max_length` is the greatest length of strings
        that the schema does not bound, in code points (max_string; None: no bound). `lacks_numerals`: some
        numbers cannot be written (numbers="python"). For example
        `Scalars(tables, limits, strings, numbers, quoting)`."""
        self.quoting = quoting
        self.lacks_numerals = lacks_numerals or quoting.numerals_lack
        self.write_literal = quoting.write_literal
        """A function that returns the JSON literal of a decoded string."""
        self.tables = tables
        self.limits = limits
        self.strings = strings
        self.numbers = numbers
        self.can_be_written = quoting.can_write
        """A function that returns whether a text can be written as a key or a constant."""
        texts = None if len(quoting.plain) < MANY else quoting.strings
        self._texts = None if texts is None else Pattern(texts)
        """The strings that can be written. None: all strings, or the schema itself excludes the others."""
        self.is_narrow = quoting.numerals_lack or texts is not None
        """Whether some scalars other than constants cannot be written."""
        self.max_length = max_length
        self._schema_formulas: dict[tuple[int, int], Formula] = {}
        self._demands: dict[tuple[int, int], Formula] = {}
        self._satisfiable: dict[tuple[int, Formula], bool] = {}
        self._shortest: dict[tuple[int, Formula], JsonPieces | None] = {}
        self._key_matches: dict[tuple[str, str], bool] = {}
        self._contradictory: dict[Literals, bool] = {}
        self._is_text = partial(can_be_written, lone=quoting.lone)

    # Formulas of schemas. `kind` is STRING or NUMBER, or NULL for null, BOOLEAN for true, -BOOLEAN for false.

    def demand_formula(self, demand: int, kind: int) -> Formula:
        """Return the formula of a demand for one kind of scalar. For true, false and null it is TRUE or
        FALSE."""
        key = demand, kind
        formula = self._demands.get(key)
        if formula is None:
            literals = self.tables.demands[demand]
            formulas = [self.literal_formula(literal, kind) for literal in literals]
            formula = formulas[0] if len(formulas) == 1 else self.narrow_formulas(formulas, kind)
            if kind == NUMBER and self.tables.digits_alone:
                asking_literals = [literal for literal in literals if not self._only_judges(literal)]
                if len(asking_literals) < len(literals) and only_integers(formula):
                    asking_formulas = [self.literal_formula(literal, kind) for literal in asking_literals]
                    # The place asks for numbers, and a test alone makes this one an integer: 1.0 may stand
                    # here. Two negations mean the same, and are no formula of integers for the automata.
                    if not only_integers(self.narrow_formulas(asking_formulas, kind)):
                        formula = Not(Not(formula))
            if kind == STRING:
                formula = self._writable_part(formula)
                if self.max_length is not None:
                    formula = self._cap_length(formula, self.max_length)
            self._demands[key] = formula
        return formula

    def possible_types(self, demand: int) -> int:
        """Return the types, as bits, of which some value may meet a demand. It is a quick bound: a type in it
        may have no value."""
        return reduce(and_, map(self.tables.type_mask, self.tables.demands[demand]), EVERY)

    def constant_texts(self, demand: int, types: int) -> list[bytes]:
        """Return the texts of null, true and false that are of some types and meet a demand."""
        if not types & (NULL | BOOLEAN):
            return []
        return [
            text
            for kind, text in ((NULL, b"null"), (BOOLEAN, b"true"), (-BOOLEAN, b"false"))
            if types & abs(kind) and self.demand_formula(demand, kind) == TRUE
        ]

    def _only_judges(self, literal: Literal) -> bool:
        """Return whether a literal only judges values (`PlaceTables.judging_literal`)."""
        schema = literal.schema
        return schema.by_value or schema.id in self.tables.constants.sets

    def _writable_part(self, formula: Formula) -> Formula:
        """Return the formula of the strings that meet a formula and can be written."""
        if not self.quoting.missing:
            return formula
        if isinstance(formula, Words):
            words = frozenset(filter(self.can_be_written, formula.of))
            if len(words) == len(formula.of):
                return formula
            if words:
                return Words(words)
            return FALSE
        parts = conjuncts(formula)
        if self._texts is None or self._texts in parts:
            return formula
        if all(isinstance(part, Length) and part.maximum is None for part in parts):
            return formula  # a long string can always be continued by a character that can be written
        return conjunction((formula, self._texts))

    @cached_property
    def written_keys(self) -> Literal | None:
        """The literal of the keys that can be written. None: all keys, or the schema itself excludes the
        others."""
        pattern = None if len(self.quoting.plain) < MANY else self.quoting.keys
        if pattern is None:
            return None
        return self.tables.literal_of(self.tables.make_schema("", pattern=pattern))

    def key_formula(self, formula: Formula) -> Formula:
        """Return the formula of keys that no schema names, with their length bounded (max_string)."""
        if self.max_length is None or not self.is_satisfiable(formula, STRING):
            return formula
        return self._cap_length(formula, self.max_length)

    def _cap_length(self, formula: Formula, max_length: int) -> Formula:
        """Return a formula whose strings have at most `max_length` code points. It is the given one where
        only finitely many strings meet it, formats not counted. The bound is never below the shortest string,
        so that no place becomes empty."""
        if isinstance(formula, Any_):
            return disjunction([self._cap_length(part, max_length) for part in formula.of])
        parts = conjuncts(formula)
        other_parts = conjunction([part for part in parts if not isinstance(part, (Format, Length))])
        # Texts of grammars are taken to be infinitely many; of other formulas the automata know.
        if other_parts != TRUE and not speaks_of_texts(other_parts):
            classes = self.strings.classes((other_parts,))
            if not any(is_infinite for true_formulas, is_infinite in classes.items() if true_formulas):
                return formula
        if any(isinstance(part, Length) and part.maximum is not None for part in parts):
            return formula
        shortest = self.shortest_text(formula, STRING)
        if shortest is None:
            return FALSE
        need = len(json.loads(shortest.to_bytes()))
        return conjunction((formula, Length(0, max(max_length, need))))

    def literal_formula(self, literal: Literal, kind: int) -> Formula:
        """Return the formula of a literal."""
        formula = self._schema_formulas.get((literal.schema.id, kind))
        if formula is None:
            root = literal.schema
            schemas: Iterable[Schema] = (root,)
            if root.has_combinators:
                # Operands first, without recursion: schemas nest deeper than Python's stack.
                schemas = self.tables.operands_first(
                    root, lambda schema: (schema.id, kind) in self._schema_formulas
                )
            for schema in schemas:
                if schema.has_combinators and schema.known_verdict is None:
                    formula = self._combined_formula(schema, kind)
                else:
                    formula = self._keyword_formula(schema, kind)
                self._schema_formulas[schema.id, kind] = formula
            assert formula is not None
        return negation(formula) if literal.is_negated else formula

    def _combined_formula(self, schema: Schema, kind: int) -> Formula:
        """Return the formula of a schema with combinators; `_schema_formulas` has those of its operands."""

        def operand_formula(part: Schema | None) -> Formula:
            if part is None:
                return TRUE
            return self._schema_formulas[self.tables.resolve_schema(part).id, kind]

        parts = [self._keyword_formula(schema, kind)]
        if schema.ref is not None:
            parts.append(operand_formula(schema.ref))
        parts.extend(map(operand_formula, schema.all_of))
        if schema.any_of:
            parts.append(disjunction(map(operand_formula, schema.any_of)))
        if schema.one_of:
            branches = [operand_formula(part) for part in schema.one_of]
            parts.append(self._exactly_one(branches, kind, schema))
        if schema.not_ is not None:
            parts.append(negation(operand_formula(schema.not_)))
        if schema.if_ is not None and is_conditional(schema):
            test = operand_formula(schema.if_)
            then = self.narrow_formulas((test, operand_formula(schema.then)), kind)
            otherwise = self.narrow_formulas((negation(test), operand_formula(schema.else_)), kind)
            parts.append(disjunction((then, otherwise)))
        return self.narrow_formulas(parts, kind)

    def _keyword_formula(self, schema: Schema, kind: int) -> Formula:
        """Return the formula of a schema's own keywords."""
        if schema.known_verdict is not None:
            return TRUE if schema.known_verdict else FALSE
        if not schema.kinds & abs(kind):
            return FALSE
        if kind == STRING:
            return self._plain_string(schema)
        if kind == NUMBER:
            return self._plain_number(schema)
        if schema.values is None:
            return TRUE
        # NULL is null; BOOLEAN is true, and -BOOLEAN is false.
        value = None if kind == NULL else kind == BOOLEAN
        if ("literal", value) in schema.values:
            return TRUE
        return FALSE

    def _plain_string(self, schema: Schema) -> Formula:
        parts: list[Formula] = []
        if schema.pattern is not None:
            parts.append(Pattern(schema.pattern))
        if schema.grammar is not None:
            formula = schema.grammar.strings
            parts.append(formula)
            if self.quoting.lone and not isinstance(formula, Texts):
                parts.append(_OF_CHARACTERS)
        if schema.format is not None:
            parts.append(Format(schema.format))
        if schema.min_length or schema.max_length is not None:
            parts.append(Length(schema.min_length, schema.max_length))
        if schema.enum is None:
            return conjunction(parts)
        words = frozenset(value for value in schema.enum if isinstance(value, str))
        # Words that no JSON text can be, for their lone surrogates, are no values.
        words = words.difference([word for word in words if not self._is_text(word)])
        if not words:
            return FALSE
        parts.append(Words(words, schema.id in self.tables.constants.sets))
        if len(parts) > 1:
            return self.narrow_formulas(parts, STRING)
        return parts[0]

    def _plain_number(self, schema: Schema) -> Formula:
        parts: list[Formula] = []
        if integers_alone(schema):
            parts.append(_INTEGERS)
            if schema.plain_integers:
                parts.append(PlainInteger())
        if schema.multiple_of is not None:
            parts.append(Multiple(schema.multiple_of))
        if schema.minimum is not None or schema.maximum is not None:
            parts.append(interval(schema.minimum, schema.maximum))
        low = schema.exclusive_minimum
        high = schema.exclusive_maximum
        if low is not None or high is not None:
            parts.append(interval(low, high, True, True))
        if schema.enum is not None:
            numbers = numbers_of(schema.enum)
            if not numbers:
                return FALSE
            parts.append(points(numbers))
        return self.narrow_formulas(parts, NUMBER)

    def _exactly_one(self, formulas: list[Formula], kind: int, schema: Schema) -> Formula:
        """Return the formula of values that meet exactly one of some formulas (`oneOf` of `schema`)."""
        possible = [formula for formula in formulas if formula != FALSE]
        max_pairs = 25 * self.limits.alternatives
        # Branches that exclude each other need no negation. Spans leave few pairs to be compared.
        pairs = neighbour_pairs([spans_of(formula, kind) for formula in possible])
        overlaps = overlapping_pairs(
            pairs, lambda a, b: are_disjoint(possible[a], possible[b]), max_pairs, max_pairs
        )
        if overlaps is None:
            raise LimitError(
                f"oneOf has {len(possible)} branches; comparing every pair exceeds the limit.",
                limit="alternatives",
                where=schema.pointer,
            )

        def make_case(branch: int, excluded_branches: list[int]) -> Formula:
            negations = [negation(possible[number]) for number in excluded_branches]
            return self.narrow_formulas((possible[branch], *negations), kind)

        return disjunction(make_case(*case) for case in branch_exclusions(range(len(possible)), overlaps))

    def narrow_formulas(self, formulas: Iterable[Formula], kind: int) -> Formula:
        """Return the intersection of formulas. A finite set among them is filtered through the others."""
        formula = conjunction(formulas)
        if not isinstance(formula, All):
            return formula
        if kind == NUMBER:
            # A conjunction has at most one part of ranges, since `conjunction` intersects them.
            range_parts = (part for part in formula.of if isinstance(part, Ranges))
            numbers = next((part.finite_numbers() for part in range_parts), None)
            if numbers is None:
                return formula
            of_values = All(tuple(filter(is_of_values, formula.of)))
            matching = points([value for value in numbers if number_meets(of_values, Decimal(value))])
            # How a number is written cannot be judged by its value: such parts stay.
            of_writing = [part for part in formula.of if not is_of_values(part)]
            return conjunction((matching, *of_writing))
        for part in formula.of:
            if isinstance(part, Words):
                rest_parts = [other for other in formula.of if other is not part]
                # Patterns and formats ask the automata about each word, which costs too much for many words.
                if len(part.of) > LISTED and not all(map(is_local, rest_parts)):
                    return formula
                words = part.of
                # Sets of words are subtracted whole; only the other parts look at each word.
                for rest_part in list(rest_parts):
                    if isinstance(rest_part, Not) and isinstance(rest_part.of, Words):
                        words -= rest_part.of.of
                        rest_parts.remove(rest_part)
                if rest_parts:
                    words = frozenset(
                        word for word in words if all(self.string_meets(other, word) for other in rest_parts)
                    )
                return Words(words) if words else FALSE
        return formula

    # Questions

    def string_meets(self, formula: Formula, text: str) -> bool:
        """Return whether a string meets a formula; only patterns and formats ask the automata."""

        def meets_atom(atom: Formula) -> bool:
            match atom:
                case Words(of):
                    return text in of
                case Length(min_length, max_length):
                    return min_length <= len(text) and (max_length is None or len(text) <= max_length)
                case Pattern(source):
                    return self.pattern_matches(source, text)
            return self.strings.matches(atom, text)

        return evaluate_formula(formula, meets_atom)

    def pattern_matches(self, source: str, text: str) -> bool:
        """Return whether an ECMA-262 pattern matches somewhere in a string."""
        matches = self._key_matches.get((source, text))
        if matches is None:
            matches = self._key_matches[source, text] = self.strings.matches(Pattern(source), text)
        return matches

    def are_contradictory(self, literals: Sequence[Literal]) -> bool:
        """Return whether no value meets all literals, for a reason that needs no automaton: types that
        exclude each other, finite sets, ranges, lengths, prefixes of patterns. False: unknown. Answers are
        remembered."""
        literals = tuple(literals)
        answer = self._contradictory.get(literals)
        if answer is None:
            answer = self.tables.has_clash(literals)
            # Objects and arrays are assumed to exist, so that scalars matter only without them.
            if not answer and not reduce(and_, map(self.tables.type_mask, literals), OBJECT | ARRAY):
                values = self.value_set(literals)
                answer = values.is_empty(lambda formula, kind: not is_empty(formula))
            self._contradictory[literals] = answer
        return answer

    def value_set(self, literals: Sequence[Literal]) -> ValueSet:
        """Return the values that meet literals."""
        everything = dict.fromkeys((NULL, BOOLEAN, -BOOLEAN, NUMBER, STRING), TRUE)
        return self.narrow_values(ValueSet(everything, OBJECT | ARRAY, ()), literals)

    def narrow_values(self, values: ValueSet, literals: Sequence[Literal]) -> ValueSet:
        """Return the part of a set whose values also meet some literals."""
        if not literals:
            return values
        types = reduce(and_, map(self.tables.type_mask, literals), EVERY)
        scalars: dict[int, Formula] = {}
        for kind, formula in values.scalars.items():
            narrowed: Formula = FALSE
            if types & abs(kind) and formula != FALSE:
                formulas = [self.literal_formula(literal, kind) for literal in literals]
                narrowed = self.narrow_formulas((formula, *formulas), abs(kind))
            scalars[kind] = narrowed
        all_literals = (*values.literals, *literals)
        containers = values.containers & types
        if containers and self.tables.has_clash(all_literals):
            containers = 0
        return ValueSet(scalars, containers, all_literals)

    def surely_meets(self, known_literals: Sequence[Literal], literal: Literal) -> bool:
        """Return whether every value that meets some literals meets one more, for a cheap reason."""
        if literal in known_literals:
            return True
        # The literal follows if its negation contradicts the known ones.
        return self.are_contradictory((*known_literals, self.tables.negate_literal(literal)))

    def is_satisfiable(self, formula: Formula, kind: int) -> bool:
        """Return whether some value of the kind meets a formula."""
        if formula == TRUE:
            return True
        if formula == FALSE:
            return False
        if kind == STRING:
            formula = self._writable_part(formula)
        key = kind, formula
        known_answer = self._satisfiable.get(key)
        if known_answer is not None:
            return known_answer
        # The cheap answers first; the automata are asked where none of these decides.
        answer: bool | None = None
        if kind == STRING:
            answer = quick_string(formula)
        elif not self.lacks_numerals:
            answer = quick_number(formula)
        if answer is None and is_empty(formula):
            answer = False
        if answer is None and kind == STRING:
            answer = self.strings.exists(formula)
        if answer is None:
            answer = self.shortest_text(formula, kind) is not None
        self._satisfiable[key] = answer
        return answer

    def shortest_text(self, formula: Formula, kind: int) -> JsonPieces | None:
        """Return the shortest JSON text of a value that meets a formula, or None."""
        if kind == STRING:
            formula = self._writable_part(formula)
        if formula == FALSE:
            return None
        if formula == TRUE and (kind == STRING or not self.quoting.numerals_lack):
            return _FREE_STRING if kind == STRING else _ZERO
        key = kind, formula
        if key in self._shortest:
            return self._shortest[key]
        text: JsonPieces | None
        if kind == NUMBER:
            is_zero = not self.quoting.numerals_lack and number_meets(formula, Decimal(0))
            text = _ZERO if is_zero else _first_text(self.numbers.shortest(Spec((formula,))))
        elif isinstance(formula, Words):
            text = JsonPieces((shortest_word(formula.of, self.write_literal),))
        else:
            text = _first_text(self.strings.shortest(Spec((formula,))))
        self._shortest[key] = text
        return text


def _first_text(answer: Demands) -> JsonPieces | None:
    if 0 in answer:
        return JsonPieces((answer[0],))
    return None


def shortest_word(words: frozenset[str], write_literal: Callable[[str], bytes]) -> bytes:
    """Return the shortest JSON literal of some words; of several the smallest. Few words are written at
    all."""
    best: bytes | None = None
    for word in sorted(words, key=len):
        # A literal has at least the word's length and two quotes: longer words cannot be shorter texts.
        if best is not None and len(word) + 2 > len(best):
            break
        text = write_literal(word)
        if best is None or (len(text), text) < (len(best), best):
            best = text
    assert best is not None
    return best


_OF_CHARACTERS = Pattern(r"^[^\u{d800}-\u{dfff}]*$")
"""Strings without surrogates that stand alone: the texts of grammars have none."""
_INTEGERS = Multiple(Decimal(1))
_FREE_STRING = JsonPieces((b'""',))
_ZERO = JsonPieces((b"0",))
