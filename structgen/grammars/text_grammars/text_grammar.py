"""Defines grammars of texts and their operators: `+`, `|`, `&`, `-`, `~` and repetition.

A *grammar* is a set of texts, such as `sg.regex("[0-9]+") + ";"`. A *regular* grammar is one that an
automaton can read; it is stored as a *formula* over patterns and words. A *language* is what reads a
grammar's texts byte by byte (`machine.language`).

`TextGrammar` is the base class of every grammar that is not a JSON Schema. Its operators simplify where they
can: patterns without assertions become one pattern, and intersections and complements of regular grammars
become one formula. Everything else becomes a `ComposedGrammar`, which keeps the operation and its parts.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, Union, cast

from structgen.automata.regex import ecma_syntax
from structgen.automata.regex.ecma_text import ecma_text, portable_text
from structgen.automata.regex.syntax_tree import Concatenation, Node
from structgen.automata.strings.banned_patterns import pattern_of
from structgen.base.errors import (
    GrammarError,
    OptionError,
    RegexError,
    StructgenError,
    UnsatisfiableSchema,
    prefix_place,
)
from structgen.base.language import checks
from structgen.base.language.ir import TRUE, All, Any_, Formula, Not, Pattern, Words
from structgen.base.language.remarks import NO_REMARKS, Remarks
from structgen.base.limits import DEFAULT, Limits
from structgen.base.system.garbage import pause_collection
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine.language import LanguageGrammar
from structgen.grammars.text_grammars.regular_formulas import (
    ANY,
    any_of,
    asserted_at_ends,
    body_of,
    containing_words,
    has_assertion,
    only_writable,
    show_words,
    spell_formula,
    wrap_pattern,
    written_out,
)
from structgen.machines.core.grammar import Grammar

if TYPE_CHECKING:
    from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
    from structgen.grammars.text_grammars.context_free.rules import Rule
    from structgen.grammars.text_grammars.machine.language import CompileTarget, Language
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.store.mask_store import StoreOption
    from structgen.tokens.tokenizer import Tokenizer

Operand: TypeAlias = Union[Grammar, str]
"""An operand of the operators: a text grammar, a JSON Schema grammar, or a text that stands for itself."""
_quote: Final = json.JSONEncoder(ensure_ascii=False).encode
MOST_LETTERS: Final = DEFAULT.automaton_states // 8
"""The most characters of patterns that are joined into one, since an automaton may have a state for each."""
_MANY: Final = 4
"""If there are more alternatives than this, their schemas are compiled only when a text comes near them."""


# --- the operators ---


def as_text(operand: Operand) -> TextGrammar:
    """Return the grammar of an operand. Raises `OptionError` where it is not one."""
    if isinstance(operand, TextGrammar):
        return operand
    if isinstance(operand, str):
        return RegularGrammar.of_texts((operand,))
    if isinstance(operand, Grammar):
        # start-up time: grammars without JSON parts load no JSON machine
        from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar

        part = operand.bare()
        if isinstance(part, JsonSchemaGrammar):
            return JsonTexts(part)
        if isinstance(part, TextGrammar):
            return part
    raise OptionError(
        f"{type(operand).__name__} is not a part of a grammar.",
        where="grammar",
        cure="Use a grammar, or a text that stands for itself.",
    )


def sequence(*parts: Operand) -> TextGrammar:
    """Return the grammar of a text of each part, one after another. Without parts it has the empty text."""
    merged_parts: list[TextGrammar] = []
    for part in _flatten_operands(Operation.SEQUENCE, parts):
        last = merged_parts[-1] if merged_parts else None
        joined = None
        # neighbours that are regular become one pattern, so that one automaton reads them
        if isinstance(last, RegularGrammar) and isinstance(part, RegularGrammar):
            description = last.description
            if part.description != description:
                description = f"{description} and then {part.description}"
            joined = RegularGrammar.join_grammars((last, part), description, one_of=False)
        if joined is None:
            merged_parts.append(part)
        else:
            merged_parts[-1] = joined
    if not merged_parts:
        return RegularGrammar.of_texts(("",))
    if len(merged_parts) == 1:
        return merged_parts[0]
    return ComposedGrammar(Operation.SEQUENCE, tuple(merged_parts))


def either(*parts: Operand) -> TextGrammar:
    """Return the grammar of the texts of any of the parts. Raises `OptionError` where there is no part."""
    flat = _flatten_operands(Operation.EITHER, parts)
    if len(flat) > 1:
        # equal alternatives are kept once; equal grammars have equal spellings
        flat = list({part.spelling: part for part in flat}.values())
    if not flat:
        raise OptionError(
            "The list of alternatives is empty.", where="sg.either", cure="Pass at least one grammar."
        )
    if len(flat) == 1:
        return flat[0]
    if all(isinstance(part, RegularGrammar) for part in flat):
        regular = cast("list[RegularGrammar]", flat)
        description = " or ".join(part.description for part in regular[:4])
        if len(flat) > 4:
            description += " or ..."
        whole = RegularGrammar.join_grammars(regular, description, one_of=True)
        if whole is not None:
            return whole
        # one of them is no pattern, but a formula still makes one automaton of all
        if sum(part.letters for part in regular) <= MOST_LETTERS:
            formula = Any_(tuple(part.formula for part in regular))
            return RegularGrammar(formula, description, limits=_limits_of(flat))
    return ComposedGrammar(Operation.EITHER, tuple(flat))


def repeat_grammar(of: Operand, minimum: int, maximum: int | None) -> TextGrammar:
    """Return the grammar of `minimum` to `maximum` texts of a grammar, one after another (None: no bound)."""
    minimum = checks.check_whole("least", minimum, 0)
    maximum = None if maximum is None else checks.check_whole("most", maximum, minimum)
    grammar = as_text(of)
    if maximum == 0:
        return RegularGrammar.of_texts(("",))
    if (minimum, maximum) == (1, 1):
        return grammar
    if isinstance(grammar, RegularGrammar) and (body := grammar.body) is not None:
        if maximum is None:
            count = f"{{{minimum},}}"
            description = f"{grammar.description}, {minimum} times or more"
        else:
            count = f"{{{minimum},{maximum}}}"
            description = f"{grammar.description}, repeated"
        whole = RegularGrammar.of_body(f"(?:{body}){count}", description, grammar.limits)
        if whole is not None:
            return whole
    return ComposedGrammar(Operation.REPEAT, (grammar,), minimum, maximum)


def in_any_order(
    required: Iterable[Operand], others: Iterable[Operand], separator: Operand = ""
) -> TextGrammar:
    """Return the grammar of parts in any order, each at most once, with a text of `separator` between two.

    Each part of `required` must come; the parts of `others` may be absent. No part may have the empty text,
    or begin inside a part with masks of its own. Cost: a state for each set of parts that were read.
    """
    first = [as_text(part) for part in required]
    parts = (*first, *map(as_text, others), as_text(separator))
    if len(parts) == 1:  # the separator alone: the empty text
        return sequence()
    return ComposedGrammar(Operation.ANY_ORDER, parts, len(first))


def intersect_grammars(first: Operand, second: Operand, *, complement: bool = False) -> TextGrammar:
    """Return the grammar of the texts that both grammars have. With `complement` it has the texts of the
    first that the second does not have.

    One of the two must be regular; with `complement` the second must be. Regular are `sg.regex`,
    `sg.literal`, `sg.choice`, and what `&`, `|`, `-` and `~` make of these. Raises `OptionError`.
    """
    grammar, regular = as_text(first), as_text(second)
    if not complement:  # the order of the operands of `&` is free
        if isinstance(grammar, TextFilter):
            grammar, regular = regular, grammar
        if isinstance(regular, TextFilter):
            return ComposedGrammar(Operation.MEET, (grammar, regular))
        if not isinstance(regular, RegularGrammar):
            grammar, regular = regular, grammar
    if not isinstance(regular, RegularGrammar):
        raise OptionError(
            "& needs a regular grammar on one side, and - on the right.",
            where="grammar",
            cure="Intersect with a regular expression.",
        )
    formula, description = regular.formula, regular.description
    if complement:
        formula, description = Not(formula), f"no {description}"
    if isinstance(grammar, RegularGrammar) and max(grammar.letters, regular.letters) <= MOST_LETTERS:
        both = All((grammar.formula, formula))
        return RegularGrammar(both, f"{grammar.description} and {description}", limits=grammar.limits)
    return ComposedGrammar(Operation.MEET, (grammar,), formula=formula)


def ban_texts(of: Operand, texts: tuple[str, ...]) -> TextGrammar:
    """Return the grammar of the texts of a grammar that contain none of `texts`. No text of `texts` contains
    another one."""
    grammar = as_text(of)
    formula = Not(Pattern(pattern_of(texts)))
    if isinstance(grammar, RegularGrammar) and grammar.letters <= MOST_LETTERS:
        description = f"{grammar.description} without banned texts"
        return RegularGrammar(All((grammar.formula, formula)), description, limits=grammar.limits)
    return ComposedGrammar(Operation.BAN, (grammar,), formula=formula)


def complement_of(of: TextGrammar) -> TextGrammar:
    """Return the grammar of all texts that a regular grammar does not have. Raises `OptionError`."""
    if not isinstance(of, RegularGrammar):
        raise OptionError(
            "The complement of a grammar that is not regular is not supported.",
            where="~",
            cure="Use it on a regular expression.",
        )
    return RegularGrammar(Not(of.formula), f"no {of.description}", limits=of.limits)


class TextGrammar(LanguageGrammar):
    """A grammar of texts that need not be JSON."""

    __slots__ = ()

    schema = policies = outline = reader = None
    is_greedy = False
    has_masks: ClassVar[bool] = False
    """Whether its language, compiled for a target, has masks of its own (`masked_language.MaskedPlaces`)."""

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer."""
        # start-up time: a grammar that is only parsed or explained needs no machine
        from structgen.grammars.text_grammars.machine.compiled_text import CompiledText

        with THIS_CALL.begin_call(self.limits if limits is None else limits), pause_collection():
            return CompiledText(self, tokenizer, limits, store)

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        """Return the grammar of those texts of this one that contain none of the bytes `missing`. Where no
        text is left, its `language` raises."""
        return ComposedGrammar(Operation.MEET, (self,), formula=only_writable(missing))

    @property
    def texts_named(self) -> str:
        return f"a text of {self.source}"

    def narrowed(self, formula: Formula) -> TextGrammar:
        return ComposedGrammar(Operation.MEET, (self,), formula=formula)

    @property
    def source(self) -> str:
        """The kind of source, for messages: `a Lark grammar`."""
        return "a grammar"

    # With another operand on the left, `Grammar` takes that one's texts first. These are methods, not
    # names of the functions: pyright reads such a name as the method of `Grammar`, which returns a `Grammar`.

    def __add__(self, other: Operand) -> TextGrammar:
        return sequence(self, other)

    def __or__(self, other: Operand) -> TextGrammar:
        return either(self, other)

    def __and__(self, other: Operand) -> TextGrammar:
        return intersect_grammars(self, other)

    def __invert__(self) -> TextGrammar:
        return complement_of(self)

    def repeat(self, least: int = 0, most: int | None = None) -> TextGrammar:
        """Return the grammar of `least` to `most` texts of this one, one after another (None: no bound)."""
        return repeat_grammar(self, least, most)

    def __sub__(self, other: Operand) -> TextGrammar:
        """Return the grammar of the texts of this grammar that another, regular grammar does not have."""
        return intersect_grammars(self, other, complement=True)

    def optional(self) -> TextGrammar:
        """Return the grammar of the texts of this one, and the empty text."""
        return self.repeat(0, 1)


