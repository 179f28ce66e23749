"""Forms: what a slow reader of whole bodies reads, whatever the pieces are; limits; work in proportion."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from served_apps import app_of, http_client, run

import structgen as sg
from structgen.doors.serving import form_reading
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.form_reading import (
    MOST_FIELD_BYTES,
    MOST_HEADER_BYTES,
    FormReader,
    read_parameters,
)
from structgen.doors.serving.server_options import ServerOptions

KIND = "multipart/form-data; boundary=XY"
FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
Read = tuple[str | None, bytes, dict[str, bytes]]


def part(name: str, content: bytes = b"batch", more: str = "", headers: bytes = b"") -> bytes:
    head = f'--XY\r\nContent-Disposition: form-data; name="{name}"{more}\r\n'.encode()
    return head + headers + b"\r\n" + content + b"\r\n"


END = b"--XY--\r\n"
FILE = part("file", b"abc", '; filename="a"')


def read(data: bytes, kind: str = KIND, pieces: Callable[[], int] | None = None) -> Read:
    """Return the name of the file, its bytes, and the fields of a form that comes in pieces."""
    found = list[bytes]()
    reader, at = FormReader(kind, FIELDS, found.append), 0
    while at < len(data):
        size = len(data) if pieces is None else pieces()
        reader.feed(data[at : at + size])
        at += size
    reader.close()
    return reader.filename, b"".join(found), reader.fields


def status(data: bytes, kind: str = KIND) -> int:
    """Return the status of what is refused; 200 if nothing is."""
    try:
        read(data, kind)
    except ApiError as error:
        assert error.message.endswith("."), error.message
        return error.status
    return 200


def slowly_read(data: bytes, boundary: bytes) -> dict[str, tuple[str, bytes]]:
    """Return the parts of a whole form by name, as the definition says: its delimiters are lines."""
    pieces = (b"\r\n" + data).split(b"\r\n--" + boundary)
    found = {}
    for one in pieces[1:-1]:
        head, _, content = one.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        quoted = head.decode().split('"')
        found[quoted[1]] = (quoted[3] if len(quoted) > 3 else "", content)
    return found


def drawn_form(draw: random.Random, boundary: bytes) -> bytes:
    """Return a form whose contents look like its delimiters."""
    bits = [b"\r", b"\n", b"\r\n", b"-", b"--", boundary[:-1], boundary[:1], b"--" + boundary[:-1], b"a", b""]
    names = draw.sample(["file", *FIELDS], draw.randint(1, 4))
    said = b""
    for name in names:
        content = b"".join(draw.choice(bits) for _ in range(draw.randint(0, 40)))
        filename = draw.choice(["a", "a;b", "\u00e4 \u4e2d", "=;"])
        more = f'; filename="{filename}"' * (name == "file")
        said += b"--" + boundary + f'\r\nContent-Disposition: form-data; name="{name}"{more}'.encode()
        said += b"\r\nX-More: 1" * draw.randint(0, 2) + b"\r\n\r\n" + content + b"\r\n"
    return said + b"--" + boundary + draw.choice([b"--", b"--\r\n", b"--\r\nmore"])


def check_forms(seeds: range) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        boundary = bytes(draw.choices(b"XY-", k=draw.randint(1, 6))) + b"Z"
        data = drawn_form(draw, boundary)
        wanted = slowly_read(data, boundary)
        kind = f'multipart/form-data; boundary="{boundary.decode()}"'
        size = draw.choice([1, 2, 7, 60])
        if "file" not in wanted:
            assert status(data, kind) == 400
            continue
        filename, content, fields = read(data, kind, lambda size=size, draw=draw: draw.randint(1, size))
        assert (filename, content) == wanted.pop("file"), (seed, data)
        assert fields == {name: value for name, (_, value) in wanted.items()}, (seed, data)


def test_a_form_is_read_as_its_definition_says_in_pieces_of_any_length() -> None:
    check_forms(range(300))


@pytest.mark.slow
def test_twenty_thousand_forms_are_read_as_the_definition_says() -> None:
    check_forms(range(1000, 21_000))


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ('; filename="a\\"b\\\\c"', 'a"b\\c'),
        ('; filename="C:\\dir\\a"', "C:\\dir\\a"),
        ("; filename=a b.txt ; x=y", "a b.txt"),
        ("; filename=\"a\"; filename*=UTF-8''%C3%A4%20b", "\u00e4 b"),
        ("; filename*=iso-8859-1'de'%E4; filename=a", "\u00e4"),
        ("; filename*=utf-8''a%2E%2E", "a.."),
        ('; filename="' + ";" * 1000 + '"', ";" * 1000),
        (";; ;filename=a;;", "a"),
        ("; FileName = a", "a"),
        ("", ""),
    ],
)
def test_the_name_of_a_file_may_be_spelled_in_many_ways(more: str, name: str) -> None:
    assert read(part("file", b"x", more) + END)[0] == name


REFUSED: dict[str, tuple[bytes, str]] = {
    **{
        f"filename*={value!r}": (part("file", b"x", f"; filename*={value}") + END, KIND)
        for value in (
            *("idna''a%2E%2E", "undefined''a", "utf-8\0''a", "utf-7''a", "unicode_escape''a", "''a", "a"),
            *("utf-8''%ff", "utf-8''%ed%a0%80", "utf-8''%zz", "utf-8''%", "utf-8'a", "cp037''a", "rot13''a"),
        )
    },
    **{
        f"disposition{more}": (part("file", b"x", more) + END, KIND)
        for more in (
            *(
                '; filename="a',
                '; filename="a"b',
                "; filename=a; filename=b",
                '; filename=a"b"',
                "; filename",
            ),
            *("; filename*0=a; filename*1=b", "; filename*0*=utf-8''a", "; name*=utf-8''file", "; =a"),
        )
    },
    **{
        f"content-type{kind!r}": (FILE + END, f"multipart/form-data{kind}")
        for kind in (
            *("", "; boundary", "; boundary=", '; boundary=""', "; boundary=a\0", "; boundary=\u00ff"),
            *(
                "; boundary*=utf-7''XY",
                "; boundary*=utf-8''XY",
                "; boundary*0=X; boundary*1=Y",
                '; boundary="XY',
            ),
            *("; boundary=\ud800", "; boundary=" + "a" * 71, '; boundary="' + ";" * 60_000 + '"'),
            *("; boundary=XY; boundary=XY", '; boundary="X "', "; boundary=XY x=y", "; x" * 10),
        )
    },
    "parts": (part("a") * 10**5 + END, KIND),
    "one field often": (FILE + part("purpose") * 10**5 + END, KIND),
    "empty parts": (b"--XY\r\n\r\n\r\n" * 10**5 + END, KIND),
    "headers": (part("file", headers=b"A: b\r\n" * MOST_HEADER_BYTES) + END, KIND),
    "long header": (part("file", headers=b"A: " + b"b" * (MOST_HEADER_BYTES + 1) + b"\r\n") + END, KIND),
    "long header name": (part("file", headers=b"A" * (MOST_HEADER_BYTES + 1) + b": b\r\n") + END, KIND),
    "folded header": (part("file", headers=b" b\r\n") + END, KIND),
    "two dispositions": (part("file", headers=b"content-disposition: form-data; name=a\r\n") + END, KIND),
    "name": (part("a" * (MOST_FIELD_BYTES + 1)) + END, KIND),
    "file name": (part("file", b"", f"; filename={'a' * (MOST_FIELD_BYTES + 1)}") + END, KIND),
    "unknown field": (FILE + part("user") + END, KIND),
    "field": (FILE + part("purpose", b"b" * (MOST_FIELD_BYTES + 1)) + END, KIND),
    "no name": (b"--XY\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, KIND),
    "no disposition": (b"--XY\r\nA: b\r\n\r\nx\r\n" + END, KIND),
    "endless part": (part("file", b"x" * 10**6), KIND),
    "endless header": (b"--XY\r\nA: b", KIND),
    "another boundary": (FILE.replace(b"XY", b"XZ") + END, KIND),
    "nothing": (b"", KIND),
    "no part": (END, KIND),
    "noise": (bytes(range(256)) * 100, KIND),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_form_that_is_none_or_is_too_large_is_refused(case: str) -> None:
    assert status(*REFUSED[case]) == 400


def test_what_is_as_large_as_it_may_be_is_read() -> None:
    name, value = "a" * MOST_FIELD_BYTES, b"b" * MOST_FIELD_BYTES
    header = b"A: " + b"b" * (MOST_HEADER_BYTES - 1200) + b"\r\n"
    data = part("file", b"x", f"; filename={name}", header) + part("purpose", value) + END
    assert read(data) == (name, b"x", {"purpose": value})
    assert status(FILE + END, "text/plain; boundary=XY") == 415


# --- work ---------------------------------------------------------------------------------------------------


def steps(work: Callable[[], object]) -> int:
    """Return how many instructions of Python some work takes, in all functions that it calls."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


