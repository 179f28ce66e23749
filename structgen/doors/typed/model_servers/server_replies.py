"""Reading the reply of a model that nothing holds to its schema: where in it the document stands.

A server that keeps `response_format` sends the document and nothing else. Many others send thoughts before
it, a sentence around it, or a fence. `find_document` finds the document by rules that never choose between
two:

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
   example from it. The reply is refused, says so, and is asked for again.

Only objects, and lists that hold objects, are looked for in sentences. A number, a word or another list would
be found in many sentences that do not mean it: `[1]` is a list of integers and a footnote. These are read
where they are the whole reply, what follows the thoughts, or the content of a fence. A listed value may stand
there by its name, which is a string without its quotes, or in marks of quotation of any kind. What can be
read as JSON is: of the values 1 and "1" the reply `1` is the number. A document that was asked for inside of
an object is read as it is where no such object is found.

Nothing else is mended: comments, trailing commas and typographic quotes are not JSON. Only the quotes of a
text get its letters (`repairs`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from structgen.base.json_text.events import JsonError
from structgen.base.json_text.exact_json import JsonObject, read_exact
from structgen.base.json_text.growing_json import GrowingJson
from structgen.doors.typed.wrapping import WRAPPER, is_object, openings_of, unwrap_document, wrap_document
from structgen.machines.core.compiled import CompiledGrammar, first_fault
from structgen.machines.core.string_values import grammar_accepts

if TYPE_CHECKING:
    from structgen.asking.grounding.repairs import QuoteRepair

_TAG = r"(?:<{0}(?:think|thinking|reasoning)>|\[{0}THINK\])"
_OPENING = re.compile(_TAG.format(""))
_CLOSING = re.compile(_TAG.format("/"))
_LONGEST_TAG = len("</reasoning>")
_LINE = re.compile(rf"[ \t\r\ufeff]*+(?:(?P<bracket>[\[{{])|{_OPENING.pattern})")
"""The beginning of a line that begins with a bracket, or with thoughts."""
_GOING_ON = re.compile(rf"(?P<end>{_CLOSING.pattern}|\n)|[\[{{]")
"""What ends a line, or a bracket inside of one."""
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
_QUOTES = ("''", '""', "\u2018\u2019", "“”", "„“", "«»")
"""Marks of quotation that may stand around the name of a listed value, as those of code may (backticks)."""


@dataclass(frozen=True, slots=True)
class SentSchema:
    """The schema that a server is asked for, and the way from its documents to values."""

    schema: JsonObject
    byte_grammar: CompiledGrammar
    """Its grammar over bytes."""
    is_wrapped: bool
    """Whether an object with one member holds the value."""
    keeps_wrapper: bool
    """Whether the text of a result has this object, as that of a type has."""
    is_text_in_string: bool
    """Whether the value is the text of a string, without its quotes."""
    names: Mapping[str, str]
    """The JSON of each listed value by its name (`named_values`)."""
    make_repair: Callable[[], QuoteRepair] | None = None
    """Makes the repair of the quotes of a document; None: quotes stay as the model wrote them."""

    def openings_of(self, text: str) -> Iterator[tuple[str, str]]:
        """Return the `openings_of` a document."""
        return openings_of(text, is_wrapped=self.is_wrapped, is_string=self.is_text_in_string)

    def document_as_sent(self, text: str) -> str | None:
        """Return a text that is a document of the schema, or one once its quotes are repaired; None for any
        other."""
        return text if self._accepts(text) or self._accepts(self.repair_quotes(text)) else None

    def _accepts(self, text: str) -> bool:
        return grammar_accepts(self.byte_grammar, text)

    def repair_quotes(self, text: str) -> str:
        """Return a document with its quotes in the letters of the texts; any other text as it is."""
        if self.make_repair is None:
            return text
        repair = self.make_repair()
        return repair.repair_piece(text) + repair.open_string

    def document_of_bare(self, text: str) -> str | None:
        """Return the document for a text that stands without its wrapper or its quotes; None where the schema
        has none. The text is read as JSON, else as the name of a listed value, else as such a name in marks
        of quotation. For example, `red` stands for `{"value": "red"}`."""
        unquoted = text[1:-1] if text[:1] + text[-1:] in _QUOTES else text.strip("`")
        listed_value = self.names.get(text) or self.names.get(unquoted or text, text)
        candidates = [text, listed_value, json.dumps(text) if self.is_text_in_string else text]
        if self.is_wrapped:
            candidates = [wrap_document(text) for text in candidates]
        return next(filter(self.document_as_sent, candidates), None)

    def describe_fault(self, text: str) -> str:
        """Return in words why a text is no document. A text that begins an object is judged as a document,
        any other as the value inside of the wrapper."""
        if not self.is_wrapped or text.strip(_BLANKS).startswith("{"):
            return first_fault(self.byte_grammar, text)
        needs_quote = self.is_text_in_string and not text.strip(_BLANKS).startswith('"')
        prefix = wrap_document('"' if needs_quote else "")[:-1]
        return first_fault(self.byte_grammar, text, prefix)

    def unwrap_value(self, document: str) -> tuple[str, Any, dict[str, str]]:
        """Return the text and the value of the target in a document, and its strings that were repaired as
        the model wrote them, by JSON Pointer."""
        repaired_document = self.repair_quotes(document)
        repaired = dict[str, str]()
        if repaired_document != document and self._accepts(repaired_document):
            # start-up: few answers are grounded
            from structgen.asking.grounding.repairs import changed_strings

            prefix = f"/{WRAPPER}" if self.is_wrapped else ""
            changed = changed_strings(read_exact(document), read_exact(repaired_document))
            repaired = {path.removeprefix(prefix): string for path, string in changed.items()}
            document = repaired_document
        value = self.byte_grammar.value(document.encode("utf-8", "surrogatepass"))
        if self.is_wrapped and not self.keeps_wrapper:
            document, value = unwrap_document(document), value[WRAPPER]
        return value if self.is_text_in_string else document, value, repaired


@dataclass(frozen=True, slots=True)
class ReadReply:
    """The document that was found in a reply, or why there is none."""

    excerpt: str
    """The text that is read, as it stands in the reply; all of the reply where nothing is."""
    document: str | None
    """The document of this text; None where there is none."""
    thoughts: str = ""
    fault: str = ""
    """Why there is no document, if no single text is to blame: a sentence without its full stop."""


def read_document(reply: str, sent: SentSchema) -> ReadReply:
    """Return the document of a reply: one of the schema that was sent, else a value without its wrapper, else
    the reason why there is none. Cost: that of `find_document`, twice."""
    reading = find_document(reply, sent.document_as_sent, inside=is_object(sent.schema))
    if reading.document is None and not reading.fault:
        bare_reading = find_document(reply, sent.document_of_bare, inside=False)
        if bare_reading.document is not None or bare_reading.fault:
            return bare_reading
        fault = f"The reply does not match the schema: {sent.describe_fault(reading.excerpt)}"
        if sent.document_of_bare(reading.excerpt) is not None:
            fault = "The reply contains the value inside a sentence, and the schema is not an object, "
            fault += "so the value cannot be extracted"
        reading = replace(reading, fault=fault)
    return reading


def find_document(reply: str, document_of: Callable[[str], str | None], *, inside: bool) -> ReadReply:
    """Return the document of a reply, by the rules of this module. `document_of` returns the document of a
    text, or None; `inside`: whether any object in a sentence is a candidate. Cost: linear in the reply, and a
    call of `document_of` for each candidate."""
    if not reply.strip(_BLANKS):
        return ReadReply(reply, None, fault="The reply is empty")
    parts = split_thoughts(reply)
    thoughts, rest = parts if parts is not None else ("", "")
    # rules 1 and 2: the whole reply, and all that follows the thoughts
    candidates = ((reply, ""), (reply.strip(_BLANKS), ""), (rest.strip(_BLANKS), thoughts))
    for candidate, thoughts_before in candidates:
        if (document := document_of(candidate)) is not None:
            return ReadReply(candidate, document, thoughts_before)
    if parts is None or (thoughts and not rest.strip(_BLANKS)):
        return ReadReply(reply, None, thoughts, "The reply contains only reasoning: no answer follows it")
    # rule 3: fences, then objects and lists in sentences
    values = list(dict.fromkeys(_bracketed_texts(rest)))
    fences = [fence for fence in _FENCE.finditer(rest) if fence["open"] is None]
    blocks = [fence["content"].strip(_BLANKS) for fence in fences]
    blocks += [value for value in values if inside or (value[0] == "[" and "{" in value)]
    # rule 4: exactly one of them is a document, whatever the number of its copies
    documents: dict[str, tuple[str, str]] = {}
    for block in dict.fromkeys(blocks):
        if (document := document_of(block)) is not None:
            documents.setdefault(_comparable_value(document), (block, document))
    if len(documents) == 1:
        ((block, document),) = documents.values()
        return ReadReply(block, document, thoughts)
    if documents:
        fault = f"The reply contains {len(documents)} different documents that match the schema"
        return ReadReply(reply, None, thoughts, fault)
    return ReadReply(values[0] if inside and len(values) == 1 else reply, None, thoughts)


def split_thoughts(reply: str) -> tuple[str, str] | None:
    """Return the thoughts at the beginning of a reply, without their tags, and what follows them; None for
    thoughts that are not closed."""
    thoughts, rest = list[str](), reply
    while True:
        opening = _OPENING.match(rest.lstrip(_BLANKS))
        closing = _CLOSING.search(rest)
        if opening is not None and closing is None:
            return None
        # the server may have put the first opening tag into the prompt, but no other
        if closing is None or (opening is None and thoughts):
            return "\n".join(thoughts), rest
        thought = rest[: closing.start()].lstrip(_BLANKS)
        if opening is not None:
            thought = thought[opening.end() :]
        thoughts.append(thought.strip())
        rest = rest[closing.end() :]


def _bracketed_texts(text: str) -> Iterator[str]:
    """Yield each outermost text between brackets that close. A bracket that stays open ends the search."""
    offset = 0
    while (opening := re.compile(r"[\[{]").search(text, offset)) is not None:
        depth = 0
        for mark in _MARK.finditer(text, opening.start()):
            depth += (mark[0] in "[{") - (mark[0] in "]}")
            if not depth:
                break
        if depth:
            return
        offset = mark.end()
        yield text[opening.start() : offset]


def _comparable_value(document: str) -> str:
    """Return a text that is the same for equal JSON values."""
    try:
        return json.dumps(json.loads(document), sort_keys=True)
    except (ValueError, RecursionError):
        return document


class ArrivingObject:
    """Finds the object or the array in a reply that arrives in pieces. It begins with the first bracket
    outside of thoughts, if a line begins with this bracket, and goes as far as it is JSON. At the end
    `find_document` decides whether it is the document."""

    def __init__(self, bracket: str = "{") -> None:
        self.reply, self._bracket = "", bracket
        self._line = 0
        """The offset of the last line, or of the text behind the thoughts."""
        self._is_hidden = False
        """Whether the object can only begin behind thoughts that end: inside of them, or behind another
        bracket."""
        self._reader: GrowingJson | None = None
        """Reads the object; None before it begins."""
        self._is_over = False
        """Whether the object has ended, or is no JSON from here on."""

    @property
    def excerpt(self) -> str:
        """The object so far, as it stands in the reply."""
        return "" if self._reader is None else self._reader.text

    def add_piece(self, piece: str) -> None:
        """Take a piece. Cost: linear in it, and in the white space before the line's first character."""
        offset, self.reply = len(self.reply), self.reply + piece
        while self._reader is None:
            head = None if self._is_hidden else _LINE.match(self.reply, self._line)
            if head is not None and head["bracket"] == self._bracket:
                self._reader, offset = GrowingJson(), head.start("bracket")
                break
            self._is_hidden = self._is_hidden or head is not None
            ends = _CLOSING if self._is_hidden else _GOING_ON
            end = ends.search(self.reply, max(self._line, offset - _LONGEST_TAG))
            if end is None:
                return
            self._is_hidden = not self._is_hidden and end["end"] is None
            self._line = end.start() if self._is_hidden else end.end()
        if not self._is_over:
            try:
                self._reader.feed(self.reply[offset:])
                self._is_over = self._reader.is_whole
            except JsonError:
                self._is_over = True
