"""Models on servers: how one is named, which protocol it speaks, and what it was found to take.

Servers differ in the fields of a request that they take. Newer models of OpenAI refuse `max_tokens` (they
want `max_completion_tokens`) and every `temperature` but 1; others know no `response_format` or no `seed`.
A refusal is a status 400 (or 422) that names the field.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

from structgen.errors import OptionError, fields_named
from structgen.language import checks
from structgen.language.checks import By, OneOf, check_fields

SCHEMA = "response_format"
"""The field that holds the schema."""
_OTHER = MappingProxyType({"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"})
_A_FIELD = OneOf(tuple(_OTHER), ", or None to send none; how many, say sg.generate and sg.run")
_OPTIONAL = ("temperature", "seed", SCHEMA, "parallel_tool_calls")
_NAMED = re.compile(
    r"\b(?:(?P<field>max_completion_tokens|max_tokens|temperature|seed|parallel_tool_calls)"
    r"|response[_ ]format|json[_ ]?schema|input_schema|structured[_ ]outputs?|guided[_ ]\w+|grammar)\b",
    re.IGNORECASE,
)
"""The names of the fields in messages, and other words for the schema."""
_REFUSED = re.compile(
    r"un(?:supported|recogni[sz]ed|known|expected|available)|deprecated|extra (?:inputs|fields)"
    r"|(?:not|n't) (?:be )?(?:support|recogni[sz]|permit|allow|accept|available|take)"
    r"|invalid schema|schema (?:contains|conversion)|parse grammar",
    re.IGNORECASE,
)
"""Says that a field is not taken at all, or this schema. Of a value out of range only the caller knows what
he wants."""
REQUEST_CURE: Final = "The server does not take this request: its message says which part."
_ADDRESS = re.compile(r"openai:(https?://[^#]+)#(.+)", re.DOTALL)
_HOST = re.compile(r"(?:(https?)://)?(\[[^\]]*\]|[^:/]*)(?::(\d+))?((?:/.*)?)")


class Protocol(NamedTuple):
    """What is said of a protocol."""

    package: str
    """The client."""
    key: str
    """The environment variable of the key."""
    without_key: str | None
    """What stands in its place; None: the client looks for other credentials, and one is needed."""
    cures: Mapping[str, str]
    """What a person can do, by the names of the client's errors."""


def _protocol(package: str, key: str, without_key: str | None, model: str, server: str) -> Protocol:
    """Return a protocol with its cures: of a `model` and of a `server` that are not found, and others."""
    cures = {
        "NotFoundError": model,
        "APIConnectionError": server,
        "APITimeoutError": "Raise timeout=, or look whether the server is overloaded.",
        **dict.fromkeys(
            ("AuthenticationError", "PermissionDeniedError", "CredentialsError"),
            f"Set the environment variable {key} to a key of this server.",
        ),
        **dict.fromkeys(("BadRequestError", "UnprocessableEntityError"), REQUEST_CURE),
        "RateLimitError": "Wait, ask for fewer texts at a time, or raise the quota at the server.",
    }
    return Protocol(package, key, without_key, cures)


PROTOCOLS: Final = {
    "openai": _protocol(
        "openai",
        "OPENAI_API_KEY",
        "none",  # servers of one's own need none
        "Check the URL, which mostly ends in /v1, and the model's name {name!r}: curl {url}/models lists the "
        "names.",
        "Check that the server runs and that the URL is right (host, port).",
    ),
    "ollama": _protocol(
        "openai",
        "OLLAMA_API_KEY",
        "ollama",
        "Download the model: ollama pull {name}; ollama list names those that are there.",
        "Start it: ollama serve. OLLAMA_HOST says where it is, if not on 127.0.0.1:11434.",
    ),
    "anthropic": _protocol(
        "anthropic",
        "ANTHROPIC_API_KEY",
        None,
        "Check the model's name {name!r}, and ANTHROPIC_BASE_URL if it is set: here {url}.",
        "Check that {url} can be reached; ANTHROPIC_BASE_URL names another address.",
    ),
}


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


_WORDS = ("error", "message", "msg", "detail", "errors")
"""Members that hold the words of a refusal: OpenAI's, FastAPI's, those of other servers."""
_MOST_WORDS = 500
"""Characters of them that are told, at most."""


def words_of(said: object, depth: int = 6) -> str:
    """Return what a server says of a refusal, on one line: a text, or what is in members of an object whose
    names are known, each behind its place (`loc`) if it has one. "" where it says nothing; what lies deeper
    than `depth` objects is not read."""
    found: list[str] = []
    if isinstance(said, str):
        found = re.sub(r"<[^>]*>" if said.lstrip().startswith("<") else "\0", " ", said).split()
    elif isinstance(said, list) and depth:
        found = [f"{one};" for one in (words_of(one, depth - 1) for one in said[:8]) if one]
    elif isinstance(said, Mapping) and depth:
        words = (words_of(said.get(name), depth - 1) for name in _WORDS)
        found = [f"{one};" for one in dict.fromkeys(words) if one]
        if found and isinstance(place := said.get("loc"), list):
            found.insert(0, f"{'/'.join(map(str, place))}:")
    return " ".join(found).removesuffix(";")[:_MOST_WORDS]


