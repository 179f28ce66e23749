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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from structgen.asking.grounding.grounded_grammar import NamedTexts
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import OptionError, prefix_place
from structgen.base.language.checks import content_text, unsupported_content

PdfReader: TypeAlias = Callable[[bytes], str]
"""A function from the bytes of a PDF file to its text."""
_DOCUMENT_TYPES: Final = ("document", "search_result", "file", "input_file")
_DATA_ADDRESS: Final = re.compile(
    r"data:([\w.+-]+/[\w.+-]+|(?=;base64,))((?:;[^;,\s]*)*),(.*)", re.DOTALL | re.ASCII
)
"""An address that holds its data: the media type, parameters, the data."""
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,}\r?\n)*[A-Za-z0-9+/]+={0,2}\s*")
_SHORT: Final = 64
"""The length of the shortest data that must be base64 if base64 has all of its characters. Shorter data may
be a word."""
_PDF_SIGN: Final = b"%PDF-"
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a]")
"""Characters that texts do not have."""


class PartDocument(NamedTuple):
    """A document of a conversation."""

    tag: Literal["document", "search_result"]
    """The name of the tags around the text in a prompt."""
    text: str
    title: str = ""
    source: str = ""
    """The address of a search result."""
    context: str = ""
    """A text about the document that comes before it in a prompt, and is not a part of it."""
    blocks: tuple[str, ...] = ()
    """The pieces by which the document is cited; the text is these, joined by line ends. (): the document is
    cited by characters."""
    is_cited: bool = False

    @property
    def prompt_text(self) -> str:
        """The document as a model reads it."""
        attributes = (("title", self.title), ("source", self.source))
        written = "".join(f' {name}="{value}"' for name, value in attributes if value)
        return "\n".join(filter(None, (f"<{self.tag}{written}>", self.context, self.text, f"</{self.tag}>")))


@dataclass(slots=True)
class Conversation:
    """The turns of a conversation, whose documents are parts of text, and the documents in their order."""

    turns: list[JsonObject] = field(default_factory=list)
    documents: list[PartDocument] = field(default_factory=list)
    last_turn: int = 0
    """The number of documents before the last turn of the user. Results of tools are not the user's turn."""

    @property
    def last_documents(self) -> Sequence[PartDocument]:
        """The documents of the last turn of the user, and of what follows it."""
        return self.documents[self.last_turn :]


def read_conversation(
    turns: Sequence[Mapping[str, Any]],
    where: str,
    read_pdf: PdfReader | None = None,
    first: int = 0,
) -> Conversation:
    """Return a conversation in which each document is a part of the type "text".

    `turns`: turns whose shapes were checked (`request_members`). `where`: the member that holds them, for
    errors; `first`: the number of the first turn. `read_pdf`: None: PDF files are refused. Raises
    OptionError, with the place, for a document without a text, and for one that is not a text. Cost: linear,
    and that of `read_pdf`. Example: `read_conversation(body["messages"], "messages").turns`.
    """
    conversation = Conversation()

    def read_parts(parts: Any, place: str) -> Any:
        return (
            parts
            if not isinstance(parts, list)
            else [read_part(part, f"{place}/{index}") for index, part in enumerate(parts)]
        )

    def read_part(part: JsonObject, place: str) -> JsonObject:
        if part["type"] == "tool_result":
            return {**part, "content": read_parts(part.get("content"), f"{place}/content")}
        if part["type"] not in _DOCUMENT_TYPES:
            return part
        document = _read_document(part, place, read_pdf)
        if not document.text.strip():
            fault = "The document contains no text."
            raise OptionError(fault, where=place, cure="Remove the part, or send its text.")
        conversation.documents.append(document)
        return {"type": "text", "text": document.prompt_text}

    for number, turn in enumerate(turns, first):
        content = turn.get("content")
        is_result = isinstance(content, list) and all(part["type"] == "tool_result" for part in content)
        if turn.get("role") == "user" and not is_result:
            conversation.last_turn = len(conversation.documents)
        conversation.turns.append(
            {
                **turn,
                **{
                    member: read_parts(turn[member], f"{where}/{number}/{member}")
                    for member in ("content", "output")
                    if member in turn
                },
            }
        )
    return conversation


