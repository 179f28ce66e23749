"""Reads the documents of a conversation: parts of messages that hold a text with a title.

A *part* is an object in the content of a message; Anthropic calls it a block. A *document* is a part of the
types `document`, `search_result` (Anthropic), `file` or `input_file` (OpenAI). A model reads it as this text:

    <document title="mail.txt">
    Dear Ada, ...
    </document>

A *title* is the title of a block or the name of a file. A *turn* is a message, or an item of OpenAI's
responses. A *cited* document is one whose client asks for citations.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from structgen.asking.grounding.grounded_grammar import NamedTexts
from structgen.base.errors import OptionError, prefix_place
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.checks import content_text

_FILES: Final = ("file", "input_file")
_DATA_ADDRESS: Final = re.compile(r"data:([\w.+/-]*)(?:;[^;,\s]+)*;base64,", re.ASCII)
"""The beginning of an address that holds its data in base64. The group is the media type."""
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,}\r?\n)*[A-Za-z0-9+/]+={0,2}\s*")
SHORT_DATA: Final = 64
"""The length of the shortest data that must be base64 if base64 has all of its characters. Shorter data may
be a word."""
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a\ud800-\udfff]")
"""Characters that texts do not have."""


class PartDocument(NamedTuple):
    """A document of a conversation."""

    title: str
    text: str
    blocks: tuple[str, ...]
    """The pieces by which the document is cited; the text is these, joined by line ends. (): the document is
    cited by characters."""
    source: str | None
    """The address of a search result; None: the document is not a search result."""
    is_cited: bool


@dataclass(slots=True)
class Conversation:
    """The turns of a conversation, whose documents are parts of text, and the documents in their order.

    `read_pdf`: a function from the bytes of a PDF file to its text.
    """

    read_pdf: Callable[[bytes], str]
    turns: list[JsonObject] = field(default_factory=list)
    documents: list[PartDocument] = field(default_factory=list)
    last_turn: int = 0
    """The number of documents before the last turn of the user. Results of tools are not the user's turn."""

    @property
    def last_documents(self) -> Sequence[PartDocument]:
        """The documents of the last turn of the user, and of what follows it."""
        return self.documents[self.last_turn :]

    def read_turns(self, turns: Iterable[JsonObject], where: str, first: int) -> None:
        """Add turns, in which each document becomes a part of the type "text".

        `turns`: turns whose shapes were checked (`request_members`). `where`: the member that holds them, for
        errors; `first`: the number of the first turn. Raises OptionError, with the place, for a document
        without a text, and for one that is not a text. Cost: linear, and that of `read_pdf`.
        """
        for number, turn in enumerate(turns, first):
            content = turn.get("content")
            # Anthropic's turn of the user may have nothing but results of tools
            is_result = isinstance(content, list) and all(part["type"] == "tool_result" for part in content)
            if turn.get("role") == "user" and not is_result:
                self.last_turn = len(self.documents)
            self.turns.append(self._read_members(turn, f"{where}/{number}"))

    def _read_members(self, owner: JsonObject, place: str) -> JsonObject:
        """Return a turn or a part of one, such as a result of a tool, with its documents as parts of text."""
        # OpenAI's results of tools have their parts in the member `output`
        return {
            name: [self._read_part(part, f"{place}/{name}/{index}") for index, part in enumerate(value)]
            if name in ("content", "output") and isinstance(value, list)
            else value
            for name, value in owner.items()
        }

    def _read_part(self, part: JsonObject, place: str) -> JsonObject:
        if part["type"] not in ("document", "search_result", *_FILES):
            return self._read_members(part, place)
        document = self._read_document(part, place)
        # an address that is not fetched gives no text, either
        if not document.text.strip():
            cure = "Send its text: files and addresses are not fetched."
            raise OptionError("The document contains no text.", where=place, cure=cure)
        self.documents.append(document)
        tag = "document" if document.source is None else "search_result"
        attributes = (("title", document.title), ("source", document.source))
        opening = "".join(f' {name}="{value}"' for name, value in attributes if value)
        # the context of a document is told, and is not a part of its text
        lines = (f"<{tag}{opening}>", part.get("context"), document.text, f"</{tag}>")
        return {"type": "text", "text": "\n".join(filter(None, lines))}

    def _read_document(self, part: JsonObject, place: str) -> PartDocument:
        """Return the document that a part holds; its text is "" where the part has none."""
        title, text = part.get("title"), ""
        blocks: tuple[str, ...] = ()
        source: Any = part.get("source")
        if part["type"] in _FILES:
            # chat completions have the file in a member, and responses in the part itself
            file = part.get("file") or part
            title = file.get("filename")
            with prefix_place(f"{place}{'' if file is part else '/file'}/file_data"):
                text = self._read_file_data(file.get("file_data") or "")
        # the source of a search result is an address, and that of a document an object
        elif isinstance(source, str):
            blocks = tuple(block["text"] for block in part["content"])
        elif source["type"] == "base64":
            with prefix_place(f"{place}/source/data"):
                text = self._decode_file(source["data"], source["media_type"])
        elif isinstance(content := source.get("content"), list):
            content_place = f"{place}/source/content"
            blocks = tuple(
                content_text([block], content_place, "/{}", index) for index, block in enumerate(content)
            )
        else:
            text = content or source.get("data")
        return PartDocument(
            title or "",
            text or "\n".join(blocks),
            blocks,
            source if isinstance(source, str) else None,
            bool((part.get("citations") or {}).get("enabled")),
        )

    def _read_file_data(self, data: str) -> str:
        """Return the text of `file_data`: an address of the scheme `data`, base64, or the text itself."""
        if address := _DATA_ADDRESS.match(data):
            return self._decode_file(data[address.end() :], address[1])
        if _BASE64.fullmatch(data):
            try:
                return self._decode_file(data)
            except OptionError:
                if len(data) >= SHORT_DATA:
                    raise
        return data

    def _decode_file(self, data: str, media_type: str = "") -> str:
        """Return the text of a file, whose bytes are written in base64. `media_type`: as its client says;
        "": unknown."""
        try:
            # encoders for mail break lines
            content = b64decode("".join(data.split()), validate=True)
        except ValueError as error:
            raise OptionError(f"The data must be base64: {error}.", cure="Encode the file again.") from None
        # clients that do not know a type send any
        if media_type == "application/pdf" or content.startswith(b"%PDF-"):
            return self.read_pdf(content)
        # bytes that are not UTF-8 become halves of surrogate pairs
        text = content.decode("utf-8-sig", "surrogateescape")
        if _BINARY.search(text):
            fault = f"The file must be a text in UTF-8, got {media_type or 'other bytes'!r}."
            raise OptionError(fault, cure="Send the text of the file.")
        return text


def name_documents(documents: Iterable[PartDocument]) -> NamedTexts:
    """Return the texts of documents, each with its title as its name. A document without a title is named by
    its number, and the number follows a title that repeats: "document 1", "mail", "mail (3)"."""
    texts: dict[str, str] = {}
    # a numbered title may be the title of another document
    for number, document in enumerate(documents, 1):
        name = document.title or f"document {number}"
        while name in texts:
            name += f" ({number})"
        texts[name] = document.text
    return tuple(texts.items())
