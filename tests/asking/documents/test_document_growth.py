"""The text of a document is not much longer than its file, and is there in bounded time."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pdf_files import lines, pdf_of, pdf_of_objects

from structgen.asking.documents import pdf_text
from structgen.asking.documents.documents import (
    GROWN_FREELY,
    MOST_GROWTH,
    TextDocument,
    _read_file,
    documents_of,
)
from structgen.asking.documents.html_text import MARKS, html_text
from structgen.base.errors import OptionError

for _package in ("bs4", "lxml", "markdownify", "pypdf"):
    pytest.importorskip(_package)

_MARK = re.compile(r">|- |: {3}|\d+\. | {2,4}")


def read(folder: Path, data: bytes, name: str = "x.html") -> TextDocument:
    (folder / name).write_bytes(data)
    (found,) = documents_of(folder / name)
    return found


def marks_of(line: str) -> int:
    """Return how many marks and indents a line begins with; words begin with a letter."""
    return len(_MARK.findall(re.match(r"[^a-z|`]*", line)[0]))  # type: ignore[index]


@pytest.mark.parametrize("tag", ["blockquote", "ul><li", "ol><li", "dl><dd", "blockquote><ul><li"])
@pytest.mark.parametrize("line", ["<p>a", "a<br>", "<div>a</div>"])
def test_tags_inside_each_other_have_ten_marks(tmp_path: Path, tag: str, line: str) -> None:
    page = f"<p>before</p>{f'<{tag}>' * 300}{line * 200}"
    found = read(tmp_path, page.encode())
    assert re.findall("[a-z]+", found.text) == ["before", *"a" * 200]
    assert max(map(marks_of, found.text.split("\n"))) == MARKS
    assert found.remarks == ()


def test_up_to_ten_marks_all_are_written() -> None:
    text, _ = html_text(b"<blockquote>" * 10 + b"a")
    assert text == "> " * 10 + "a"
    text, _ = html_text(b"<ul><li>a" * 12)
    assert text == "\n".join(f"{'  ' * depth}- a" for depth in range(10)) + "\n\n" + "\n\n".join(
        [" " * 20 + "a"] * 2
    )


NESTING = [
    "<blockquote>",
    "<ul><li>",
    "<ol><li>",
    "<dl><dd>",
    "<div>",
    "</blockquote>",
    "</ul>",
    "</ol>",
    "</div>",
]
NESTING += ["<p>", "<br>", "a", "b ", "\n", "<li>"]
OTHERS = [
    "<ol start=123456789><li>",
    "<q>",
    "<table><tr><td>",
    "<table><tr><td colspan=99>",
    "<pre>",
    "<sup>",
]
OTHERS += ["<h3>", "<td colspan=9>", "<tr>", "<hr>", "&nbsp;", "<b hidden>", "<title>"]


def random_page(seed: int, kinds: Sequence[str]) -> bytes:
    """Return a page of tags inside each other, which has more of one kind than of the others."""
    random_number = random.Random(seed)
    kind = random_number.choice(kinds)
    pieces = (
        random_number.choice((kind, random_number.choice(kinds))) * random_number.choice((1, 1, 3, 30))
        for _ in range(random_number.randint(1, 40))
    )
    return "".join(pieces).encode()


def check_growth(folder: Path, seed: int) -> None:
    page = random_page(seed, NESTING + OTHERS)
    most = MOST_GROWTH * len(page) + GROWN_FREELY
    try:
        (folder / "x.html").write_bytes(page)
        text, *_ = _read_file(
            folder / "x.html", lambda read, data: read(data)
        )  # in this process, which is quick
        assert len(text) <= most
    except OptionError as error:
        assert re.search(r"The text is .* times as long as the file. .* pass its text", str(error))
        assert len(html_text(page)[0]) > most


def check_marks(seed: int) -> None:
    page = random_page(seed, NESTING)
    text, _ = html_text(page)
    assert len(text) <= MOST_GROWTH * len(page) + GROWN_FREELY
    for line in text.split("\n"):
        begin = re.match(r"[^ab]*", line)[0]  # type: ignore[index]
        assert begin.count(">") <= MARKS
        assert len(begin) <= MARKS * len("100. ")


def test_a_text_is_twenty_times_its_file_or_refused(tmp_path: Path) -> None:
    for seed in range(30):
        check_growth(tmp_path, seed)


def test_lines_have_few_marks() -> None:
    for seed in range(80):
        check_marks(seed)


@pytest.mark.slow
def test_random_pages_are_twenty_times_their_files_or_refused(tmp_path: Path) -> None:
    for seed in range(1_000, 2_000):
        check_growth(tmp_path, seed)
        check_marks(seed)


def test_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    page = b"<table>" + b"<tr><td colspan=1000>a" * 100
    with pytest.raises(OptionError, match=r"x.html: The text is 2\d\d,\d\d\d characters long, over 20 times"):
        read(tmp_path, page)


def test_pages_of_a_pdf_that_are_one_page_are_refused(tmp_path: Path) -> None:
    page = lines(*["Ada is 36 years old and lives in London."] * 60)
    data = pdf_of_objects(
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{'4 0 R ' * 50}] /Count 50 /Resources << /Font << /F1 3 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
    )
    with pytest.raises(OptionError, match=r"x.pdf: The text is .* over 20 times as long as the file"):
        read(tmp_path, data, "x.pdf")


# --- bounded time ---

BLANKS = " " * 2_000_000
"""What takes minutes if its square is taken: a reader has one."""


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (f"<p>a{BLANKS}b", "a b"),
        (f"<p>a{BLANKS}\n{BLANKS}b", "a\nb"),
        (f"<p>a{BLANKS}<b>b</b>", "a b"),
        (f"<!--{BLANKS}-->b", "b"),
        (f"<pre>a{BLANKS}b</pre>", f"```\na{BLANKS}b\n```"),
        (f"<pre>a{BLANKS}</pre>", "```\na\n```"),
        ("<pre>a" + f"{' ' * 1000}<i></i>" * 1000 + "b</pre>", f"```\na{' ' * 1_000_000}b\n```"),
        (f"<p>a{BLANKS.replace('  ', '&#32;')}b", "a b"),
        (f"<p>a{BLANKS.replace(' ', chr(160))}b", f"a{BLANKS.replace(' ', chr(160))}b"),
    ],
    ids=range(9),
)
def test_white_space_of_any_length_is_read(tmp_path: Path, page: str, text: str) -> None:
    assert read(tmp_path, page.encode()).text == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "tag",
    [
        b"<p title='%s'>" % (b"a" * 10_000_000),
        b"<p style='display%s:none-'>" % (b" " * 10_000_000),
        b"<p style='font-size:%sx'>" % (b"0" * 10_000_000),
        b"<p %s>" % (b"a=1 " * 2_500_000),
        b"<p %s>" % b"".join(b"a%d " % at for at in range(1_200_000)),
        b"<p%s>" % (b"x" * 10_000_000),
        b"<meta charset=%s>" % (b"x" * 10_000_000),
    ],
    ids=range(7),
)
def test_a_tag_of_ten_megabytes_is_read(tmp_path: Path, tag: bytes) -> None:
    assert read(tmp_path, b"<p>before</p>%sseen<p>end" % tag).text == "before\n\nseen\n\nend"


def test_a_pdf_of_too_many_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_text, "MOST_PAGES", 3)
    assert read(tmp_path, pdf_of(*[lines("Text.")] * 3), "x.pdf").text == "Text.\n\nText.\n\nText."
    with pytest.raises(OptionError, match=r"x.pdf: The PDF has 4 pages, more than 3\. Split it"):
        read(tmp_path, pdf_of(*[lines("Text.")] * 4), "x.pdf")


@pytest.mark.slow
def test_a_pdf_of_a_hundred_thousand_pages_is_refused(tmp_path: Path) -> None:
    kids = " ".join(f"{at} 0 R" for at in range(4, 100_004))
    data = pdf_of_objects(
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count 100000 >>",
        "<< /Length 0 >>\nstream\n\nendstream",
        *["<< /Type /Page /Parent 2 0 R /Contents 3 0 R >>"] * 100_000,
    )
    with pytest.raises(OptionError, match=r"x.pdf: The PDF has 100,000 pages, more than 20,000\. Split it"):
        read(tmp_path, data, "x.pdf")
