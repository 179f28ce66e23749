"""llguidance's dialect of Lark: guidance sends grammars in it to vLLM's address, XGrammar reads it too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from structgen.base.errors import GrammarError, UnsupportedError
from structgen.base.json_text import exact_json
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.grammars.lark_grammars.lark_grammar import lark
from structgen.grammars.text_grammars.free_text import text as any_text
from structgen.grammars.text_grammars.special_tokens import special
from structgen.machines.core.grammar import Grammar

_HEAD: Final = re.compile(r"\ufeff?\s*(?:(?://|#).*\n\s*)*%llguidance\b")
_PIECE: Final = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|(?://|#)[^\n]*|/(?:[^/\\\n]|\\.)+/|%(llguidance|json|regex|lark)\b\s*(?=(\{))?'
    r"|(<[^<>\n]+>)"
)
"""A piece of a grammar in which no directive is looked for (a text, a comment, a pattern), or a directive
(group 1; group 2: its brace), or a special token (group 3)."""
_TOKEN_ID: Final = re.compile(r"<\[(\d{1,9})\]>")
_ATTRIBUTES: Final = re.compile(
    r"^( *[?!]*_?[a-z]\w*)\s*"
    r'\[((?:"(?:[^"\\\n]|\\.)*"|/(?:[^/\\\n]|\\.)*/|[^\]\n"/])*)\](\s*:\s*)(.*)$(\s*\|)?',
    re.MULTILINE,
)
_ATTRIBUTE: Final = re.compile(
    r'\s*(\w+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/|[\d.]+))?\s*(?:,\s*|$)'
)
_JSON: Final = json.JSONDecoder()
_ATTRIBUTE_LIST: Final = re.compile(f"(?:{_ATTRIBUTE.pattern})*")
_FREE: Final = re.compile(r"^(\w+) *: */\(\?s:\.\*\)/\s*$", re.MULTILINE)
_SAME: Final = re.compile(r"^(\w+) *: *(\w+)[ \t\r]*$(?!\s*\|)", re.MULTILINE)
_SEPARATORS: Final = {"item_separator": ", ", "key_separator": ": "}
_ONE_LINE: Final = MappingProxyType({"whitespace": "oneline"})


def is_llguidance(text: str) -> bool:
    """Return whether a grammar begins as llguidance's dialect of Lark does."""
    return _HEAD.match(text) is not None


def llguidance_grammar(
    text: str,
    limits: Limits | None,
    specials: Mapping[str, int | None],
    policies: Mapping[str, Any] = _ONE_LINE,
    lexer: Literal["greedy", "characters"] = "greedy",
) -> Grammar:
    """Return the grammar of a text in llguidance's dialect of Lark, which may begin with `%llguidance {}`.

    Its texts are those that llguidance accepts. With `lexer="characters"` they are all that the rules derive,
    as XGrammar reads them. `capture` says something to the client alone.
    `%json {...}` is a document of the schema under `policies`. `max_tokens` is read where the text is free.
    `<|tool|>` is the special token of that text in `specials`, `<[7]>` that of an id. `limits` bound the
    grammar and all that is bound in it. For example, `llguidance_grammar('start: "a" %json {}', None)` has
    the text `a[1]`.
    Errors: UnsupportedError for other attributes, directives and tokens; those of Lark grammars and schemas.
    """
    text = text.removeprefix("\ufeff")
    bound: dict[str, Grammar] = {}

    def bind_grammar(grammar: Grammar) -> str:
        """Return a new name of a terminal, to which a grammar is bound."""
        name = f"BOUND_{len(bound)}"
        while name in text:
            name += "_"
        bound[name] = grammar
        return name

    def grammar_of_directive(directive: str, value: Any) -> str:
        """Return the text in place of a directive and its JSON object."""
        if directive == "json":
            return bind_grammar(_document_grammar(value, limits, policies))
        # `no_forcing` says how fast llguidance writes, not which texts it takes.
        if value.keys() - {"no_forcing"}:
            raise _unsupported_error("%llguidance with options", "llguidance")
        return ""

    offset, pieces = 0, list[str]()
    while piece := _PIECE.search(text, offset):
        pieces.append(text[offset : piece.start()])
        offset = piece.end()
        directive, brace, token_name = piece.groups()
        if token_name is not None:
            pieces.append(bind_grammar(_token_grammar(token_name, specials)))
        elif directive is None:
            pieces.append(_in_plain_lark(piece[0]))
        elif directive not in ("json", "llguidance") or brace is None:
            raise _unsupported_error(f"%{directive}", directive)
        else:
            value, offset = _read_object(directive, text, offset)
            pieces.append(grammar_of_directive(directive, value))
    rules = "".join([*pieces, text[offset:]])
    rules = _without_attributes(rules, bind_grammar, limits)
    # Rules over characters cannot have a bound grammar as a whole: where `start` is only another name of a
    # bound terminal, its grammar is returned as it is.
    name, aliases = "start", dict(_SAME.findall(rules))
    while name in aliases:
        name = aliases.pop(name)
    rules += f"\n%declare {' '.join(bound)}" if bound else ""
    whole = lark(rules, lexer=lexer, bind=bound, text_only=True, limits=limits)
    return bound.get(name, whole)