class RegularGrammar(TextGrammar):
    """A formula over patterns and words as a grammar."""

    __slots__ = ("_body", "_letters", "_part", "description", "formula", "limits")
    limits: Limits
    source = "a regular expression"

    def __init__(
        self,
        formula: Formula,
        description: str,
        *,
        limits: Limits | None = None,
        pattern_size: tuple[str, int] | None = None,
    ) -> None:
        """`formula`: the texts. `description`: the name of such a text in messages. `pattern_size`: the
        result of `body_of` for the formula, if the caller knows it; None: the pattern is read here."""
        self.formula = formula
        self.description = description
        self.limits = checks.check_limits(limits)
        self._body, self._letters = pattern_size or body_of(formula)
        self._part: str | None = None

    @property
    def body(self) -> str | None:
        """A pattern of the same texts that may stand inside another pattern; None: there is none."""
        if isinstance(self.formula, Words):
            return any_of(self.formula.of) if self.letters <= MOST_LETTERS else None
        return self._body

    @property
    def letters(self) -> int:
        """The number of characters of its words, or of its pattern once its counts are written out. Its
        automaton may have as many states."""
        if isinstance(self.formula, Words):
            return sum(map(len, self.formula.of))
        return self._letters

    @property
    def part(self) -> str | None:
        """The body as a part of a concatenation, in brackets if needed; None: there is no body."""
        body = self.body
        return self._part or (None if body is None else wrap_pattern(body))

    @classmethod
    def of_texts(cls, texts: Iterable[str], limits: Limits | None = None) -> RegularGrammar:
        """Return the grammar of some texts. Raises `OptionError` where there is none, or one cannot be
        written in UTF-8."""
        # a string is one text here, not a list of its characters
        words = [texts] if isinstance(texts, str) else list(texts)
        for word in words:
            checks.check_encodable("texts", word)
        if not words:
            raise OptionError("choice() needs at least one text.", where="texts", cure="Pass one.")
        chosen = frozenset(words)
        # nsmallest, so that a large vocabulary of words is not sorted for four of them
        shown_words = [_quote(checks.shorten_text(word)) for word in nsmallest(4, chosen)]
        if len(chosen) > 4:
            shown_words.append("...")
        return cls(Words(chosen), ", ".join(shown_words), limits=limits)

    @classmethod
    def of_body(cls, body: str, description: str, limits: Limits) -> RegularGrammar | None:
        """Return the grammar of a pattern without assertions; None where its groups nest too deep."""
        source = f"^(?:{body})$"
        try:
            ecma_syntax.parse_ecma(source)
        except RegexError:
            return None  # the caller then composes the parts, each with its own pattern
        return cls(Pattern(source), description, limits=limits)

    @classmethod
    def join_grammars(
        cls,
        parts: Sequence[RegularGrammar],
        description: str,
        *,
        one_of: bool,
    ) -> RegularGrammar | None:
        """Return one pattern for several grammars, as a grammar. The pattern is not read again.

        `one_of`: a text of any of `parts`; otherwise a text of each part, one after another. The result is
        None where a part is not a pattern, all parts together have too many characters, or two groups have
        the same name.
        """
        letters = sum(part.letters for part in parts)
        if letters > MOST_LETTERS:
            return None
        bodies = [part.body if one_of else part.part for part in parts]
        if None in bodies:
            return None
        body = ("|" if one_of else "").join(cast("list[str]", bodies))
        limits = _limits_of(parts)
        if "(?<" in body:  # groups with names: reading the whole tells whether two have the same one
            return cls.of_body(body, description, limits)
        whole = cls(Pattern(f"^(?:{body})$"), description, limits=limits, pattern_size=(body, letters))
        if not one_of:  # a concatenation needs no brackets inside a longer one
            whole._part = body
        return whole

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        formula: Formula
        if isinstance(self.formula, Words):
            writable_words = (word for word in self.formula.of if missing.isdisjoint(word.encode()))
            formula = Words(frozenset(writable_words))
            return RegularGrammar(formula, self.description, limits=self.limits)
        grammar_of_parts = self.as_parts()
        if grammar_of_parts is not self:
            return grammar_of_parts.without_bytes(missing)
        formula = All((self.formula, only_writable(missing)))
        return RegularGrammar(formula, self.description, limits=self.limits)

    def as_parts(self) -> TextGrammar:
        """Return the grammar as rules if the counts of its pattern need more states than an automaton may
        have (`pattern_as_rules`). Otherwise return the grammar itself."""
        source = self.formula.source if isinstance(self.formula, Pattern) else ""
        # a pattern without a count has as many states as characters: it need not be read
        if "{" not in source or not source.startswith("^(?:") or len(source) > MOST_LETTERS:
            return self
        return pattern_as_rules(ecma_syntax.parse_ecma(source), self.limits) or self

    @property
    def canonical(self) -> str:
        return f"regular {spell_formula(self.formula)}"

    @property
    def written(self) -> dict[str, Any] | None:
        # start-up: most grammars are in no schema
        from structgen.schema.meaning.formulas import LISTED

        is_long = isinstance(self.formula, Words) and self.letters > LISTED  # words are read at less cost
        if self.body is None or is_long:
            return None
        pattern = portable_text(ecma_syntax.parse_ecma(f"(?:{self.body})"))
        keyword_value = {"syntax": "regex", "definition": pattern}
        try:
            # start-up: few grammars stand in a schema
            from structgen.schema.reading.string_grammars import grammar_of

            grammar_of(keyword_value, "", self.limits, None)
        except StructgenError:  # what one dialect has, and Python's lacks
            return None
        return keyword_value

    @property
    def strings(self) -> Formula:
        if self.letters > MOST_LETTERS:
            return super().strings
        # words of a formula are constants, which a policy may write in another way than strings
        return Pattern(f"^(?:{self.body})$") if isinstance(self.formula, Words) else self.formula

    def narrowed(self, formula: Formula) -> TextGrammar:
        if self.letters > MOST_LETTERS:
            return super().narrowed(formula)
        both = All((self.formula, formula))
        return RegularGrammar(both, self.description, limits=self.limits)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        # start-up time
        from structgen.grammars.text_grammars.regular_language import RegularLanguage, WordsLanguage

        if isinstance(self.formula, Words):
            return WordsLanguage((word.encode() for word in self.formula.of), self.description)
        grammar_of_parts = self.as_parts()
        if grammar_of_parts is not self:
            return grammar_of_parts.language(limits, target)
        return RegularLanguage(self.formula, self.description, limits)


