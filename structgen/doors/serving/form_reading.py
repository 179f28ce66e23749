"""Forms (`multipart/form-data`) that are read as they come: one file, which is never held, and short fields.

What comes in: the bytes of a body, in pieces of any length. What goes out: the bytes of the file, piece by
piece, and the fields. All sizes have limits, and each field comes once, so that a form has few parts. The work
is proportional to the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from structgen.doors.serving.api_errors import ApiError

MOST_HEADER_BYTES: Final = 8 << 10
"""Of the names and values of all headers of a part."""
MOST_NAME_BYTES: Final = 1 << 10
"""Of the name of a field, of the name of a file, and of the value of a field."""
_BOUNDARY: Final = re.compile(r"[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]", re.ASCII)
"""RFC 2046, 5.1.1."""
_PARAMETER: Final = re.compile(
    r"""[ \t]*+;[; \t]*+([!#$%&'*+\-.^_`|~\w]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^";]*+))""",
    re.ASCII | re.DOTALL,
)
"""A parameter of a header: its name, and its value in quotes or without. Nothing is read twice."""
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[\w\-]*+'((?:[!-$&-~]|%[0-9a-f]{2})*+)", re.I | re.ASCII)
"""RFC 5987: a charset, a language, and a text in percent-encoding."""


class FormReader:
    """A reader of one form, in which a field "file" is required. After `close`, `fields` has the values of
    the other fields, and `filename` the name of the file, "" where the form has none."""

    def __init__(self, content_type: str, names: Collection[str], write: Callable[[bytes], object]) -> None:
        """Make a reader for the body of a request. `content_type`: the header; `names`: the fields, beside
        the file, that the form may have; `write`: takes the bytes of the file. Errors: ApiError."""
        kind, parameters = read_parameters(content_type, "content-type")
        if kind != "multipart/form-data":
            raise ApiError("The body's content-type must be multipart/form-data.", status=415)
        boundary = parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise ApiError("The boundary of content-type must have 1 to 70 characters of RFC 2046.")
        self.fields: dict[str, bytes] = {}
        self.filename: str | None = None
        self._names, self._write = names, write
        self._name = self._disposition = ""
        self._header, self._value = bytearray(), bytearray()
        self._header_bytes, self._is_whole = 0, False
        self._parser = MultipartParser(
            boundary.encode(),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_content,
                "on_end": self._end,
            },
        )
        # limits of single lines, lower in some versions than ours of all of them
        self._parser.max_header_size = self._parser.max_header_count = MOST_HEADER_BYTES

    def feed(self, piece: bytes) -> None:
        """Read more of the form. Errors: ApiError; those of `write`."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise ApiError(f"The body is not a form with this boundary: {error}.") from None

    def close(self) -> None:
        """End the form. Raises ApiError where it is cut off, or has no file."""
        if not self._is_whole:
            raise ApiError("The form was cut off. Send it whole.")
        if self.filename is None:
            raise ApiError("file: The form must have a file of this name.", param="file")

    def _begin_part(self) -> None:
        self._header_bytes, self._disposition = 0, ""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MOST_HEADER_BYTES:
            raise ApiError(f"The headers of a part must have at most {MOST_HEADER_BYTES:,} bytes.")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            if self._disposition:
                raise ApiError("A part of the form has two headers Content-Disposition. Send one.")
            self._disposition = self._value.decode("utf-8", "replace")
        self._header, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        """Begin the content of a part, whose header says what it is."""
        _, said = read_parameters(self._disposition, "Content-Disposition")
        name = self._name = said.get("name", "")
        filename = said.get("filename", "")
        if "filename*" in said:
            filename = _decode_extended(said["filename*"])
        if len(max(name, filename, key=len).encode()) > MOST_NAME_BYTES:
            raise ApiError(f"The names in a form must have at most {MOST_NAME_BYTES:,} bytes.")
        if name not in ("file", *self._names):
            what = f"{name}: The form may have the fields file, {', '.join(self._names)}, and no others."
            raise ApiError(what, param=name)
        if name in self.fields or (name == "file" and self.filename is not None):
            raise ApiError(f"{name}: The form has it twice. Send it once.", param=name)
        if name == "file":
            self.filename = filename
        else:
            self.fields[name] = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._write(data[start:end])
            return
        self.fields[self._name] += data[start:end]
        if len(self.fields[self._name]) > MOST_NAME_BYTES:
            what = f"{self._name}: The field must have at most {MOST_NAME_BYTES:,} bytes."
            raise ApiError(what, param=self._name)

    def _end(self) -> None:
        self._is_whole = True


def read_parameters(header: str, name: str) -> tuple[str, dict[str, str]]:
    """Return the first word of a header, in lower case, and its parameters: of `form-data; name="a"`
    "form-data" and {"name": "a"}. Raises ApiError for what is no parameter, for one that comes twice, and for
    extended ones (RFC 5987) other than `filename*`. Cost: proportional to the length."""
    kind = header.partition(";")[0]
    at, end = len(kind), len(header.rstrip(" \t;"))
    found: dict[str, str] = {}
    while at < end:
        match = _PARAMETER.match(header, at)
        parameter = "" if match is None else match[1].lower()
        is_extended = "*" in parameter and parameter != "filename*"
        if match is None or parameter in found or is_extended:
            what = f'{name}: At character {at + 1}, the header must have a parameter such as name="a"'
            raise ApiError(f"{what}, which comes once.")
        quoted = match[2]
        found[parameter] = match[3].strip(" \t") if quoted is None else re.sub(r'\\(["\\])', r"\1", quoted)
        at = match.end()
    return kind.strip(" \t").lower(), found


def _decode_extended(value: str) -> str:
    """Return the text of a parameter of RFC 5987, such as `UTF-8''%C3%A4`. Raises ApiError."""
    if match := _EXTENDED.fullmatch(value):
        with suppress(UnicodeDecodeError):
            return unquote_to_bytes(match[2]).decode(match[1])
    raise ApiError("filename*: The value must be UTF-8'' or ISO-8859-1'' and a text, as in RFC 5987.")
