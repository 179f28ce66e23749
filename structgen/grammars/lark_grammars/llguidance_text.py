"""llguidance's dialect of Lark: guidance sends grammars in it to vLLM's address, XGrammar reads it too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

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
"""What has no directive in it - texts, comments, patterns -, or a directive, or a special token."""
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
_NO_TOKENS: Final[Mapping[str, int | None]] = MappingProxyType({})


def is_llguidance(text: str) -> bool:
    """Return whether a grammar begins as llguidance's dialect of Lark does."""
    return _HEAD.match(text) is not None


def llguidance_grammar(
    text: str,
    limits: Limits | None,
    specials: Mapping[str, int | None] = _NO_TOKENS,
    policies: Mapping[str, Any] = _ONE_LINE,
) -> Grammar:
    """Return the grammar of a text in llguidance's dialect of Lark, which may begin with `%llguidance {}`.

    Its texts are those that the rules derive, over characters. `capture` says something to the client alone.
    `%json {...}` is a document of the schema under `policies`. `max_tokens` is read where the text is free.
    `<|tool|>` is the special token of that text in `specials`, `<[7]>` that of an id.
    Errors: UnsupportedError for other attributes, directives and tokens; those of Lark grammars and schemas.
    """
    bound: dict[str, Grammar] = {}

    def bind_grammar(grammar: Grammar) -> str:
        name = f"BOUND_{len(bound)}"
        while name in text:
            name += "_"
        bound[name] = grammar
        return name

    def without_attributes(rule: re.Match[str]) -> str:
        head, inside, colon, body, following_bar = rule.groups("")
        if not _ATTRIBUTE_LIST.fullmatch(inside):
            return rule[0]
        attributes = {
            attribute[1]: attribute[2]
            for attribute in _ATTRIBUTE.finditer(inside)
            if attribute[1] != "capture"
        }
        if (
            body.strip() in free
            and not following_bar
            and re.fullmatch("[1-9][0-9]{0,8}", attributes.get("max_tokens") or "")
        ):
            body = bind_grammar(any_text(max_tokens=int(attributes.pop("max_tokens")), limits=limits))
        if attributes:
            raise _unsupported_error(f"{next(iter(attributes))} of a rule", next(iter(attributes)))
        return f"{head}{colon}{body}{following_bar}"

    text = text.removeprefix("\ufeff")
    at, pieces = 0, list[str]()
    while piece := _PIECE.search(text, at):
        pieces.append(text[at : piece.start()])
        at = piece.end()
        if piece[3] is not None:
            pieces.append(bind_grammar(_token_grammar(piece[3], specials)))
            continue
        if piece[1] is None:
            is_comment = piece[0].startswith(("//", "#"))
            pieces.append("" if is_comment else "()" if piece[0] == '""' else piece[0])
            continue
        if piece[1] not in ("json", "llguidance") or piece[2] is None:
            raise _unsupported_error(f"%{piece[1]}", piece[1])
        try:
            _, at = _JSON.raw_decode(text, at)
            value: Any = exact_json.read_exact(text[piece.end() : at])
        except (ValueError, RecursionError) as error:
            raise GrammarError(f"%{piece[1]}: {error}. Write a JSON object behind it.") from None
        if piece[1] == "json":
            pieces.append(bind_grammar(_document_grammar(value, limits, policies)))
        elif value.keys() - {"no_forcing"}:
            raise _unsupported_error("%llguidance with options", "llguidance")
    rules = "".join([*pieces, text[at:]])
    free = set(_FREE.findall(rules))
    rules = _ATTRIBUTES.sub(without_attributes, rules)
    name, aliases = "start", dict(_SAME.findall(rules))
    while name in aliases:
        name = aliases.pop(name)
    rules += f"\n%declare {' '.join(bound)}" if bound else ""
    whole = lark(rules, lexer="characters", bind=bound, text_only=True, limits=limits)
    return bound.get(name, whole)


def _token_grammar(token_name: str, specials: Mapping[str, int | None]) -> Grammar:
    """Return the grammar of a special token, which is named by its text or its id."""
    number = _TOKEN_ID.fullmatch(token_name)
    token = int(number[1]) if number else specials.get(token_name)
    if token is None:
        raise UnsupportedError(
            f"{token_name} names no special token that is known.",
            keyword="token",
            where="grammar",
            cure='Name it in specials, or by its id as in <[7]>; a text stands in quotes ("<a>").',
        )
    return special(token)


def _document_grammar(schema: dict[str, Any], limits: Limits | None, policies: Mapping[str, Any]) -> Grammar:
    options = schema.pop("x-guidance", {})
    usual = isinstance(options, dict) and not options.get("whitespace_pattern")
    if not usual or any(options.get(key, value) != value for key, value in _SEPARATORS.items()):
        raise _unsupported_error("x-guidance with other separators", "x-guidance")
    return json_schema(schema, **{**policies, "limits": limits})


def _unsupported_error(fault: str, keyword: str) -> UnsupportedError:
    return UnsupportedError(
        f"{fault} (llguidance's dialect of Lark) is not read.",
        keyword=keyword,
        where="grammar",
        cure="Leave it out, or write the grammar in Lark.",
    )
