"""Models on servers that speak OpenAI's protocol: how one is named, and what it was found to take.

Servers differ in the fields of a request that they take. Newer models of OpenAI refuse `max_tokens` (they
want `max_completion_tokens`) and every `temperature` but 1; others know no `response_format` or no `seed`.
A refusal is a status 400 (or 422) that names the field.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from structgen.errors import OptionError, fields_named
from structgen.language import checks
from structgen.language.checks import By, OneOf, check_fields
from structgen.typed.server_replies import words_of_error

SCHEMA = "response_format"
"""The field that holds the schema."""
_OTHER = MappingProxyType({"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"})
_A_FIELD = OneOf(tuple(_OTHER), ", or None to send none; how many, say sg.generate and sg.run")
_OPTIONAL = ("temperature", "seed", SCHEMA, "parallel_tool_calls")
_NAMED = re.compile(
    r"\b(?:(?P<field>max_completion_tokens|max_tokens|temperature|seed|parallel_tool_calls)"
    r"|response[_ ]format|json[_ ]?schema|structured[_ ]outputs?|guided[_ ]\w+|grammar)\b",
    re.IGNORECASE,
)
"""The names of the fields in messages, and other words for the schema."""
_REFUSED = re.compile(
    r"un(?:supported|recogni[sz]ed|known|expected|available)|deprecated|extra (?:inputs|fields)"
    r"|(?:not|n't) (?:be )?(?:support|recogni[sz]|permit|allow|accept|available|take)",
    re.IGNORECASE,
)
"""Says that a field is not taken at all. Of a value out of range only the caller knows what he wants."""
_THIS_SCHEMA = re.compile(r"invalid schema|schema (?:contains|conversion)|parse grammar", re.IGNORECASE)
"""Says that the server takes schemas, and not this one."""
_ADDRESS = re.compile(r"openai:(https?://[^#]+)#(.+)", re.DOTALL)


def _address(value: Any) -> str:
    if not checks.text("url", value).startswith(("http://", "https://")):
        raise OptionError(
            f"{value!r} is no address of a server.",
            where="url",
            cure="Write it with http:// or https://, such as http://localhost:8000/v1.",
        )
    return str(value)


def _left_out(value: Any) -> tuple[str, ...]:
    check = OneOf(_OPTIONAL, "; max_tokens_field=None leaves out max_tokens")
    return tuple(check("leave_out", field) for field in checks.texts("leave_out", value))


@fields_named('sg.Server("http://localhost:8000/v1", "llama")')
@dataclass(frozen=True, slots=True)
class Server:
    """A model on a server for `sg.generate` and `sg.run`, and which fields of a request it takes.
    `openai:URL#NAME` stands for one with the defaults. Errors: OptionError.

    Nobody has to say what a server refuses by name: the request is sent again without it, once in a process.
    """

    url: Annotated[str, By(_address)]
    """The address, which mostly ends in /v1."""
    name: Annotated[str, checks.text]
    """The model's name on the server."""
    max_tokens_field: Annotated[str, _A_FIELD] | None = "max_tokens"
    """The field for the most tokens, `max_tokens` or `max_completion_tokens`; None: it is not sent."""
    leave_out: Annotated[str | Sequence[str], By(_left_out)] = ()
    """Fields that are not sent (kept as a tuple): `temperature`, `seed`, `parallel_tool_calls`, and
    `response_format`, without which the schema stands in the prompt."""

    def __post_init__(self) -> None:
        check_fields(self)


def server_of(name: str) -> Server:
    """Return the server that `openai:URL#NAME` names. Errors: OptionError."""
    found = _ADDRESS.fullmatch(name)
    if found is None:
        raise OptionError(
            f"{name!r} names no model on a server.",
            where="model",
            cure="Write openai:URL#NAME, such as openai:http://localhost:8000/v1#llama.",
        )
    return Server(found[1], found[2])


class ServerHabits:
    """What a model on a server was found to do with requests. All writers of this model share one."""

    __slots__ = ("_instead", "breaks_schemas")

    def __init__(self) -> None:
        self._instead: dict[str | None, str | None] = {}
        """For each field that it refused, and each schema, as text, that it refused although it takes others:
        the field that is sent instead; None: none is."""
        self.breaks_schemas = False
        """Whether a reply broke its schema: then the schema stands in the prompt as well."""

    def field(self, name: str | None) -> str | None:
        """Return the field that is sent in place of a field, or that field itself; None: neither is sent."""
        while name in self._instead:
            name = self._instead[name]
        return name

    def takes(self, schema: Mapping[str, Any]) -> bool:
        """Tell whether a schema is sent in its field."""
        return not {SCHEMA, _text_of(schema)} & self._instead.keys()

    def learn(self, server: Server, error: Exception, body: Mapping[str, Any]) -> bool:
        """Note which field of a request an error names; tells whether the request is worth sending again,
        made anew. A field that is left out from now on is told in a warning, for it was asked for."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        said = f"{error} {words_of_error(error)} {getattr(error, 'code', None)}".replace(server.name, "")
        named = str(getattr(error, "param", None) or "").split(".")[0]
        if named not in body:
            found = _NAMED.search(said)
            named = "" if found is None else found["field"] or SCHEMA
        if named not in (*_OTHER, *_OPTIONAL) or named not in body:
            return False
        if named == SCHEMA:
            schema = body[SCHEMA]["json_schema"]["schema"]
            if _THIS_SCHEMA.search(said):
                self._instead[_text_of(schema)] = None
            elif _REFUSED.search(said) or getattr(error, "param", None):
                self._instead[SCHEMA] = None
            return not self.takes(schema)
        if not _REFUSED.search(said):
            return False
        if named not in self._instead:  # else another request was told the same a moment ago
            other = _OTHER.get(named)
            self._instead[named] = None if other in self._instead else other
            if self._instead[named] is None:
                how = "max_tokens_field=None" if named in _OTHER else f"leave_out={named!r}"
                warnings.warn(
                    f"{server.name} at {server.url} takes no {named}: it is left out from now on. To say so "
                    f"beforehand, pass sg.Server({server.url!r}, {server.name!r}, {how}).",
                    stacklevel=2,
                )
        return True


KNOWN: dict[tuple[str, str], ServerHabits] = {}
"""The habits of each URL and name, for the life of the process."""


def _text_of(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)