class DerivedGrammar(TextGrammar):
    """A grammar that is made of one other grammar, whose limits and source it has."""

    __slots__ = ()
    of: Grammar
    """The other grammar."""

    @property
    def limits(self) -> Limits:
        return self.of.limits

    @property
    def source(self) -> str:
        return cast(TextGrammar, self.of).source


class TextFilter(TextGrammar):
    """A grammar that `&` may join with any other, as if it were regular. Its language has finitely many
    configurations. No other operator treats it as regular."""

    @abstractmethod
    def refusal_error(self, text: str) -> GrammarError:
        """Return the error for a grammar that has no text in common with the filter. `text`: one of the texts
        of that grammar."""


@dataclass(eq=False, repr=False, slots=True)
class TextBefore(TextGrammar):
    """Any text that contains none of some words, or that ends with the first of them. With the word `END`,
    both `a b` and `a END` are such texts."""

    words: tuple[str, ...]
    avoided_texts: tuple[str, ...]
    """Texts that no text of the grammar contains."""
    missing: frozenset[int] = frozenset()
    """The bytes that no text of the grammar contains."""
    limits = DEFAULT
    source = "free text"

    @property
    def canonical(self) -> str:
        return f"text before {json.dumps((self.words, self.avoided_texts, sorted(self.missing)))}"

    def without_bytes(self, missing: frozenset[int]) -> TextBefore:
        return TextBefore(self.words, self.avoided_texts, self.missing | missing)

    def check_words(self, place: str = "") -> None:
        """Raise `OptionError` if a word contains another word, or an avoided text. `place`: the place of the
        words in the user's input, for the error."""
        texts = (*self.words, *self.avoided_texts)
        for word in self.words:
            contained = next((inner for inner in texts if inner != word and inner in word), None)
            if contained is not None or word in self.avoided_texts:
                raise OptionError(
                    f"{word!r} contains {contained or word!r}, which is found first.",
                    where=place,
                    cure="Use texts that do not contain one another.",
                )

    @property
    def word_formulas(self) -> list[Formula]:
        """The formula of the texts without any word, then for each word that of the texts up to it."""
        stops = (*self.words, *self.avoided_texts)
        free = Not(containing_words(stops)) if stops else TRUE
        # nothing follows a word, so the first word ends the text
        ends_at_first_word = Not(Pattern(rf"^{ANY}(?:{any_of(self.words)})[\s\S]+$"))
        conditions: list[Formula] = [ends_at_first_word]
        if self.avoided_texts:
            conditions.append(Not(containing_words(self.avoided_texts)))
        ends = (Pattern(f"^{ANY}(?:{any_of((word,))})$") for word in self.words)
        return [free, *(All((end, *conditions)) for end in ends)]

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        # start-up time
        from structgen.grammars.text_grammars.interrupted_text import TextBeforeLanguage

        formulas = self.word_formulas
        if self.missing:
            formulas = [All((formula, only_writable(self.missing))) for formula in formulas]
        description = f"any text without {show_words((*self.words, *self.avoided_texts))}"
        return TextBeforeLanguage(formulas, description, f"any text up to {show_words(self.words)}", limits)