GROWING: dict[str, Callable[[int], tuple[bytes, str]]] = {
    "content": lambda size: (part("file", b"x" * size) + END, KIND),
    "line breaks": lambda size: (part("file", b"\r" * size) + END, KIND),
    "almost delimiters": lambda size: (part("file", b"\r\n--X" * (size // 5)) + END, KIND),
    "delimiters that go on": lambda size: (part("file", b"\r\n--XYZ" * (size // 7)) + END, KIND),
    "delimiters with dashes": lambda size: (part("file", b"\r\n--XY-" * (size // 7)) + END, KIND),
    "delimiters with breaks": lambda size: (part("file", b"\r\n--XY\r" * (size // 7)) + END, KIND),
    "padding": lambda size: (part("file")[:-2] + b"\r\n--XY" + b" " * size, KIND),
    "parts": lambda size: (FILE + part("purpose") * (size // 60) + END, KIND),
    "headers": lambda size: (part("file", headers=b"A: b\r\n" * (size // 6)) + END, KIND),
    "header": lambda size: (part("file", headers=b"A:" + b" " * size + b"b\r\n") + END, KIND),
    "semicolons in quotes": lambda size: (part("file", more='; filename="' + ";" * size + '"') + END, KIND),
    "semicolons": lambda size: (part("file", more=";" * size) + END, KIND),
    "parameters": lambda size: (part("file", more="".join(f"; a{at}=b" for at in range(size // 9))), KIND),
    "numbered names": lambda size: (part("file", more="; filename*1=a" * (size // 14)) + END, KIND),
    "escapes": lambda size: (part("file", more='; filename="' + '\\"' * (size // 2) + '"') + END, KIND),
    "behind the end": lambda size: (FILE + END + b"x" * size, KIND),
    "boundary": lambda size: (FILE + END, 'multipart/form-data; boundary="' + ";" * size + '"'),
    "kinds": lambda size: (FILE + END, "multipart/form-data" + ";" * size),
    "parameters of the kind": lambda size: (
        FILE + END,
        KIND + "".join(f"; a{at}=b" for at in range(size // 9)),
    ),
}


@pytest.mark.parametrize("case", GROWING)
@pytest.mark.parametrize("piece", [16, 10**6])
def test_twice_the_bytes_take_at_most_twice_the_steps(case: str, piece: int) -> None:
    def work(size: int) -> int:
        data, kind = GROWING[case](size)

        def reading() -> None:
            with suppress(ApiError):
                read(data, kind, lambda: piece)

        return steps(reading)

    least = work(0)
    one, two = work(3500) - least, work(7000) - least
    assert two <= 2.05 * max(one, 0) + 300, (one, two)


def test_a_header_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each parameter is looked for where the last one ended: what is matched is as long as the header."""
    read_bytes = 0

    class Counted:
        def match(self, header: str, at: int) -> Any:
            nonlocal read_bytes
            found = pattern.match(header, at)
            read_bytes += 0 if found is None else len(found[0])
            return found

    pattern = form_reading._PARAMETER
    monkeypatch.setattr(form_reading, "_PARAMETER", Counted())
    header = "form-data" + "".join(f'; a{at}="{";" * 9}"' for at in range(500))
    assert len(read_parameters(header)[1]) == 500
    assert read_bytes == len(header) - len("form-data")


# --- mutated forms ------------------------------------------------------------------------------------------

BITS = (
    "form-data",
    "name=",
    "filename*=utf-8''",
    "boundary",
    "\r\n",
    '"',
    ";",
    "\0",
    "\\",
    "--XY",
    "%",
    "=",
)


def mutated_form(draw: random.Random) -> tuple[str, bytes]:
    """Return a content-type and a form, in which some bytes are others, are there twice, or are not there."""
    fields = [part("purpose"), part("file", b"{}\n" * draw.choice([0, 3]), '; filename="a"'), b""]
    draw.shuffle(fields)
    found = []
    for text in (KIND.encode(), b"".join(fields) + END):
        data = bytearray(text)
        for _ in range(draw.choice([0, 1, 1, 2, 5])):
            at = draw.randrange(len(data) + 1)
            end = min(len(data), at + draw.choice([0, 1, 2, 20]))
            others = [draw.randbytes(2), draw.choice(BITS).encode(), bytes(data[at:end]) * 2, b""]
            data[at:end] = draw.choice(others)
        found.append(bytes(data))
    return found[0].decode("latin-1"), found[1]


def check_mutated_forms(app: Any, seeds: range) -> None:
    async def work() -> None:
        kept = list[str]()
        async with http_client(app) as http:
            for seed in seeds:
                kind, data = mutated_form(random.Random(seed))
                headers = [(b"content-type", kind.encode("latin-1").replace(b"\r", b"").replace(b"\n", b""))]
                answer = await http.post("/v1/files", content=data, headers=headers)
                told = (seed, kind, data, answer.text)
                assert answer.status_code in (200, 400, 415), told
                if answer.status_code == 200:
                    kept.append(answer.json()["id"])
                    continue
                error = answer.json()["error"]
                assert error.keys() == {"message", "type", "param", "code"} and error["message"], told
                assert "Traceback" not in answer.text and len(answer.text) < 900, told
            for name in kept:
                assert (await http.get(f"/v1/files/{name}/content")).status_code == 200
                assert (await http.delete(f"/v1/files/{name}")).status_code == 200
        assert len(kept) > len(seeds) / 20

    run(work)


def test_mutated_forms_are_no_fault_of_ours(engine: sg.Engine, tmp_path: Path) -> None:
    check_mutated_forms(app_of(engine, ServerOptions(files=tmp_path / "files")), range(200))
    assert not list((tmp_path / "files").glob("*/*"))


@pytest.mark.slow
def test_ten_thousand_mutated_forms_are_no_fault_of_ours(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files"))
    for first in range(1000, 11_000, 500):  # what is kept counts
        check_mutated_forms(app, range(first, first + 500))


@pytest.mark.slow
def test_a_hundred_thousand_mutated_forms_are_read_or_refused() -> None:
    for seed in range(20_000, 120_000):
        kind, data = mutated_form(random.Random(seed))
        assert status(data, kind) in (200, 400, 415), seed