def name_documents(documents: Sequence[PartDocument]) -> NamedTexts:
    """Return the texts of documents, each with its title as its name. A document without a title is named by
    its number, and the number follows a title that repeats: "document 1", "mail", "mail (3)"."""
    texts: dict[str, str] = {}
    for number, document in enumerate(documents, 1):
        name = document.title or f"document {number}"
        while name in texts:
            name += f" ({number})"
        texts[name] = document.text
    return tuple(texts.items())


def _read_document(part: JsonObject, place: str, read_pdf: PdfReader | None) -> PartDocument:
    """Return the document that a part holds. Raises OptionError, with the place."""
    title = part.get("title") or ""
    is_cited = bool((part.get("citations") or {}).get("enabled"))
    if part["type"] == "search_result":
        blocks = tuple(block["text"] for block in part["content"])
        text = "\n".join(blocks)
        return PartDocument("search_result", text, title, part["source"], "", blocks, is_cited)
    if part["type"] == "document":
        source = part["source"]
        context = part.get("context") or ""
        blocks = ()
        if source["type"] == "text":
            text = source["data"]
        elif source["type"] == "content":
            content = source["content"]
            content_place = f"{place}/source/content"
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            blocks = tuple(
                content_text([block], content_place, "/{}", index) for index, block in enumerate(parts)
            )
            text = "\n".join(blocks)
        elif source["type"] == "base64":
            with prefix_place(f"{place}/source/data"):
                text = _decode_file(_decode_base64(source["data"]), source["media_type"], read_pdf)
        else:
            raise _not_fetched(source["type"], f"{place}/source/type")
        return PartDocument("document", text, title, "", context, blocks, is_cited)
    file, place = (part, place) if part["type"] == "input_file" else (part["file"], f"{place}/file")
    for member in ("file_id", "file_url"):
        if file.get(member):
            raise _not_fetched(member, f"{place}/{member}")
    with prefix_place(f"{place}/file_data"):
        text = _read_file_data(file.get("file_data") or "", read_pdf)
    return PartDocument("document", text, file.get("filename") or "")


def _not_fetched(member: str, place: str) -> OptionError:
    fault = f"A document of the kind {member!r} is not supported: the server fetches no files."
    return OptionError(fault, where=place, cure="Send the text of the document.")


def _read_file_data(data: str, read_pdf: PdfReader | None) -> str:
    """Return the text of `file_data`: an address of the scheme `data`, base64, or the text itself."""
    if address := _DATA_ADDRESS.fullmatch(data):
        media_type, parameters, content = address.groups()
        if parameters.endswith(";base64"):
            return _decode_file(_decode_base64(content), media_type, read_pdf)
        return _decode_file(unquote_to_bytes(content.encode("utf-8", "replace")), media_type, read_pdf)
    if not _BASE64.fullmatch(data):
        return data
    try:
        return _decode_file(_decode_base64(data), "", read_pdf)
    except OptionError:
        if len(data) < _SHORT:
            return data
        raise


def _decode_base64(data: str) -> bytes:
    try:
        return b64decode("".join(data.split()), validate=True)
    except ValueError as error:
        raise OptionError(f"The data must be base64: {error}.", cure="Encode the file again.") from None


def _decode_file(data: bytes, media_type: str, read_pdf: PdfReader | None) -> str:
    """Return the text of a file. `media_type`: as its client says; "": unknown."""
    if media_type == "application/pdf" or data.startswith(_PDF_SIGN):
        if read_pdf is None:
            cure = "Send the text of the file, or have the server started with --documents."
            raise OptionError("PDF files are not supported by this server.", cure=cure)
        return read_pdf(data)
    if media_type.startswith(("image/", "audio/", "video/")):
        raise unsupported_content(media_type)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if _BINARY.search(text):
        fault = f"The file must be a text in UTF-8, got {media_type or 'other bytes'!r}."
        raise OptionError(fault, cure="Send the text of the file.")
    return text
