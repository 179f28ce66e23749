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
from structgen.grammars.text_grammars.regular_formulas import shown
from structgen.grammars.text_grammars.special_tokens import special
from structgen.grammars.text_grammars.text_grammar import TextBefore, TextGrammar, meet
from structgen.grammars.text_grammars.word_runs import Spans

AGAIN: Final = ""
"""In a way, the macro itself."""
Way: TypeAlias = "tuple[TextGrammar | str, ...]"
Named: TypeAlias = Mapping[str, Any]


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


def _respelled(match: re.Match[str]) -> str:
    point, control = match.groups()
    if point or control:
        return f"\\U{int(point, 16) if point else ord(control) & 31:08x}"
    return "(?P<" if match[0] == "(?<" else match[0]


def _regex(given: Sequence[str], named: Named) -> Iterator[Way]:
    letters = named.get("flags", "s")
    unknown = set(letters).difference(_FLAGS)
    if unknown:
        raise GrammarError(
            f"There is no flag {min(unknown)!r}.", where="flags", cure="Write some of i, s and u."
        )
    flags = re.ASCII
    for letter in letters:
        flags |= _FLAGS[letter]
    grammar = regex(_SPELLED.sub(_respelled, given[0]), flags=flags)
    yield (meet(grammar, regex(_IN_STRINGS)) if named.get("json_string") else grammar,)


def _substring(given: Sequence[str], named: Named) -> Iterator[Way]:
    yield ()
    if any(given):
        yield (Spans("".join(given), DEFAULT, tuple(map(len, given))),)


def _token(given: Sequence[int], named: Named = MappingProxyType({})) -> Iterator[Way]:
    return ((special(token),) for token in dict.fromkeys(given))


def _exclude_token(given: Sequence[int], named: Named = MappingProxyType({})) -> Iterator[Way]:
    yield (PlainText(meet(text(max_tokens=1), regex(r"[\s\S]+")), tuple(sorted(set(given)))),)


def _tag_dispatch(given: Sequence[tuple[str, str]], named: Named) -> Iterator[Way]:
    words, avoided = tuple(word for word, _ in given), named.get("excludes", ())
    before = TextBefore(words, avoided)
    before.check()
    every = (*words, *avoided)
    what = f"any text without {shown(every)}" if every else "any text"
    free, *ends = before.formulas
    yield (RegularGrammar(free, what),)
    for (word, rule), end in zip(given, ends, strict=True):
        yield RegularGrammar(end, f"any text up to {word!r}"), rule, *_behind(named)


def _token_tag_dispatch(given: Sequence[tuple[int, str]], named: Named) -> Iterator[Way]:
    avoided = named.get("excludes", ())
    both = set(avoided).intersection(token for token, _ in given)
    if both:
        raise GrammarError(
            f"The token {min(both)} is a trigger, and excluded.", where="excludes", cure="Leave one out."
        )
    free = PlainText(text(), tuple(sorted(set(avoided))))
    yield (free,)
    for token, rule in given:
        yield free, special(token), rule, *_behind(named)


def _behind(named: Named) -> tuple[str, ...]:
    return (AGAIN,) if named.get("loop_after_dispatch", True) else ()


# --- how a macro is called ------------------------------------------------------------------------------


def _some(of: str) -> str:
    """Return a pattern of some shapes, or none."""
    return f"(?:{of}(?:, {of})*)?"


def shape(value: object) -> str:
    """Return what a value is: a text, an empty text, an id, a rule, a flag, or a tuple of these."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shape, value))})"
    kinds = {bool: "flag", int: "id", RuleName: "rule"}
    return kinds.get(type(value), "text" if value else "empty")


class _Macro(NamedTuple):
    given: str
    """A pattern of the shapes of its arguments."""
    named: Mapping[str, str]
    """Of those that have names."""
    example: str
    ways: Callable[[Sequence[Any], Named], Iterable[Way]]


_TEXT: Final = "(?:text|empty)"
_LOOP: Final = {"loop_after_dispatch": "flag"}
_MACROS: Final[Mapping[str, _Macro]] = MappingProxyType(
    {
        "Regex": _Macro(_TEXT, {"json_string": "flag", "flags": _TEXT}, 'Regex("[a-z]+", flags="i")', _regex),
        "Substring": _Macro(_some(_TEXT), {}, 'Substring("one ", "two ")', _substring),
        "TagDispatch": _Macro(
            _some(r"\(text, rule\)"),
            {**_LOOP, "excludes": rf"\({_some('text')}\)"},
            'TagDispatch(("<tool>", tool), loop_after_dispatch=false, excludes=("</s>",))',
            _tag_dispatch,
        ),
        "Token": _Macro("id(?:, id)*", {}, "Token(7, 8)", _token),
        "ExcludeToken": _Macro("id(?:, id)*", {}, "ExcludeToken(7, 8)", _exclude_token),
        "TokenTagDispatch": _Macro(
            _some(r"\(id, rule\)"),
            {**_LOOP, "excludes": rf"\({_some('id')}\)"},
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


def ways_of_macro(name: str, given: Sequence[Any], named: Named) -> Iterable[Way]:
    """Return what a macro derives. Raises `GrammarError` for wrong arguments."""
    macro = _MACROS[name]
    told = ", ".join([*map(shape, given), *(f"{name}={shape(value)}" for name, value in named.items())])
    fits = re.fullmatch(macro.given, ", ".join(map(shape, given))) and all(
        re.fullmatch(macro.named.get(name, "(?!)"), shape(value)) for name, value in named.items()
    )
    if not fits:
        raise GrammarError(f"{name} takes other arguments than ({told}).", cure=f"Write {macro.example}.")
    return macro.ways(given, named)


def ways_of_token(token: int, negated: bool) -> Iterable[Way]:
    """Return what GBNF's `<[token]>` derives, and `!<[token]>`."""
    return (_exclude_token if negated else _token)((token,))
