"""Reading the reply of a server: where in it the document stands.

A server that keeps `response_format` sends the document and nothing else. Many others send thoughts before
it, a sentence around it, or a fence. `read` finds the document by rules that never choose between two:

1. The whole reply, if it is a document. Everything below is for replies that are none.
2. Thoughts are taken apart: `<think>...</think>` at the beginning, also where only `</think>` is there,
   because the server put the opening tag into the prompt. What follows them may be a document as a whole. In
   the thoughts themselves none is looked for.
3. What is left shows candidates: the content of each fence (the word behind the marks says nothing), and
   each outermost `{...}` and `[...]`. Nothing is looked for inside of a candidate: a part of an answer is no
   answer, and what stands in brackets that are not JSON may be a part of something broken.
4. Exactly one of the candidates is a document: it is the answer. A candidate that the schema refuses
   cannot be what was asked for: so a footnote `[1]` or a broken draft does no harm, and no choice is made.
   The same value twice is one. With two different documents nothing tells a draft from the answer, nor an
   example from it: the reply is refused, says so, and is asked for again.

Only objects of the schema that was sent are looked for in sentences (`inside`). A number, a word or a list
would be found in many sentences that do not mean it: `[1]` is a list of integers and a footnote. These are
read where they are the whole reply, what follows the thoughts, or the content of the one fence.

Nothing is mended: comments, trailing commas and typographic quotes are not JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from structgen.core.compiled import CompiledGrammar
from structgen.json_text.events import JsonError
from structgen.json_text.growing_json import GrowingJson

_TAG = r"(?:<{0}(?:think|thinking|reasoning)>|\[{0}THINK\])"
_OPENING = re.compile(_TAG.format(""))
_CLOSING = re.compile(_TAG.format("/"))
_LONGEST_TAG = len("</reasoning>")
_LINE = re.compile(rf"[ \t\r\ufeff]*+(?:(?P<object>\{{)|(?P<tag>{_OPENING.pattern}))")
"""The beginning of a line that begins an object, or thoughts."""
_LINE_END = re.compile(rf"\n|{_CLOSING.pattern}")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""What opens or closes brackets, and strings, whose brackets are text."""
_FENCE = re.compile(
    r"^[ \t]*(?P<marks>(?P<mark>[`~])(?P=mark){2,}+)[^`\n]*\n(?P<content>(?s:.*?))"
    r"(?:^[ \t]*(?P=marks)(?P=mark)*\s*?$|(?P<open>\Z))",
    re.MULTILINE,
)
"""A line that opens a fence, and what follows it up to a line of at least as many marks alone."""
_BLANKS = " \t\r\n\ufeff"
"""What may stand around a document: JSON's white space and the byte order mark."""


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
    """Return what a server says with an error of the openai package, or of JSON; "" where it says nothing."""
    response = getattr(error, "response", None)
    if response is None:
        return words_of(getattr(error, "body", None) or getattr(error, "doc", None))
    try:
        return words_of(response.json())
    except ValueError:
        return words_of(response.text)


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What was found in a reply."""

    found: str
    """The text that is read, as it stands in the reply; all of the reply where nothing is."""
    document: str | None
    """The document that it says; None where it says none."""
    thoughts: str = ""
    fault: str = ""
    """Why there is no document, where that is no matter of one text: a sentence without its full stop."""


def read(reply: str, document_of: Callable[[str], str | None], *, inside: bool) -> ReadReply:
    """Return what a reply says, by the rules above. `document_of` returns the document that a text is, or
    None; `inside`: whether a sentence may hold it. Cost: linear in the reply, and a call for each
    candidate."""
    if not reply.strip(_BLANKS):
        return ReadReply(reply, None, fault="The reply is empty")
    parts = thoughts_apart(reply)
    thoughts, rest = parts if parts is not None else ("", "")
    for whole, before in ((reply, ""), (reply.strip(_BLANKS), ""), (rest.strip(_BLANKS), thoughts)):
        if (document := document_of(whole)) is not None:
            return ReadReply(whole, document, before)
    if parts is None:
        return ReadReply(reply, None, fault="The reply is thoughts alone: their tag is never closed")
    fences = _FENCE.finditer(rest)
    blocks = [one["content"].strip(_BLANKS) for one in fences if one["open"] is None]
    if inside:
        blocks += _bracketed(rest)
    elif len(blocks) > 1:
        return ReadReply(reply, None, thoughts)
    documents: dict[str, tuple[str, str]] = {}
    for one in dict.fromkeys(blocks):
        if (document := document_of(one)) is not None:
            documents.setdefault(_value_of(document), (one, document))
    if len(documents) == 1:
        ((one, document),) = documents.values()
        return ReadReply(one, document, thoughts)
    if documents:
        what = f"The reply has {len(documents)} different documents, and does not say which is meant"
        return ReadReply(reply, None, thoughts, what)
    values = list(dict.fromkeys(_bracketed(rest)))
    return ReadReply(values[0] if inside and len(values) == 1 else reply, None, thoughts)


def thoughts_apart(reply: str) -> tuple[str, str] | None:
    """Return the thoughts at the beginning of a reply, without their tags, and what follows them; None for
    thoughts that are not closed."""
    thoughts, rest = list[str](), reply
    while True:
        begun = _OPENING.match(rest.lstrip(_BLANKS))
        ended = _CLOSING.search(rest)
        if begun is not None and ended is None:
            return None
        if ended is None or (begun is None and thoughts):
            return "\n".join(thoughts), rest
        said = rest[: ended.start()].lstrip(_BLANKS)
        thoughts.append(said[begun.end() if begun is not None else 0 :].strip())
        rest = rest[ended.end() :]


def _bracketed(text: str) -> Iterator[str]:
    """Yield each outermost text between brackets that close; what one leaves open ends the search."""
    at = 0
    while (begun := re.compile(r"[\[{]").search(text, at)) is not None:
        depth = 0
        for mark in _MARK.finditer(text, begun.start()):
            depth += (mark[0] in "[{") - (mark[0] in "]}")
            if not depth:
                break
        if depth:
            return
        at = mark.end()
        yield text[begun.start() : at]


def _value_of(document: str) -> str:
    """Return a text that is the same for equal JSON values."""
    try:
        return json.dumps(json.loads(document), sort_keys=True)
    except (ValueError, RecursionError):
        return document


def accepts(compiled: CompiledGrammar, text: str) -> bool:
    """Tell whether a text is one of a grammar's. Linear in the text."""
    state = compiled.step_bytes(compiled.start, text.encode("utf-8", "surrogatepass"))
    return state is not None and compiled.accepts_end(state)


