"""The macros of XGrammar's EBNF, and the tokens of GBNF: what each of them derives.

A macro is called with texts, ids of tokens, names of rules, flags and tuples of these. It is read as some
*ways*: right sides of rules, of grammars and names of rules. Sources: XGrammar's page "EBNF Grammar" and its
release 0.2.9; grammars/README.md of llama.cpp. Free text has no special token here, so that tokens to be
excluded are asked to be special ones, and no more.
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
"""In a way, the macro itself."""
Way: TypeAlias = "tuple[TextGrammar | str, ...]"
NamedArguments: TypeAlias = Mapping[str, Any]


class RuleName(str):
    """The name of a rule among the arguments of a macro."""


@dataclass(eq=False, repr=False, slots=True)
class PlainText(TextGrammar):
    """A text without special tokens, of which a grammar says that some must be such."""

    of: TextGrammar
    tokens: tuple[int, ...]
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
"""What Python's patterns write otherwise; and other escapes, which are passed over."""
_FLAGS: Final = MappingProxyType({"i": re.IGNORECASE, "s": re.DOTALL, "u": 0})
_IN_STRINGS: Final = r'[^"\\\x00-\x1f]*'


def _respell_escape(match: re.Match[str]) -> str:
    """Return a part of a pattern of ECMAScript as Python writes it."""
    point, control = match.groups()
    if point:
        return f"\\U{int(point, 16):08x}"
    if control:  # `\\cA` is the character 1: the lower five bits of the letter
        return f"\\U{ord(control) & 31:08x}"
    return "(?P<" if match[0] == "(?<" else match[0]


def _regex_macro(arguments: Sequence[str], named_arguments: NamedArguments) -> Iterator[Way]:
    letters = named_arguments.get("flags", "s")
    unknown = set(letters).difference(_FLAGS)
    if unknown:
        raise GrammarError(
            f"There is no flag {min(unknown)!r}.", where="flags", cure="Write some of i, s and u."
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
    yield ()  # a macro has the empty text too, which a span never is
    if any(arguments):
        pieces = tuple(map(len, arguments))
        yield (Spans("".join(arguments), DEFAULT, pieces),)


def _token_macro(
    arguments: Sequence[int], named_arguments: NamedArguments = MappingProxyType({})
) -> Iterator[Way]:
    return ((special(token),) for token in dict.fromkeys(arguments))


def _exclude_token(
    arguments: Sequence[int], named_arguments: NamedArguments = MappingProxyType({})
) -> Iterator[Way]:
    one_token = intersect_grammars(text(max_tokens=1), regex(r"[\s\S]+"))
    yield (PlainText(one_token, tuple(sorted(set(arguments)))),)


def _tag_dispatch(arguments: Sequence[tuple[str, str]], named_arguments: NamedArguments) -> Iterator[Way]:
    words = tuple(word for word, _ in arguments)
    avoided_texts = named_arguments.get("excludes", ())
    text_before = TextBefore(words, avoided_texts)
    text_before.check_words()
    stops = (*words, *avoided_texts)
    description = f"any text without {show_words(stops)}" if stops else "any text"
    # the text may have no trigger at all, or goes up to one, after which its rule follows
    free, *ends = text_before.word_formulas
    yield (RegularGrammar(free, description),)
    for (word, rule), end in zip(arguments, ends, strict=True):
        yield RegularGrammar(end, f"any text up to {word!r}"), rule, *_rules_after_tag(named_arguments)


def _token_tag_dispatch(
    arguments: Sequence[tuple[int, str]], named_arguments: NamedArguments
) -> Iterator[Way]:
    avoided_tokens = named_arguments.get("excludes", ())
    triggers = (token for token, _ in arguments)
    both = set(avoided_tokens).intersection(triggers)
    if both:
        raise GrammarError(
            f"The token {min(both)} is a trigger, and excluded.", where="excludes", cure="Leave one out."
        )
    free = PlainText(text(), tuple(sorted(set(avoided_tokens))))
    yield (free,)
    for token, rule in arguments:
        yield free, special(token), rule, *_rules_after_tag(named_arguments)


def _rules_after_tag(named_arguments: NamedArguments) -> tuple[str, ...]:
    """Return the symbols after the rule of a tag: the macro again, or none."""
    return (AGAIN,) if named_arguments.get("loop_after_dispatch", True) else ()


# --- how a macro is called ------------------------------------------------------------------------------


def _shape_pattern(of: str) -> str:
    """Return a pattern of some shapes, or none."""
    return f"(?:{of}(?:, {of})*)?"


def value_shape(value: object) -> str:
    """Return the kind of a value as a word: `text`, `empty` (a text), `id`, `rule` or `flag`; of a tuple the
    kinds of its values, in parentheses."""
    if isinstance(value, tuple):
        return f"({', '.join(map(value_shape, value))})"
    # by the exact type: a bool is an int too, and the name of a rule is a str
    shapes = {bool: "flag", int: "id", RuleName: "rule"}
    return shapes.get(type(value), "text" if value else "empty")


class _Macro(NamedTuple):
    argument_shapes: str
    """A pattern of the shapes of its arguments without names, joined by commas."""
    named_shapes: Mapping[str, str]
    """For each argument with a name, a pattern of its shape."""
    example: str
    ways: Callable[[Sequence[Any], NamedArguments], Iterable[Way]]
    """The function that returns the right sides."""


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
    """Raise `GrammarError` where there is no macro of a name."""
    if name not in _MACROS:
        raise GrammarError(
            f"not supported: {name}(...), a macro or a rule with parameters.",
            cure=f"The macros are {', '.join(_MACROS)}; else write the alternatives out.",
        )


def ways_of_macro(name: str, arguments: Sequence[Any], named_arguments: NamedArguments) -> Iterable[Way]:
    """Return the right sides of a macro. Raises `GrammarError` for wrong arguments."""
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
            f"{name} takes other arguments than ({', '.join(shapes)}).", cure=f"Write {macro.example}."
        )
    return macro.ways(arguments, named_arguments)


def ways_of_token(token: int, is_negated: bool) -> Iterable[Way]:
    """Return the right sides of GBNF's `<[token]>`, or of `!<[token]>`."""
    return (_exclude_token if is_negated else _token_macro)((token,))
