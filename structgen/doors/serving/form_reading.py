"""Forms (`multipart/form-data`) that are read as they come: one file, which is never held, and short fields.

What comes in: the bytes of a body, in pieces of any length. What goes out: the bytes of the file, piece by
piece, and the fields. All sizes have limits, and each field comes once, so that a form has few parts. The
work is proportional to the bytes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from structgen.doors.serving.api_errors import ApiError

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # what it warns of is told the client
MOST_HEADER_BYTES: Final = 8 << 10
"""Of the names and values of all headers of a part."""
MOST_FIELD_BYTES: Final = 1 << 10
"""Of the name of a file, and of the value of a field."""
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
    """A reader of one form. After `close`, `filename` has the name of the file in the field "file", "" where
    the form has none, and `fields` the values of the other fields."""

    def __init__(
        self,
        content_type: str,
        names: Collection[str],
        write: Callable[[bytes], object],
    ) -> None:
        """Make a reader for the body of a request. `content_type`: the header; `names`: the fields, beside
        the file, that the form may have; `write`: takes the bytes of the file. Errors: ApiError."""
        kind, parameters = read_parameters(content_type)
        if kind != "multipart/form-data":
            raise ApiError("The body's content-type must be multipart/form-data.", status=415)
        boundary = parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise ApiError("The boundary of content-type must have 1 to 70 characters of RFC 2046.")
        self.fields: dict[str, bytes] = {}
        self.filename: str | None = None
        self._names = names
        self._write = write
        self._is_whole = False
        self._parser = MultipartParser(
            boundary.encode(),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": partial(self._add_header, 0),
                "on_header_value": partial(self._add_header, 1),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_content,
                "on_end": self._end_form,
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
        # a form ends with its boundary
        if not self._is_whole:
            raise ApiError("The form was truncated. Send all of it.")
        if self.filename is None:
            raise ApiError("file: The form must have a file of this name.", param="file")

    def _begin_part(self) -> None:
        self._disposition, self._header, self._size = "", (bytearray(), bytearray()), 0

    def _add_header(
        self,
        half: int,
        data: bytes,
        start: int,
        end: int,
    ) -> None:
        """Read more of the name (`half` 0) or of the value (1) of a header."""
        self._header[half].extend(data[start:end])
        self._size += end - start
        # headers are held until they end
        if self._size > MOST_HEADER_BYTES:
            raise ApiError(f"The headers of a part must have at most {MOST_HEADER_BYTES:,} bytes.")

    def _end_header(self) -> None:
        name, value = self._header
        self._header = bytearray(), bytearray()
        if name.lower() == b"content-disposition":
            self._disposition += value.decode("utf-8", "replace")  # of two of them the names come twice

    def _end_headers(self) -> None:
        """Begin the content of a part, whose header says what it is."""
        parameters = read_parameters(self._disposition)[1]
        name = self._name = parameters.get("name", "")
        allowed_names = ("file", *self._names)
        if name not in allowed_names or name in self.fields or (name == "file" and self.filename is not None):
            raise ApiError(
                f"{name}: A form may have {', '.join(allowed_names)}, each of them once.", param=name
            )
        if name != "file":
            self.fields[name] = b""
            return
        self.filename = parameters.get("filename", "")
        # the name in its own encoding goes before the plain one
        if "filename*" in parameters:
            self.filename = _decode_extended(parameters["filename*"])
        _check_size("filename", self.filename.encode())

    def _add_content(
        self,
        data: bytes,
        start: int,
        end: int,
    ) -> None:
        if self._name == "file":
            self._write(data[start:end])
            return
        self.fields[self._name] += data[start:end]
        _check_size(self._name, self.fields[self._name])

    def _end_form(self) -> None:
        self._is_whole = True


def read_parameters(header: str) -> tuple[str, dict[str, str]]:
    """Return the first word of a header, in lower case, and its parameters: of `form-data; name="a"`
    "form-data" and {"name": "a"}. Raises ApiError for what is no parameter, for one that comes twice, and for
    extended ones (RFC 5987) other than `filename*`. Cost: proportional to the length."""
    kind = header.partition(";")[0]
    offset = len(kind)
    end = len(header.rstrip(" \t;"))
    parameters: dict[str, str] = {}
    while offset < end:
        match = _PARAMETER.match(header, offset)
        name = "" if match is None else match[1].lower()
        # two values for one name could be read in two ways
        if match is None or name in parameters or ("*" in name and name != "filename*"):
            fault = 'The header must have parameters such as name="a", each of them once'
            raise ApiError(f"{kind}: {fault}, from character {offset + 1} on.")
        quoted_value = match[2]
        offset = match.end()
        parameters[name] = (
            match[3].strip(" \t") if quoted_value is None else re.sub(r'\\(["\\])', r"\1", quoted_value)
        )
    return kind.strip(" \t").lower(), parameters


def _decode_extended(value: str) -> str:
    """Return the text of a parameter of RFC 5987, such as `UTF-8''%C3%A4`. Raises ApiError."""
    if match := _EXTENDED.fullmatch(value):
        with suppress(UnicodeDecodeError):
            return unquote(match[2], match[1], "strict")
    raise ApiError("filename*: The value must be UTF-8'' or ISO-8859-1'' and a text, as in RFC 5987.")


def _check_size(name: str, value: bytes) -> None:
    if len(value) > MOST_FIELD_BYTES:
        raise ApiError(f"{name}: The field must have at most {MOST_FIELD_BYTES:,} bytes.", param=name)