def first_fault(compiled: CompiledGrammar, text: str) -> str:
    """Return in words where a text leaves a grammar, and what could have come there; "" where it is one of
    its texts. Linear in the text."""
    if accepts(compiled, text):
        return ""
    state, at, data = compiled.start, 0, text.encode("utf-8", "surrogatepass")
    while at < len(data) and (after := compiled.step_bytes(state, data[at : at + 1])) is not None:
        state, at = after, at + 1
    expected = [one.what for one in compiled.expected(state) if one.what != "white space"]
    found = (
        "it ends too early"
        if at == len(data)
        else f"{data[at:].decode('utf-8', 'replace')[:1]!r} cannot come"
    )
    return f"{found} at byte {at}, where {' or '.join(expected[:3])} was expected"


class ArrivingObject:
    """Finds the object in a reply that arrives in pieces: what begins with the first line that begins with
    `{` outside of thoughts, as far as it is JSON. `read` has the last word on whether it is the document."""

    def __init__(self) -> None:
        self.reply = ""
        self._line = 0
        """Where the last line begins, or what stands behind the thoughts."""
        self._thinks = False
        self._reader: GrowingJson | None = None
        """Reads the object; None before it begins."""
        self._is_over = False
        """Whether it has ended, or is no JSON from here on."""

    @property
    def found(self) -> str:
        """The object so far, as it stands in the reply."""
        return "" if self._reader is None else self._reader.text

    def add(self, piece: str) -> None:
        """Take a piece. Cost: linear in it, and in the white space before the line's first character."""
        at, self.reply = len(self.reply), self.reply + piece
        while self._reader is None:
            head = _LINE.match(self.reply, self._line)
            self._thinks = self._thinks or (head is not None and head["tag"] is not None)
            if head is not None and head["object"] and not self._thinks:
                self._reader, at = GrowingJson(), head.start("object")
                break
            end = _LINE_END.search(self.reply, max(self._line, at - _LONGEST_TAG))
            if end is None:
                return
            self._thinks, self._line = self._thinks and end[0] == "\n", end.end()
        if not self._is_over:
            try:
                self._reader.feed(self.reply[at:])
                self._is_over = self._reader.is_whole
            except JsonError:
                self._is_over = True
