"""Models on servers: how one is named, which protocol it speaks, and which fields it was found to take.

Servers differ in the fields of a request that they take. Newer models of OpenAI refuse `max_tokens` (they
want `max_completion_tokens`) and every `temperature` but 1; others know no `response_format` or no `seed`.
A refusal is a status 400 (or 422) that names the field.
"""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from structgen.base.errors import OptionError, fields_named
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language import checks
from structgen.base.language.checks import ChoiceCheck, NamedCheck, NonemptyText, check_fields

VERSION_HEADER: Final = "x-structgen-version"
"""The header of `/v1/models`, and of errors, by which a server says that it is structgen, and its version."""
PROMPTS_HEADER: Final = "x-structgen-prompts"
"""The header of `/v1/models` that says what the model reads: `messages`, or `texts` alone, as the embedded
models do."""
SCHEMA = "response_format"
"""The field that holds the schema."""
_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = (*_OTHER, "temperature", "seed", SCHEMA, "parallel_tool_calls")
_NAMED = re.compile(
    r"(?<!\bthis )\bmodel(?::|\s*['\"`])\s*\S*"
    rf"|(?<![\w-])(?P<word>(?P<field>{'|'.join(name for name in _OPTIONAL if name != SCHEMA)})"
    r"|response[_ ]format|json[_ ]?schema|input_schema|structured[_ ]outputs?|guided[_ ]\w+|grammar)"
    r"(?![\w-])",
    re.IGNORECASE,
)
"""The names of the fields in messages, and other words for the schema. What stands where a model is named is
no `word`, whatever its name is."""
_REFUSED = re.compile(
    r"(?<!-)un(?:supported|recogni[sz]ed|known|expected|available)(?!-)|deprecated|extra (?:inputs|fields)"
    r"|(?:not|n't) (?:be )?(?:support|recogni[sz]|permit|allow|accept|available|take)"
    r"|invalid schema|schema (?:contains|conversion)|parse grammar",
    re.IGNORECASE,
)
"""Says that a field is not taken at all, or this schema. Of a value out of range only the caller knows what
he wants."""
_ADDRESS = re.compile(r"openai:(https?://[^#]+)#(.+)", re.DOTALL)
_HOST = re.compile(r"(?:(https?)://)?(\[[^\]]*\]|[^:/]*)(?::(\d+))?((?:/.*)?)")


class Protocol(NamedTuple):
    """A protocol, and the client that speaks it."""

    package: str
    """The client."""
    key: str
    """The environment variable of the key."""
    without_key: str | None
    """What stands in its place; None: the client looks for other credentials, and one is needed."""
    cures: Mapping[str, str]
    """What a person can do that is of this protocol, by the name of a client's error."""


PROTOCOLS: Final = {
    "openai": Protocol("openai", "OPENAI_API_KEY", "none", {}),  # servers of one's own need no key
    "ollama": Protocol(
        "openai",
        "OLLAMA_API_KEY",
        "ollama",
        {
            "NotFoundError": (
                "Download the model: ollama pull {name}. `ollama list` shows the local models."
            ),
            "APIConnectionError": (
                "Start it: ollama serve. OLLAMA_HOST is its address, if not this machine."
            ),
        },
    ),
    "anthropic": Protocol(
        "anthropic",
        "ANTHROPIC_API_KEY",
        None,
        {"NotFoundError": "Check the model's name {name!r}, and ANTHROPIC_BASE_URL if it is set."},
    ),
}


def _check_address(value: Any) -> str:
    """Return the address of a server, as it is given. Errors: OptionError."""
    if not checks.check_text("url", value).startswith(("http://", "https://")):
        raise OptionError(
            f"{value!r} is not the address of a server.",
            where="url",
            cure="Write it with http:// or https://, such as http://localhost:8000/v1.",
        )
    return str(value)


def _check_left_out(value: Any) -> tuple[str, ...]:
    """Return the names of fields as a tuple. Errors: OptionError for a field that cannot be left out."""
    return tuple(
        ChoiceCheck(_OPTIONAL)("leave_out", field) for field in checks.check_texts("leave_out", value)
    )


_WORDS = ("error", "message", "msg", "detail", "errors")
"""Members that hold the words of a refusal: OpenAI's, FastAPI's, those of other servers."""
_MOST_WORDS = 500
"""Characters of them that are told, at most: a server may answer with a page of HTML."""


def words_of(error_body: object, depth: int = 6) -> str:
    """Return the words of a refusal in the body of an error, on one line: a text, or the members of _WORDS.
    Each stands behind its location (`loc`), if it has one. "" where there are no words; members that lie
    deeper than `depth` objects are not read."""
    if isinstance(error_body, str):
        is_page = error_body.lstrip().startswith("<")  # of a proxy: its tags are no words
        plain = re.sub(r"<[^>]*>", " ", error_body) if is_page else error_body
        return " ".join(plain.split())[:_MOST_WORDS]
    if not isinstance(error_body, list | Mapping) or not depth:
        return ""
    if isinstance(error_body, list):
        parts = error_body[:8]
    else:
        parts = [error_body.get(name) for name in _WORDS]
    words_of_parts = dict.fromkeys(words_of(part, depth - 1) for part in parts)  # each once
    words = "; ".join(filter(None, words_of_parts))
    location = error_body.get("loc") if isinstance(error_body, Mapping) else None
    return f"{'/'.join(map(str, location))}: {words}" if words and isinstance(location, list) else words


