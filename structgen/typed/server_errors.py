"""What goes wrong with a server: its words on one line, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from structgen.errors import StructgenError

URL_CURE: Final = "Check that the URL is that of an OpenAI-compatible server: it mostly ends in /v1."
REQUEST_CURE: Final = "The server does not take this request: its message says which part."
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


def told_error(error: Exception, cures: Mapping[str, str], *, url: str, name: str) -> StructgenError:
    """Return the error of a request to a model that failed in a client, or whose reply is no JSON. `cures`:
    those of the protocol, by the names of the client's errors."""
    words, what = words_of_error(error), "The server failed"
    status, cure = getattr(error, "status_code", 0), cures.get(type(error).__name__, "See the server's log.")
    if isinstance(error, ValueError):
        what, cure = "The server's reply is not JSON", URL_CURE
    elif status in (400, 422) and not words:
        cure = "The server does not take this request, and does not say why: see its log."
    told = "" if words in " ".join(str(error).split()) else f" - {words}"
    what = f"{what}: {type(error).__name__}: {str(error).rstrip('.')}{told.rstrip('.')}."
    return StructgenError(what, where=url, cure=cure.format(name=name, url=url))


def no_answer(what: str, said: Any, url: str, cure: str = URL_CURE) -> StructgenError:
    """Return the error of a reply, of status 200, that is no answer: perhaps it says why."""
    words = words_of(said)
    if words:
        what = f"{what} It says: {words.rstrip('.')}."
        cure = cure if isinstance(said, str) else REQUEST_CURE  # a page is of another server
    return StructgenError(what, where=url, cure=cure)