def words_of_error(error: Exception) -> str:
    """Return what a server says with an error of its client, or of JSON; "" where it says nothing."""
    response = getattr(error, "response", None)
    if response is None:
        return words_of(getattr(error, "body", None) or getattr(error, "doc", None))
    try:
        return words_of(response.json())
    except ValueError:
        return words_of(response.text)
    except RuntimeError:  # the client has not read it: the error stands inside of a stream
        return words_of(getattr(error, "body", None))


@fields_named('sg.Server("http://localhost:8000/v1", "llama")')
@dataclass(frozen=True, slots=True)
class Server:
    """A model on a server for `sg.generate` and `sg.run`, and which fields of a request it takes.
    `openai:URL#NAME`, `ollama:NAME` and `anthropic:NAME` stand for one with the defaults. Errors:
    OptionError.

    Nobody has to say what a server refuses by name: the request is sent again without it, once in a process.
    """

    url: Annotated[str, By(_address)]
    """The address, which mostly ends in /v1; Anthropic's does not."""
    name: Annotated[str, checks.text]
    """The model's name on the server."""
    max_tokens_field: Annotated[str, _A_FIELD] | None = "max_tokens"
    """The field for the most tokens, `max_tokens` or `max_completion_tokens`; None: it is not sent."""
    leave_out: Annotated[str | Sequence[str], By(_left_out)] = ()
    """Fields that are not sent (kept as a tuple): `temperature`, `seed`, `parallel_tool_calls`, and
    `response_format`, without which the schema stands in the prompt."""
    protocol: Annotated[str, OneOf(tuple(PROTOCOLS))] = "openai"
    """What it speaks: chat completions (`openai`, `ollama`), or Anthropic's messages."""

    def __post_init__(self) -> None:
        check_fields(self)


def server_of(name: str) -> Server:
    """Return the server that `openai:URL#NAME`, `ollama:NAME` or `anthropic:NAME` names. The address of the
    latter two is that of the environment, or their own. Errors: OptionError."""
    protocol, _, model = name.partition(":")
    if protocol == "ollama" and model:
        return Server(_ollama_address(os.environ.get("OLLAMA_HOST", "")), model, protocol=protocol)
    if protocol == "anthropic" and model:
        url = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
        return Server(url, model, protocol=protocol)
    found = _ADDRESS.fullmatch(name)
    if found is None:
        raise OptionError(
            f"{name!r} names no model on a server.",
            where="model",
            cure="Write openai:URL#NAME, such as openai:http://localhost:8000/v1#llama; ollama:NAME; or "
            "anthropic:NAME.",
        )
    return Server(found[1], found[2])


def _ollama_address(given: str) -> str:
    """Return the address of Ollama's chat completions for the value of OLLAMA_HOST, as Ollama reads it."""
    found = _HOST.fullmatch(given.strip(" \"'"))
    if found is None:
        raise OptionError(f"{given!r} is no host.", where="OLLAMA_HOST", cure="Write it as 127.0.0.1:11434.")
    scheme, host, port, path = found.groups()
    port = port or {"http": "80", "https": "443"}.get(scheme, "11434")
    host = "127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host  # where it listens: at all addresses
    return f"{scheme or 'http'}://{host}:{port}{path.rstrip('/')}/v1"


class ServerHabits:
    """What a model on a server was found to do with requests. All writers of this model share one."""

    __slots__ = ("_instead", "breaks_schemas")

    def __init__(self) -> None:
        self._instead: dict[str | None, str | None] = {}
        """For each field that it refused, and each schema, as text: the field that is sent instead; None:
        none is."""
        self.breaks_schemas = False
        """Whether a reply broke its schema: then the schema stands in the prompt as well."""

    def field(self, name: str | None) -> str | None:
        """Return the field that is sent in place of a field, or that field itself; None: neither is sent."""
        while name in self._instead:
            name = self._instead[name]
        return name

    def takes(self, schema: Mapping[str, Any]) -> bool:
        """Tell whether a schema is sent in its field."""
        return _text_of(schema) not in self._instead

    def learn(self, server: Server, error: Exception, body: Mapping[str, Any]) -> bool:
        """Note which field of a request an error names; tells whether the request is worth sending again,
        made anew. A field that is left out from now on is told in a warning, for it was asked for."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        said = f"{error} {words_of_error(error)} {getattr(error, 'code', None)}".replace(server.name, "")
        param = str(getattr(error, "param", None) or "").split(".")[0]
        found = _NAMED.search(said)
        named = param if param in body or found is None else found["field"] or SCHEMA
        if named not in (*_OTHER, *_OPTIONAL) or named not in body:
            return False
        if not (_REFUSED.search(said) or named == param == SCHEMA):
            return False
        if named == SCHEMA:
            self._instead[_text_of(body[SCHEMA]["json_schema"]["schema"])] = None
        elif named not in self._instead:  # else another request was told the same a moment ago
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
