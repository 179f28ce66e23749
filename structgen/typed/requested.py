"""What a dict asks for: OpenAI's `response_format` and its kin, vLLM's `structured_outputs`, a JSON Schema.

Taken as they are. Sources: OpenAI's API reference (`response_format` of chat completions, `text.format` of
responses, `format` of custom tools), vLLM's page "Structured Outputs" and its `StructuredOutputsParams`
(vllm/sampling_params.py): exactly one of `json`, `json_object`, `regex`, `choice`, `grammar` and
`structural_tag`. A grammar's text is EBNF where a rule is defined by `::=`, else Lark's, as vLLM tells them
apart (vllm/v1/structured_output/utils.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from structgen.errors import OptionError, UnsupportedError
from structgen.frontends.patterns import ecma_pattern
from structgen.grammar import Grammar
from structgen.languages.ebnf import ebnf
from structgen.languages.lark_files import lark
from structgen.languages.regular import choice, regex
from structgen.languages.structural_tags import structural_tag
from structgen.languages.tag_fields import fields, member, some_of, text_of
from structgen.schema.grammar import JsonSchemaGrammar, json_schema

_FORMATS: Final = ("json_schema", "json_object", "text", "grammar", "structural_tag", "python")
"""Values of OpenAI's (and vLLM's) `type`; none of them is a type of JSON Schema."""
_SERVED: Final = ("json", "regex", "choice", "grammar", "structural_tag", "json_object")
"""Keys of vLLM's `structured_outputs`, of which there is exactly one."""
_BACKENDS: Final = ("disable_additional_properties", "whitespace_pattern")
"""Options of single backends of vLLM."""
_COMMENT: Final = re.compile(r"(#|//).*$", re.MULTILINE)


def requested(
    target: Mapping[str, Any] | bool, policies: Mapping[str, Any] | None, usual: Mapping[str, Any]
) -> Grammar | None:
    """Return the grammar that a dict asks for; None: free text.

    `policies` are for its JSON Schemas; `usual` where there are none. Errors: `OptionError` for keys that are
    not known, shapes that are none, and policies where there is no schema; `UnsupportedError` for what is not
    offered; those of the grammars.
    """
    said = usual if policies is None else policies
    if isinstance(target, bool):
        return json_schema(target, **said)
    target = dict(target)
    kind = target.get("type")
    tagged = kind == "structural_tag"
    if isinstance(kind, str) and kind in _FORMATS:
        found = _response_format(kind, target, said)
    else:
        named = [key for key in _SERVED if target.get(key) is not None]
        if not named or kind is not None or "$schema" in target:
            return json_schema(target, **said)
        found, tagged = _structured_outputs(target, named, said), named == ["structural_tag"]
    if policies and not (tagged or isinstance(found, JsonSchemaGrammar)):
        raise OptionError(
            "There is no schema to be written under them.", where="policies", cure="Leave them out."
        )
    return found


def grammar_of_text(text: str, where: str) -> Grammar:
    """Return the grammar of a text in EBNF (GBNF, XGrammar's) or Lark's form."""
    if "::=" in _COMMENT.sub("", text):
        return ebnf(text)
    if "\n" not in text and text.endswith(".lark"):  # what `lark` takes for a file's name
        raise OptionError(f"{text!r} is no grammar.", where=where, cure="Give its text.")
    return lark(text)


# --- OpenAI -------------------------------------------------------------------------------------------------


def _response_format(kind: str, target: dict[str, Any], policies: Mapping[str, Any]) -> Grammar | None:
    where = "response_format"
    match kind:
        case "text":
            fields(target, {"type"}, where)
            return None
        case "json_object":
            fields(target, {"type"}, where)
            return json_schema({"type": "object"}, **policies)
        case "json_schema":
            return _json_schema_format(target, policies)
        case "grammar":
            return _grammar_format(target)
        case "structural_tag":
            return structural_tag(target, **policies)
    raise UnsupportedError(
        f"The format {kind!r} is not offered.",
        keyword=kind,
        where=f"{where}/type",
        cure='Give the grammar: {"type": "grammar", "syntax": "lark", "definition": "..."}.',
    )


