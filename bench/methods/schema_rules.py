"""Rules over bytes (`byte_rules`) of a JSON Schema, recursive ones too: its texts as json.dumps writes them.

Each `$ref`, and each `anyOf` around one, is a name. In the schema around it a constant stands for it; so the
schema has an automaton, which is written as right-linear rules, with the name in place of the constant's way.
What is refused, by name: other keywords beside or around a reference, and schemas whose automaton has no end
(objects with keys that the schema does not name, of which none may come twice).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import structgen as sg
from methods.byte_rules import Rules
from methods.written_rules import automaton
from structgen.decoding.infilling.automata_of_grammars import MAX_STATES
from structgen.errors import GrammarError, LimitError
from structgen.schema.reading.policies import READABLE_DUMPS
from structgen.tokens.tokenizer import byte_tokenizer

_MARK = "\ue000"
_NOTES = {"$comment", "$defs", "$id", "$schema", "default", "definitions", "description", "examples", "title"}
_AROUND = {"additionalProperties", "items", "maxItems", "minItems", "prefixItems", "properties"}
_AROUND |= {"required", "type"}
"""Keywords that may stand around a reference: they ask nothing of the value that it stands for."""


def schema_rules(schema: dict[str, Any]) -> Rules:
    """Return the rules of a JSON Schema's texts. Raises GrammarError for what has none."""
    named: dict[str, Any] = {"#": schema}  # by pointer; of an anyOf by its text
    found, values = dict[str, Any](), dict[str, Any]()
    if _MARK in json.dumps(schema, ensure_ascii=False):
        raise GrammarError(
            "It has the character U+E000, which stands for references.", where="schema", cure="Leave it out."
        )

    def name_of(key: str, of: Any) -> dict[str, str]:
        named.setdefault(key, of)
        return {"const": f"{_MARK}{list(named).index(key)}"}

    def placed(one: Any) -> Any:
        """Return a schema with a constant in the place of each reference."""
        if not isinstance(one, dict) or '"$ref"' not in json.dumps(one, default=str):
            return one
        said = {key: value for key, value in one.items() if key not in _NOTES}
        if said.keys() == {"$ref"}:
            return name_of(said["$ref"], _target(schema, said["$ref"]))
        if said.keys() == {"anyOf"}:
            return name_of(json.dumps(one), one)
        if said.keys() - _AROUND and '"$ref"' in json.dumps(said, default=str):
            keys = ", ".join(sorted(said.keys() - _AROUND))
            raise GrammarError(
                f"{keys} around or beside a reference has no rules.",
                where="schema",
                cure="Write the reference alone, in properties, items, prefixItems or anyOf.",
            )
        said |= {key: placed(said[key]) for key in said.keys() & {"additionalProperties", "items"}}
        if "prefixItems" in said:
            said["prefixItems"] = [placed(item) for item in said["prefixItems"]]
        if "properties" in said:
            said["properties"] = {key: placed(value) for key, value in said["properties"].items()}
        return said

    while len(found) < len(named):
        number = len(found)
        key, of = list(named.items())[number]
        parts = of["anyOf"] if key[0] == "{" else [of]
        found[f"v{number}"] = [[f"v{number}.{n}"] for n in range(len(parts))]
        for n, part in enumerate(parts):
            _of_value(values, f"v{number}.{n}", placed(part))
    return Rules(found | values, "v0")


def _target(schema: dict[str, Any], pointer: str) -> Any:
    """Return the schema that a JSON pointer behind # names."""
    found: Any = schema
    for part in pointer.split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        found = schema if part == "#" else found.get(part) if isinstance(found, dict) else None
        if found is None:
            raise GrammarError(f"{pointer} names no schema.", where="$ref", cure="Name one of $defs.")
    return found


def _of_value(found: dict[str, Any], name: str, schema: Any) -> None:
    """Write the values of a schema; constants stand for references."""
    try:
        dfa = sg.compile(sg.json_schema(schema, **READABLE_DUMPS), byte_tokenizer()).to_dfa(
            MAX_STATES, minimal=True
        )
    except LimitError as error:
        raise GrammarError(
            f"Its values have no automaton: {error.what}",
            where="schema",
            cure="Say additionalProperties: false, items and a type wherever anything may stand.",
        ) from error
    column = dfa.token_class[:256]
    table = np.where(column >= 0, dfa.transitions[:, column], -1)

    def follow(state: int) -> list[tuple[str | bytes, Any]]:
        row = table[state]
        moves: list[tuple[str | bytes, Any]] = []
        for after in dict.fromkeys(row[row >= 0].tolist()):
            some, text, end = bytes(np.flatnonzero(row == after).tolist()), b"", after
            while some == b'"' and text[-1:] != b'"' and (table[end] >= 0).sum() == 1:
                text, end = text + bytes([int(table[end].argmax())]), int(table[end].max())
            if text.startswith(_MARK.encode()):
                moves.append((f"v{int(text[len(_MARK.encode()) : -1])}", end))
            else:
                moves.append((some, after))
        return moves

    automaton(found, name, 0, follow, lambda state: bool(dfa.accepting[state]))