@dataclass(eq=False, repr=False, slots=True)
class JsonTexts(DerivedGrammar):
    """The JSON texts of a schema grammar, as a part of other grammars."""

    of: JsonSchemaGrammar
    whole: JsonSchemaGrammar | None = None
    """The grammar with all texts, if `of` lacks the texts with some missing bytes; else None."""
    place: str = ""
    """The place of the schema in the user's input, such as the tool it belongs to, for errors."""
    source = "a JSON Schema"
    has_masks = True

    @property
    def canonical(self) -> str:
        return f"json {self.of.canonical}"

    @property
    def spelling(self) -> str:
        return f"json {self.of.spelling}"

    def compiled_part(
        self,
        tokenizer: Tokenizer,
        limits: Limits | None,
        store: StoreOption,
    ) -> CompiledGrammar:
        """Return the schema's own machine."""
        with prefix_place(self.place or None):
            try:
                return self.of.compiled(tokenizer, limits, store)
            except UnsatisfiableSchema:
                self._ask_grammars()
                raise

    def _ask_grammars(self) -> None:
        """Raise the error of a grammar inside the schema that has no text. Without this, only the schema's
        own error would be shown."""
        # start-up time: few schemas have no document
        from structgen.tokens.tokenizer import byte_tokenizer

        for part in self.of.grammars:
            # with a tokenizer of bytes the vocabulary is never the reason; nothing goes into a store
            part.compiled(byte_tokenizer(), self.limits, False)

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        return JsonTexts(self.of.without_bytes(missing), self.whole or self.of, self.place)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        # start-up time: the machine for JSON texts
        from structgen.grammars.text_grammars.schema_language import schema_language

        try:
            return schema_language(self.of, limits, target)
        except StructgenError as error:
            if isinstance(error, UnsatisfiableSchema):
                self._ask_grammars()
            if isinstance(error, UnsatisfiableSchema) and self.whole is not None:
                # a part that cannot be written; a schema that nothing satisfies is a fault of its own
                JsonTexts(self.whole, place=self.place).language(limits)
                raise GrammarError(error.what, where=error.where, cure=error.cure) from error
            if self.place:
                error.name_owner(self.place)
            raise