def _json_schema_format(target: dict[str, Any], policies: Mapping[str, Any]) -> Grammar:
    """Read {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}, or the same without the
    inner object, as `text.format` of responses has it."""
    inner, where = target, "response_format"
    if "schema" in target:
        fields(target, {"type", "name", "description", "schema", "strict"}, where)
    else:
        fields(target, {"type", "json_schema"}, where)
        where = "response_format/json_schema"
        found = target.get("json_schema")
        if not isinstance(found, Mapping) or "schema" not in found:
            raise OptionError(
                "There is no schema in it.",
                where=where,
                cure='Write {"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.',
            )
        inner = fields(dict(found), {"name", "description", "schema", "strict"}, where)
    return json_schema(inner["schema"], **policies)


def _grammar_format(target: dict[str, Any]) -> Grammar:
    """Read {"type": "grammar", "syntax": "lark" | "regex", "definition": "..."} (custom tools of responses),
    the same with an inner object `grammar` (of chat completions), or with a text there (graders)."""
    where = "response_format"
    inner: object = target
    if "grammar" in target:
        inner, where = fields(target, {"type", "grammar"}, where)["grammar"], f"{where}/grammar"
        if isinstance(inner, str):
            return grammar_of_text(inner, where)
    found = fields(inner, {"syntax", "definition"} | ({"type"} if inner is target else set()), where)
    syntax, definition = member(found, "syntax", where), text_of(found, "definition", where)
    if syntax == "regex":
        # OpenAI reads Rust's dialect; what it and ECMA-262 read alike
        there = f"{where}/definition"
        return regex(ecma_pattern(definition, rust=True, where=there), dialect="ecma")
    if syntax == "lark":
        return grammar_of_text(definition, where)
    raise OptionError(f"There is no syntax {syntax!r}.", where=f"{where}/syntax", cure="Use lark or regex.")


# --- vLLM ---------------------------------------------------------------------------------------------------


def _structured_outputs(target: dict[str, Any], named: list[str], policies: Mapping[str, Any]) -> Grammar:
    """Read vLLM's shape: exactly one of the kinds, and its options."""
    where = "structured_outputs"
    fields(target, {*_SERVED, *_BACKENDS, "disable_any_whitespace"}, where)
    if len(named) != 1:
        raise OptionError(f"It says {' and '.join(named)}.", where=where, cure="Give exactly one of them.")
    (kind,) = named
    refused = next((name for name in _BACKENDS if target.get(name)), None)
    if refused is not None:
        raise UnsupportedError(
            f"{refused!r} is not offered.",
            keyword=refused,
            where=where,
            cure="Say it in the schema, or with policies={'whitespace': ...}.",
        )
    if target.get("disable_any_whitespace"):
        if kind in ("regex", "choice", "grammar"):
            _idle("disable_any_whitespace", kind)
        policies = {"whitespace": "compact", **policies}
    there = f"{where}/{kind}"
    match kind:
        case "regex":
            return regex(text_of(target, "regex", where))
        case "choice":
            choices = some_of(target, "choice", where)
            if not all(isinstance(one, str) for one in choices):
                raise OptionError("choice is a list of strings.", where=there, cure="Give strings.")
            return choice(choices)
        case "grammar":
            return grammar_of_text(text_of(target, "grammar", where), there)
        case "structural_tag":
            return structural_tag(target["structural_tag"], **policies)
        case "json_object":
            if target["json_object"] is not True:
                raise OptionError("json_object is true, or not there.", where=there, cure="Leave it out.")
            return json_schema({"type": "object"}, **policies)
    return json_schema(target["json"], **policies)


def _idle(option: str, kind: str) -> NoReturn:
    raise OptionError(
        f"It says nothing about {kind}.", where=f"structured_outputs/{option}", cure="Leave it out."
    )
