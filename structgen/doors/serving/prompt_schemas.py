"""Finds the JSON Schema that clients without a member for it write into the messages.

A *wording* is the text before a schema and the text after it, as a client's library writes them: instructor
(modes JSON and MD_JSON), the AI SDK (its text form), mirascope, dspy (JSONAdapter). A schema in other words
is part of the conversation, and so is one in a block of code, which is only quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

MOST_WORDINGS: Final = 100
"""The most wordings that are read in the messages of a request. Each has a schema."""
_HEADS: Final = re.compile(
    r"^ *(?:the parsed objects in json that match the following json_schema:|JSON schema:"
    r"|Respond only with valid JSON that matches this exact schema:"
    r"|(Outputs will be a JSON object with the following fields\.))\s*",
    re.MULTILINE,
)
"""The lines before a schema. The group is dspy's, before an object of notes on its fields."""
_TAILS: Final = re.compile(
    r"\s*(?:Make sure to return an instance of the JSON|You MUST answer with a JSON object that matches the"
    r"|In adhering to this structure|\Z)"
)
_FENCES: Final = "within a ```json codeblock"
"""Words of instructor's, which ask for a document in a block of code."""
_NOTES: Final = re.compile(
    r"\{\w+\}\s*(?:# note: the value you produce must (?:adhere to the JSON schema: (?P<schema>.*)"
    r"|be (?:a single )?(?P<type>True or False|int value|float value)"
    r"|(?:be|exactly match \(no extra characters\)) one of: (?P<words>.*)))?",
    re.DOTALL,
)
"""dspy's notes on a field; without one, it is a text."""
_TYPES: Final = {"True or False": "boolean", "int value": "integer", "float value": "number"}


def prompt_form(messages: Sequence[Mapping[str, Any]], *, allows_fences: bool) -> tuple[Any, str]:
    """Return the `response_format` that messages ask for in a known wording, and a remark on it for the
    client; None and "" if they ask for none.

    The messages of the system count, and the last message if it is the user's. `allows_fences`: whether the
    document may stand in a block of code, if the messages ask for one. Two different schemas have a remark,
    and no form; what is not JSON is not a schema. Cost: linear in the texts.
    """
    sources = [one for one in messages if one["role"] == "system"]
    sources += [one for one in messages[-1:] if one["role"] == "user"]
    texts = [one["content"] for one in sources]
    schemas = list[Any]()
    heads = (head for text in texts for head in _HEADS.finditer(text))
    for head in islice(heads, MOST_WORDINGS):
        try:
            schema, end = json.JSONDecoder().raw_decode(head.string, head.end())
            schema = _schema_of_notes(schema) if head[1] else schema
        except (ValueError, RecursionError, AttributeError, TypeError):
            continue  # it is not JSON, or is not of dspy's notes
        # a block of code that is open before the wording holds a quotation
        if _TAILS.match(head.string, end) and not head.string.count("```", 0, head.start()) % 2:
            schemas += [schema] * (schema not in schemas)
    if len(schemas) != 1:
        remark = f"messages: {len(schemas)} JSON Schemas are in the messages, and none is used"
        return None, remark * bool(schemas)
    remark = "messages: the reply matches the JSON Schema in the messages"
    form: Any = {"type": "json_schema", "json_schema": {"name": "prompt", "schema": schemas[0]}}
    if allows_fences and any(_FENCES in text for text in texts):
        document = {"type": "json_schema", "json_schema": schemas[0]}
        opening, closing = ({"type": "const_string", "value": value} for value in ("```json\n", "\n```"))
        fenced = {"type": "sequence", "elements": [opening, document, closing]}
        form = {"type": "structural_tag", "format": {"type": "or", "elements": [document, fenced]}}
    return form, remark


def _schema_of_notes(notes: Mapping[str, str]) -> Any:
    """Return the schema of an object whose values are dspy's notes: `{"age": "{age}  # note: the value you
    produce must be a single int value"}` has an integer. Raises TypeError for another note."""
    schemas: dict[str, Any] = {}
    for name, text in notes.items():
        note: Any = _NOTES.fullmatch(text)
        schemas[name] = {"type": _TYPES.get(note["type"], "string")}
        if note["schema"]:
            schemas[name] = json.loads(note["schema"])
        elif note["words"]:
            schemas[name] = {"enum": note["words"].split("; ")}
    return {
        "type": "object",
        "properties": schemas,
        "required": list(schemas),
        "additionalProperties": False,
    }