class Operation(Enum):
    """The operation that a composed grammar applies to its parts."""

    SEQUENCE = "sequence"
    EITHER = "either"
    REPEAT = "repeat"
    ANY_ORDER = "any order"
    """A text of each part, in any order. The last part is the separator. Of the others the first `minimum`
    are required."""
    MEET = "meet"
    BAN = "ban"
    """The texts in which each run of bytes between special tokens fulfils the formula."""
    INTERRUPT = "interrupt"
    """Free text with certain words, each followed by a text of its own part. The first part is the free text
    (`TextBefore`)."""


@dataclass(eq=False, repr=False, slots=True)
class ComposedGrammar(TextGrammar):
    """A grammar made of others. Made by the operators, `sequence` and `either`."""

    operation: Operation
    parts: tuple[TextGrammar, ...]
    minimum: int = 0
    maximum: int | None = None
    formula: Formula | None = None
    repeats: Callable[[str], str] | None = field(default=None, compare=False, repr=False)
    """A function of the text so far. It describes the part that the text repeats, so that an engine may end
    the text there; "": nothing is repeated."""
    source = "a composed grammar"

    @property
    def texts_named(self) -> str:
        if self.formula is None:
            return f"a text of {self.source}"
        return self.parts[0].texts_named  # for people, a grammar that is narrowed stays the same grammar

    @property
    def canonical(self) -> str:
        return self._spell_parts([part.canonical for part in self.parts])

    @property
    def spelling(self) -> str:
        return self._spell_parts([part.spelling for part in self.parts])

    def _spell_parts(self, parts: list[str]) -> str:
        arguments = ",".join(parts)
        # the other operations have no counts
        if self.operation in (Operation.REPEAT, Operation.ANY_ORDER, Operation.INTERRUPT):
            arguments += f",{self.minimum},{self.maximum}"
        if self.formula is not None:
            arguments += "," + RegularGrammar(self.formula, "").canonical
        return f"{self.operation.value}({arguments})"

    @property
    def limits(self) -> Limits:
        return _limits_of(self.parts)

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        parts: list[TextGrammar] = []
        for part in self.parts:
            # a filter reads only bytes that the filtered grammar has
            is_filter = isinstance(part, TextFilter)
            parts.append(part if is_filter else part.without_bytes(missing))
        return ComposedGrammar(self.operation, tuple(parts), self.minimum, self.maximum, self.formula)

    @property
    def _is_narrowed(self) -> bool:
        """Whether a regular expression narrows a grammar with masks of its own."""
        has_formula = self.operation is Operation.MEET and self.formula is not None
        return has_formula and self.parts[0].has_masks

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        if target is None or not self._is_narrowed:
            return PartLanguages(limits, target).language_of(self, is_last=True)
        # The part has masks of its own: the regular expression filters them, instead of a byte-wise product.
        # start-up time
        from structgen.grammars.text_grammars.filtered_language import FilteredMeet
        from structgen.grammars.text_grammars.regular_language import RegularLanguage

        assert self.formula is not None
        inner = self.parts[0].compiled_part(target.tokenizer, limits, target.store)
        by = RegularLanguage(self.formula, "a text that the regular expression takes", limits)
        return FilteredMeet(inner, by, limits)

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer."""
        if not self._is_narrowed:
            return super(ComposedGrammar, self).compiled(tokenizer, limits, store)
        # start-up time
        from structgen.grammars.text_grammars.filtered_language import FilteredText

        with THIS_CALL.begin_call(self.limits if limits is None else limits), pause_collection():
            return FilteredText(self, tokenizer, limits, store)


@dataclass(eq=False, repr=False, slots=True)
class RulesGrammar(TextGrammar):
    """Context-free rules over patterns. Ambiguity is allowed. Made by `ebnf` and `pattern_as_rules`."""

    rules: Sequence[Rule]
    terminals: Mapping[str, Node]
    start: str
    ignored_terminals: Sequence[str] = ()
    """The terminals that may come before the first terminal and after each one, such as white space."""
    limits: Limits = DEFAULT
    bound: Mapping[str, TextGrammar] = field(default_factory=dict)
    """For each terminal that is a whole grammar, this grammar."""
    remarks: Remarks = NO_REMARKS
    """Remarks for the user, such as rules that are not used."""
    written: dict[str, Any] | None = None
    missing: frozenset[int] = frozenset()
    """Bytes that no text of the grammar may contain, because the vocabulary lacks them."""
    is_lexed: bool = False
    """Whether a greedy lexer reads the terminals (`greedy_lexemes`). If not, they may end anywhere."""
    are_runs: bool = False
    """Whether `ignored_terminals` are two: a run of ignored text, after which no other comes, and a run that
    is too long and refused."""
    source = "a grammar of rules"

    @property
    def is_endless(self) -> bool:
        return bool(self.ignored_terminals) and not self.are_runs

    @property
    def canonical(self) -> str:
        # sorted, so that the order in which rules and terminals were read does not change the digest
        patterns = sorted((name, ecma_text(tree)) for name, tree in self.terminals.items())
        text = f"rules {sorted(self.rules)!r} {patterns!r} {self.start} {self.ignored_terminals!r}"
        text += " lexed" * self.is_lexed + " runs" * self.are_runs
        parts = [f"{name}={self.bound[name].canonical}" for name in sorted(self.bound)]
        if parts:
            text += f" where {', '.join(parts)}"
        if self.missing:
            text += f" without bytes {sorted(self.missing)}"
        return text

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        bound = {name: grammar.without_bytes(missing) for name, grammar in self.bound.items()}
        # `written` describes all texts, hence not the remaining ones
        return replace(self, bound=bound, written=None, missing=self.missing | missing)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        # start-up time
        from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree

        parts = PartLanguages(limits, target)
        # without some bytes a bound grammar may lose all texts: then its terminal alone is impossible
        language_of = parts.if_any if self.missing else parts.language_of
        bound = {name: language_of(grammar) for name, grammar in self.bound.items()}
        terminals: dict[str, Language | Node | None] = {**self.terminals, **bound}
        if self.is_lexed:
            # start-up time
            from structgen.grammars.text_grammars.context_free.greedy_lexemes import GreedyContextFree

            return GreedyContextFree(
                self.rules,
                terminals,
                self.start,
                ignored=self.ignored_terminals,
                limits=limits,
                missing=self.missing,
                are_runs=self.are_runs,
            )
        beside = only_writable(self.missing) if self.missing else TRUE
        return ContextFree(
            self.rules,
            terminals,
            self.start,
            ignored=self.ignored_terminals,
            are_runs=self.are_runs,
            limits=limits,
            beside=beside,
        )


# --- helpers ---


class PartLanguages:
    """Makes the languages of grammars that are parts of one. Equal parts share one language."""

    def __init__(
        self,
        limits: Limits,
        target: CompileTarget | None = None,
        languages: dict[str, Language] | None = None,
    ) -> None:
        """`languages`: the languages that were made, by the spelling of their grammars."""
        self.limits = limits
        self.target = target
        # an empty dict is shared too: `languages or {}` would make another one
        self.languages: dict[str, Language] = {} if languages is None else languages

    def language_of(self, grammar: TextGrammar, is_last: bool = False) -> Language:
        """Return the language of a grammar. `is_last`: nothing follows it."""
        if not isinstance(grammar, ComposedGrammar):
            name = grammar.spelling
            if name not in self.languages:
                self.languages[name] = grammar.language(self.limits, self.target)
            return self.languages[name]
        is_choice = grammar.operation in (Operation.EITHER, Operation.INTERRUPT)
        if self.target and len(grammar.parts) > _MANY and is_choice:
            target = self.target._replace(is_one_of_many=True)
            return PartLanguages(self.limits, target, self.languages)._composed_language(grammar, is_last)
        return self._composed_language(grammar, is_last)

    def if_any(self, grammar: TextGrammar, is_last: bool = False) -> Language | None:
        """Return the language of a grammar; None where the grammar has no text."""
        try:
            language = self.language_of(grammar, is_last)
            language.start()
            return language
        except GrammarError as error:
            if type(error) is not GrammarError:  # its subclasses say something else, such as a limit
                raise
            return None

    def _composed_language(self, grammar: ComposedGrammar, is_last: bool) -> Language:
        # start-up time: languages are needed when a grammar is compiled
        from structgen.grammars.text_grammars import combined_languages as combined

        match grammar.operation:
            case Operation.EITHER:
                languages = [self.if_any(part, is_last) for part in grammar.parts]
                alternatives = [language for language in languages if language is not None]
                if not alternatives:
                    raise GrammarError(
                        "None of the alternatives has a text.", where="grammar", cure="Pass one that has."
                    )
                return combined.Union(alternatives)
            case Operation.REPEAT:
                # no copy at all is allowed: a grammar without a text then leaves the empty text
                may_be_absent = not grammar.minimum
                copy = (self.if_any if may_be_absent else self.language_of)(grammar.parts[0])
                if copy is None:
                    return RegularGrammar.of_texts(("",)).language(self.limits)
                return combined.RepeatedLanguage(copy, grammar.minimum, grammar.maximum)
            case Operation.ANY_ORDER:
                return self._any_order_language(grammar)
            case Operation.INTERRUPT:
                return self._interrupted_language(grammar, is_last)
            case Operation.MEET | Operation.BAN:
                return self._intersection(grammar)
        *first_parts, last = grammar.parts
        first_languages = [self.language_of(part) for part in first_parts]
        return combined.Chain([*first_languages, self.language_of(last, is_last)])

    def _any_order_language(self, grammar: ComposedGrammar) -> Language:
        # start-up time
        from structgen.grammars.text_grammars import combined_languages as combined

        required = list(map(self.language_of, grammar.parts[: grammar.minimum]))
        *others, separator = map(self.if_any, grammar.parts[grammar.minimum :])
        words = [*required, *filter(None, others)]
        if separator is not None:
            return combined.AnyOrder(words, grammar.minimum, separator)
        # The separator has no text, so a text has one word at most.
        if grammar.minimum > 1:
            return self.language_of(grammar.parts[-1])  # raises its error, here or at its start
        if required:
            return required[0]
        return combined.RepeatedLanguage(combined.Union(words), 0, 1)

    def _interrupted_language(self, grammar: ComposedGrammar, is_last: bool) -> Language:
        # start-up time
        from structgen.grammars.text_grammars.interrupted_text import InterruptedText, text_part

        text = cast(TextBefore, grammar.parts[0])
        _, *body_grammars = grammar.parts
        languages_after = dict(zip(text.words, map(self.if_any, body_grammars), strict=True))
        bodies = {word: body for word, body in languages_after.items() if body is not None}
        if len(bodies) < len(languages_after):
            # after such a word no text exists, so the free text must not contain the word
            impossible_words = [word for word in languages_after if word not in bodies]
            text = TextBefore(tuple(bodies), (*text.avoided_texts, *impossible_words))
        # where something follows, most states are at an end: its masks would save nothing
        part = self.target if is_last else None
        whole = text_part(text, self.limits, part) if part else text.language(self.limits)
        return InterruptedText(whole, bodies, grammar.maximum)

    def _intersection(self, grammar: ComposedGrammar) -> Language:
        # start-up time
        from structgen.grammars.text_grammars.context_free.regular_intersection import Meet

        # the product with an automaton needs every byte, so the parts are not compiled by themselves
        language = PartLanguages(self.limits).language_of(grammar.parts[0])
        if grammar.formula is not None:
            regular = RegularGrammar(grammar.formula, "a text that the regular expression takes")
            automaton = regular.language(self.limits)
            return Meet(language, automaton, self.limits, restarts=grammar.operation is Operation.BAN)
        text_filter = cast(TextFilter, grammar.parts[1])
        try:
            # most texts pass, so that the shortest rest mostly is that of the language itself
            return Meet(language, text_filter.language(self.limits), self.limits, haste=2)
        except GrammarError as error:
            # special tokens have no text: the message shows the bytes alone
            symbols = language.shortest_rest(language.start())
            shortest_text = bytes(symbol for symbol in symbols if symbol < 256)
            raise text_filter.refusal_error(shortest_text.decode("utf-8", "replace")) from error


def _flatten_operands(operation: Operation, parts: tuple[Operand, ...]) -> list[TextGrammar]:
    """Return the operands as text grammars; an operand of the same operation is replaced by its parts."""
    grammars: list[TextGrammar] = []
    for part in map(as_text, parts):
        if isinstance(part, ComposedGrammar) and part.operation is operation:
            grammars += part.parts
        else:
            grammars.append(part)
    return grammars


def pattern_as_rules(tree: Node, limits: Limits) -> TextGrammar | None:
    """Return the grammar of a pattern of whole texts as rules that write its counts (`CountedRules`).

    `tree`: the tree of the pattern. The result is None where the counts need no more states than an automaton
    may have, and where an assertion is inside the pattern. Cost: linear in the pattern.
    """
    nodes_before, node, nodes_after = asserted_at_ends(tree)
    if has_assertion(node) or written_out(node) < MOST_LETTERS:
        return None
    # start-up time
    from structgen.grammars.text_grammars.context_free.counted_rules import CountedRules

    rule_rows = CountedRules(MOST_LETTERS)
    start = rule_rows.pattern_symbol(node)
    rules = RulesGrammar(rule_rows.rules, rule_rows.terminals, start, limits=limits)
    if not nodes_before and not nodes_after:
        return rules
    # rules assert nothing: an automaton checks the look-arounds at both ends
    first_assertions = ecma_text(Concatenation(nodes_before))
    last_assertions = ecma_text(Concatenation(nodes_after))
    formula = Pattern(f"^{first_assertions}{ANY}{last_assertions}$")
    return ComposedGrammar(Operation.MEET, (rules,), formula=formula)


def _limits_of(parts: Sequence[TextGrammar]) -> Limits:
    """Return the first limits among the parts that are not the default ones."""
    limits_of_parts = [part.limits for part in parts]
    return next(
        (limits for limits in limits_of_parts if limits is not DEFAULT and limits != DEFAULT),
        limits_of_parts[-1],
    )