def words_of_error(error: Exception) -> str:
    """Return the words of a server in an error of its client, or of JSON; "" where there are none."""
    response = getattr(error, "response", None)
    if response is None:
        return words_of(getattr(error, "body", None) or getattr(error, "doc", None))
    try:
        return words_of(response.json())
    except ValueError:
        return words_of(response.text)
    except RuntimeError:  # the client has not read it: the error stands inside of a stream
        return words_of(getattr(error, "body", None))


@fields_named(
    'sg.Server("http://localhost:8000/v1", "llama")',
    {"max_tokens_field": 'Write leave_out="max_tokens", and max_completion_tokens is sent'},
)
@dataclass(frozen=True, slots=True)
class Server:
    """A model on a server for `sg.generate` and `sg.run`, and which fields of a request it takes.
    `openai:URL#NAME`, `ollama:NAME` and `anthropic:NAME` stand for one with the defaults. Errors:
    OptionError.

    Nobody has to say what a server refuses by name: the request is sent again without it, once in a process.
    """

    url: Annotated[str, NamedCheck(_check_address)]
    """The address, which mostly ends in /v1; Anthropic's does not."""
    name: NonemptyText
    """The model's name on the server."""
    leave_out: Annotated[str | Sequence[str], NamedCheck(_check_left_out)] = ()
    """Fields that are not sent (kept as a tuple): `temperature`, `seed`, `parallel_tool_calls`,
    `response_format`, `max_tokens`. Without `response_format` the schema stands in the prompt. In the place
    of `max_tokens`, `max_completion_tokens` is sent if that is not left out too."""
    protocol: Annotated[str, ChoiceCheck(tuple(PROTOCOLS))] = "openai"
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
    address = _ADDRESS.fullmatch(name)
    if address is None:
        raise OptionError(
            f"{name!r} does not name a model on a server.",
            where="model",
            cure="Write openai:URL#NAME, such as openai:http://localhost:8000/v1#llama; ollama:NAME; or "
            "anthropic:NAME.",
        )
    return Server(address[1], address[2])


def _ollama_address(host_setting: str) -> str:
    """Return the address of Ollama's chat completions for the value of OLLAMA_HOST, as Ollama reads it."""
    parts = _HOST.fullmatch(host_setting.strip(" \"'"))
    if parts is None:
        raise OptionError(
            f"{host_setting!r} is not a host.", where="OLLAMA_HOST", cure="Write it as 127.0.0.1:11434."
        )
    scheme, host, port, path = parts.groups()
    port = port or {"http": "80", "https": "443"}.get(scheme, "11434")
    host = "127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host  # where it listens: at all addresses
    return f"{scheme or 'http'}://{host}:{port}{path.rstrip('/')}/v1"


class ServerHabits:
    """The fields that a model on a server was found to refuse. All writers of this model share one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._refused = set[str | None](server.leave_out)
        """The fields, and the schemas as text, that the server does not take."""
        self.breaks_schemas = False
        """Whether a reply broke its schema: then the schema stands in the prompt as well."""
        self.lock = threading.Lock()
        """Held while the server is asked whether it is structgen's, so that it is asked once."""
        self.is_structgen: bool | None = None
        """Whether the server says that it is structgen; None: it was not asked yet."""
        self.reads_texts = False
        """Whether the model of a structgen server reads texts alone, as the embedded models do."""

    def read_headers(self, headers: Mapping[str, str]) -> None:
        """Note what the headers of `/v1/models` say of the server."""
        self.is_structgen = bool(headers.get(VERSION_HEADER))
        self.reads_texts = self.is_structgen and headers.get(PROMPTS_HEADER) == "texts"

    def sent_name_of(self, name: str | None) -> str | None:
        """Return the field that is sent in place of a field, or that field itself; None: neither is sent. For
        example, `max_completion_tokens` for `max_tokens`."""
        for field in (name, _OTHER.get(name or "")):
            if field not in self._refused:
                return field
        return None

    def accepts_schema(self, schema: JsonObject) -> bool:
        """Tell whether a schema is sent in its field."""
        return not {SCHEMA, json.dumps(schema, sort_keys=True)} & self._refused

    def learn_from_error(self, error: Exception, body: JsonObject) -> bool:
        """Note which field of a request an error names. Return whether a new request is worth sending. A
        warning names a field that is left out from now on, for a person has asked for it."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        url, name = self._server.url, self._server.name
        error_text = f"{error} {words_of_error(error)} {getattr(error, 'code', None)}"
        param = str(getattr(error, "param", None) or "").split(".")[0]
        # a client may name the field apart; else it is looked for in the words
        mention = next((match for match in _NAMED.finditer(error_text) if match["word"]), None)
        field_name = param if param in body or mention is None else mention["field"] or SCHEMA
        is_refused = _REFUSED.search(error_text) or field_name == param == SCHEMA
        if not is_refused or field_name not in _OPTIONAL or field_name not in body:
            return False
        if field_name == SCHEMA:
            self._refused.add(json.dumps(body[SCHEMA]["json_schema"]["schema"], sort_keys=True))
        elif field_name not in self._refused:  # else another request was told the same a moment ago
            self._refused.add(field_name)
            if self.sent_name_of(field_name) is None:
                leave_out = tuple(_OTHER) if field_name in _OTHER else field_name
                message = (
                    f"{name} at {url} does not support {field_name}: it is omitted from now on. To "
                    f"avoid this warning, pass sg.Server({url!r}, {name!r}, "
                    f"leave_out={leave_out!r})."
                )
                warnings.warn(message, stacklevel=2)
        return True


KNOWN: dict[Server, ServerHabits] = {}
"""The habits of each model on a server, for the life of the process."""