def _in_plain_lark(piece: str) -> str:
    """Return a text, a comment or a pattern of the dialect as lark reads it."""
    if piece.startswith(("//", "#")):
        return ""
    return "()" if piece == '""' else piece  # lark refuses an empty text


def _read_object(directive: str, text: str, offset: int) -> tuple[Any, int]:
    """Return the JSON object after a directive, and the offset after it. Raises GrammarError."""
    try:
        # The standard decoder finds the end; the exact reader keeps numbers as they are written.
        _, end = _JSON.raw_decode(text, offset)
        return exact_json.read_exact(text[offset:end]), end
    except (ValueError, RecursionError) as error:
        raise GrammarError(f"%{directive}: {error}. Write a JSON object after it.") from None


def _without_attributes(
    rules: str,
    bind_grammar: Callable[[Grammar], str],
    limits: Limits | None,
) -> str:
    """Return rules without `[capture, max_tokens=9]` after their names. A free text of so many tokens is
    bound by `bind_grammar`. Raises UnsupportedError for other attributes."""
    free_terminals = set(_FREE.findall(rules))

    def plain_rule(rule: re.Match[str]) -> str:
        head, inside, colon, body, following_bar = rule.groups("")
        if not _ATTRIBUTE_LIST.fullmatch(inside):
            return rule[0]
        attributes = {name: value for name, value in _ATTRIBUTE.findall(inside) if name != "capture"}
        is_free = body.strip() in free_terminals and not following_bar
        if is_free and re.fullmatch("[1-9][0-9]{0,8}", attributes.get("max_tokens", "")):
            max_tokens = int(attributes.pop("max_tokens"))
            body = bind_grammar(any_text(max_tokens=max_tokens, limits=limits))
        if attributes:
            unknown = next(iter(attributes))
            raise _unsupported_error(f"{unknown} of a rule", unknown)
        return f"{head}{colon}{body}{following_bar}"

    return _ATTRIBUTES.sub(plain_rule, rules)


def _token_grammar(token_name: str, specials: Mapping[str, int | None]) -> Grammar:
    """Return the grammar of a special token, which is named by its text or its id."""
    number = _TOKEN_ID.fullmatch(token_name)
    token = int(number[1]) if number else specials.get(token_name)
    if token is None:
        raise UnsupportedError(
            f"{token_name} is not the name of a special token.",
            keyword="token",
            where="grammar",
            cure='Name it in specials, or by its id as in <[7]>; a text stands in quotes ("<a>").',
        )
    return special(token)


def _document_grammar(
    schema: dict[str, Any],
    limits: Limits | None,
    policies: Mapping[str, Any],
) -> Grammar:
    """Return the grammar of the documents of a schema. Raises UnsupportedError where its `x-guidance` asks
    for another way of writing than the usual one."""
    options = schema.pop("x-guidance", {})
    is_usual = isinstance(options, dict) and not options.get("whitespace_pattern")
    if not is_usual or any(options.get(key, value) != value for key, value in _SEPARATORS.items()):
        raise _unsupported_error("x-guidance with other separators", "x-guidance")
    return json_schema(schema, **{**policies, "limits": limits})


def _unsupported_error(fault: str, keyword: str) -> UnsupportedError:
    return UnsupportedError(
        f"{fault} (llguidance's dialect of Lark) is not supported.",
        keyword=keyword,
        where="grammar",
        cure="Remove it, or write the grammar in Lark.",
    )
