"""Translates the macros of XGrammar's EBNF, and the tokens of GBNF, into right sides of rules.

A *macro* is a call in the text of a grammar, such as `Token(7, 8)`. Its *arguments* are texts, ids of tokens,
names of rules, flags (true, false), and tuples of these. A *way* is one right side of the macro: a sequence
of grammars and names of rules. `Token(7, 8)` has two ways: the special token 7, and the special token 8. The
*shape* of an argument is the kind of its value as a word, such as `text` or `(id, rule)`.

Free text never contains a special token here. So a token that a macro excludes is only required to be a
special one. Sources: XGrammar's page "EBNF Grammar" and its release 0.2.9; grammars/README.md of llama.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.errors import GrammarError
from structgen.base.limits import DEFAULT, Limits
from structgen.grammars.text_grammars.free_text import text
from structgen.grammars.text_grammars.machine.language import CompileTarget, Language
from structgen.grammars.text_grammars.regular import RegularGrammar, regex
from structgen.grammars.text_grammars.regular_formulas import show_words
from structgen.grammars.text_grammars.special_tokens import special
from structgen.grammars.text_grammars.text_grammar import TextBefore, TextGrammar, intersect_grammars
from structgen.grammars.text_grammars.word_runs import Spans

AGAIN: Final = ""
"""The name in a way that stands for the macro itself."""
Way: TypeAlias = "tuple[TextGrammar | str, ...]"
"""One right side: grammars and names of rules."""
NamedArguments: TypeAlias = Mapping[str, Any]
"""The arguments with a name, such as flags="i", by name."""


class RuleName(str):
    """The name of a rule among the arguments of a macro."""


@dataclass(eq=False, repr=False, slots=True)
class PlainText(TextGrammar):
    """The texts of a grammar, with the demand that certain tokens are special ones in the vocabulary."""

    of: TextGrammar
    """The grammar of the texts."""
    tokens: tuple[int, ...]
    """The ids of the tokens that must be special. None of them is in a text."""
    limits = DEFAULT
    source = "free text"

    @property
    def canonical(self) -> str:
        return f"{self.of.canonical} beside special {self.tokens}"

    def without_bytes(self, missing: frozenset[int]) -> PlainText:
        return PlainText(self.of.without_bytes(missing), self.tokens)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        language = self.of.language(limits)
        language.specials = frozenset(self.tokens)
        return language


# --- what each macro derives ----------------------------------------------------------------------------

_SPELLED: Final = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}|\\c([A-Za-z])|\\[\s\S]|\(\?<(?=[A-Za-z_])")
"""The parts of an ECMAScript pattern that Python writes differently: `\\u{...}`, `\\cA`, `(?<name>`. Other
escapes match too, so that their second character is skipped."""
_FLAGS: Final = MappingProxyType({"i": re.IGNORECASE, "s": re.DOTALL, "u": 0})
"""For each letter of the argument `flags` the flag of Python; `u` changes nothing here."""
_IN_STRINGS: Final = r'[^"\\\x00-\x1f]*'
"""The texts that a JSON string contains without escapes."""


def _respell_escape(match: re.Match[str]) -> str:
    """Return a match of `_SPELLED` as Python writes it: `\\u{41}` becomes `\\U00000041`."""
    point, control = match.groups()
    if point:
        return f"\\U{int(point, 16):08x}"
    if control:  # `\\cA` is the character 1: the lower five bits of the letter
        return f"\\U{ord(control) & 31:08x}"
    return "(?P<" if match[0] == "(?<" else match[0]


def _regex_macro(arguments: Sequence[str], named_arguments: NamedArguments) -> Iterator[Way]:
    """Yield the way of `Regex(pattern)`: the texts of a pattern."""
    letters = named_arguments.get("flags", "s")
    unknown = set(letters).difference(_FLAGS)
    if unknown:
        raise GrammarError(
            f"The flag {min(unknown)!r} does not exist.", where="flags", cure="Use i, s and u."
        )
    flags = re.ASCII
    for letter in letters:
        flags |= _FLAGS[letter]
    (source,) = arguments
    grammar: TextGrammar = regex(_SPELLED.sub(_respell_escape, source), flags=flags)
    if named_arguments.get("json_string"):
        grammar = intersect_grammars(grammar, regex(_IN_STRINGS))
    yield (grammar,)


def _substring_macro(arguments: Sequence[str], named_arguments: NamedArguments) -> Iterator[Way]:
    """Yield the ways of `Substring(text, ...)`: nothing, or a run of the texts given."""
    yield ()  # the macro has the empty text too, which `Spans` does not have
    if any(arguments):
        pieces = tuple(map(len, arguments))
        yield (Spans("".join(arguments), DEFAULT, pieces),)


def _token_macro(
    arguments: Sequence[int], named_arguments: NamedArguments = MappingProxyType({})
) -> Iterator[Way]:
    """Return the ways of `Token(id, ...)`: one of these special tokens."""
    return ((special(token),) for token in dict.fromkeys(arguments))


def _exclude_token(
    arguments: Sequence[int], named_arguments: NamedArguments = MappingProxyType({})
) -> Iterator[Way]:
    """Yield the way of `ExcludeToken(id, ...)`: any one token with a text, none of these."""
    one_token = intersect_grammars(text(max_tokens=1), regex(r"[\s\S]+"))
    yield (PlainText(one_token, tuple(sorted(set(arguments)))),)


def _tag_dispatch(arguments: Sequence[tuple[str, str]], named_arguments: NamedArguments) -> Iterator[Way]:
    """Yield the ways of `TagDispatch((trigger, rule), ...)`: free text, and after each trigger its rule."""
    words = tuple(word for word, _ in arguments)
    avoided_texts = named_arguments.get("excludes", ())
    text_before = TextBefore(words, avoided_texts)
    text_before.check_words()
    stops = (*words, *avoided_texts)
    description = f"any text without {show_words(stops)}" if stops else "any text"
    # the text has no trigger, or it ends with a trigger, and the rule of this trigger follows
    free, *ends = text_before.word_formulas
    yield (RegularGrammar(free, description),)
    for (word, rule), end in zip(arguments, ends, strict=True):
        yield RegularGrammar(end, f"any text up to {word!r}"), rule, *_rules_after_tag(named_arguments)


def _token_tag_dispatch(
    arguments: Sequence[tuple[int, str]], named_arguments: NamedArguments
) -> Iterator[Way]:
    """Yield the ways of `TokenTagDispatch((id, rule), ...)`: as `TagDispatch`, with tokens as triggers."""
    avoided_tokens = named_arguments.get("excludes", ())
    triggers = (token for token, _ in arguments)
    both = set(avoided_tokens).intersection(triggers)
    if both:
        raise GrammarError(
            f"The token {min(both)} is a trigger, and excluded.", where="excludes", cure="Remove one of them."
        )
    free = PlainText(text(), tuple(sorted(set(avoided_tokens))))
    yield (free,)
    for token, rule in arguments:
        yield free, special(token), rule, *_rules_after_tag(named_arguments)


def _rules_after_tag(named_arguments: NamedArguments) -> tuple[str, ...]:
    """Return the end of a way after the rule of a tag: the macro itself, so that more tags may follow, or
    nothing."""
    return (AGAIN,) if named_arguments.get("loop_after_dispatch", True) else ()


# --- how a macro is called ------------------------------------------------------------------------------


def _shape_pattern(of: str) -> str:
    """Return a pattern of any number of shapes, joined by commas. `of`: the pattern of one shape."""
    return f"(?:{of}(?:, {of})*)?"


def value_shape(value: object) -> str:
    """Return the shape of a value: `text`, `empty` (an empty text), `id`, `rule` or `flag`. The shape of a
    tuple has those of its values in parentheses: `(id, rule)`."""
    if isinstance(value, tuple):
        return f"({', '.join(map(value_shape, value))})"
    # by the exact type: a bool is an int too, and the name of a rule is a str
    shapes = {bool: "flag", int: "id", RuleName: "rule"}
    return shapes.get(type(value), "text" if value else "empty")


class _Macro(NamedTuple):
    """What is known of one macro."""

    argument_shapes: str
    """The pattern of the shapes of its arguments without names, joined by commas."""
    named_shapes: Mapping[str, str]
    """For each argument with a name, the pattern of its shape."""
    example: str
    """A correct call, for messages."""
    ways: Callable[[Sequence[Any], NamedArguments], Iterable[Way]]
    """The function that returns the ways for given arguments."""


_TEXT: Final = "(?:text|empty)"
_LOOP: Final = {"loop_after_dispatch": "flag"}
_MACROS: Final[Mapping[str, _Macro]] = MappingProxyType(
    {
        "Regex": _Macro(
            _TEXT, {"json_string": "flag", "flags": _TEXT}, 'Regex("[a-z]+", flags="i")', _regex_macro
        ),
        "Substring": _Macro(_shape_pattern(_TEXT), {}, 'Substring("one ", "two ")', _substring_macro),
        "TagDispatch": _Macro(
            _shape_pattern(r"\(text, rule\)"),
            {**_LOOP, "excludes": rf"\({_shape_pattern('text')}\)"},
            'TagDispatch(("<tool>", tool), loop_after_dispatch=false, excludes=("</s>",))',
            _tag_dispatch,
        ),
        "Token": _Macro("id(?:, id)*", {}, "Token(7, 8)", _token_macro),
        "ExcludeToken": _Macro("id(?:, id)*", {}, "ExcludeToken(7, 8)", _exclude_token),
        "TokenTagDispatch": _Macro(
            _shape_pattern(r"\(id, rule\)"),
            {**_LOOP, "excludes": rf"\({_shape_pattern('id')}\)"},
            "TokenTagDispatch((7, tool), excludes=(8,))",
            _token_tag_dispatch,
        ),
    }
)


def check_macro(name: str) -> None:
    """Raise `GrammarError` if there is no macro with a name."""
    if name not in _MACROS:
        raise GrammarError(
            f"not supported: {name}(...), a macro or a rule with parameters.",
            cure=f"The macros are {', '.join(_MACROS)}; else write the alternatives out.",
        )


def ways_of_macro(name: str, arguments: Sequence[Any], named_arguments: NamedArguments) -> Iterable[Way]:
    """Return the ways of a macro. `arguments`: those without a name. Raises `GrammarError` for arguments of
    wrong kinds."""
    macro = _MACROS[name]
    shapes = [value_shape(value) for value in arguments]
    named_shapes = {argument: value_shape(value) for argument, value in named_arguments.items()}
    fits = re.fullmatch(macro.argument_shapes, ", ".join(shapes)) and all(
        # `(?!)` matches nothing: an unknown name never fits
        re.fullmatch(macro.named_shapes.get(argument, "(?!)"), shape)
        for argument, shape in named_shapes.items()
    )
    if not fits:
        shapes += [f"{argument}={shape}" for argument, shape in named_shapes.items()]
        raise GrammarError(
            f"{name} does not accept the arguments ({', '.join(shapes)}).", cure=f"Write {macro.example}."
        )
    return macro.ways(arguments, named_arguments)


def ways_of_token(token: int, is_negated: bool) -> Iterable[Way]:
    """Return the ways of GBNF's `<[token]>`, or, with `is_negated`, of `!<[token]>`."""
    return (_exclude_token if is_negated else _token_macro)((token,))
