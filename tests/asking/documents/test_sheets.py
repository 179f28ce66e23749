"""Sheets: the sheet of a place is the one whose text has it; labels are the PDF's; headings are nearest."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pdf_files import lines, pdf_of
from test_pdf_text import encrypted, read

from structgen.asking.documents.sheets import Sheet, sheet_finder

PICTURE = "0 0 m 5 5 l S"


def sheet_of(text: str, sheets: Sequence[Sheet], offset: int) -> Sheet:
    """Return the sheet whose range has a character, by looking at each one."""
    ends = [*(sheet.start for sheet in sheets[1:]), len(text) + 1]
    (sheet,) = (sheet for sheet, end in zip(sheets, ends, strict=True) if sheet.start <= offset < end)
    return sheet


def check_sheets_of_a_pdf(folder: Path, seed: int) -> None:
    """Each page of a random PDF has words of its own, or none: all stand on its sheet."""
    draw = random.Random(seed)
    pages = [draw.randrange(4) for _ in range(draw.randrange(1, 7))]
    if not any(pages):
        pages[0] = 1
    words = [[f"s{number}w{at}" for at in range(count)] for number, count in enumerate(pages, 1)]
    found = read(folder, pdf_of(*(lines(*said) if said else PICTURE for said in words)))
    assert [sheet.number for sheet in found.sheets] == [*range(1, len(pages) + 1)]
    assert {sheet.count for sheet in found.sheets} == {len(pages)}
    find = sheet_finder(found.text, found.sheets)
    for offset in range(len(found.text)):
        assert find(offset) == sheet_of(found.text, found.sheets, offset)
    for match in re.finditer(r"s(\d+)w\d", found.text):
        assert {find(offset) for offset in range(*match.span())} == {found.sheets[int(match[1]) - 1]}
    assert len(re.findall(r"s\d+w\d", found.text)) == sum(pages)


def test_a_place_is_on_the_sheet_whose_text_has_it(tmp_path: Path) -> None:
    for seed in range(25):
        check_sheets_of_a_pdf(tmp_path, seed)


@pytest.mark.slow
def test_a_place_is_on_the_sheet_whose_text_has_it_in_many_files(tmp_path: Path) -> None:
    for seed in range(1_000, 3_000):
        check_sheets_of_a_pdf(tmp_path, seed)


LABELS = "<< /Nums [0 << /S /r >> 2 << /S /D >> 4 << /P (A-) /S /D /St 7 >>] >>"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("", ["", "", "", "", ""]),
        (LABELS, ["i", "ii", "1", "2", "A-7"]),
        # an appendix that counts from 1 again
        ("<< /Nums [0 << /S /D >> 2 << /S /D >>] >>", ["1", "2", "1", "2", "3"]),
        ("<< /Nums [0 << /P (cover) >>] >>", ["cover"] * 5),
    ],
    ids=["none", "styles", "repeated", "one name"],
)
def test_labels_are_those_of_the_pdf(tmp_path: Path, labels: str, expected: list[str]) -> None:
    found = read(tmp_path, pdf_of(*[lines("Text.")] * 5, labels=labels))
    assert [sheet.label for sheet in found.sheets] == expected
    assert found.remarks == ()


@pytest.mark.parametrize(
    "labels",
    [
        *(
            "(none)",
            "<< /Nums 7 >>",
            "<< /Kids [<< /Limits [/a /b] /Nums [] >>] >>",
            "<< /Nums [0 << /S /Q >>] >>",
        ),
        # pypdf raises errors for these
        *("<< /Kids [<< /Limits [0 1] >>] >>", "<< /Nums [0 << /S [1] >>] >>"),
        "<< /Limits [0 9] /Kids [" * 120 + "<< /Limits [0 9] /Nums [0 << /S /D >>] >>" + "] >>" * 120,
    ],
    ids=range(7),
)
def test_a_broken_tree_of_labels_takes_no_text_away(tmp_path: Path, labels: str) -> None:
    found = read(tmp_path, pdf_of(lines("One."), lines("Two."), labels=labels))
    assert found.text == "One.\n\nTwo."
    assert [(sheet.start, sheet.number, sheet.count) for sheet in found.sheets] == [(0, 1, 2), (6, 2, 2)]
    assert all(sheet.label in ("", str(sheet.number)) for sheet in found.sheets)
    assert found.remarks and all(one.startswith("The PDF has a fault: ") for one in found.remarks)


def test_an_encrypted_file_that_can_be_read_has_sheets(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    assert read(tmp_path, encrypted("", "AES-256")).sheets == (Sheet(0, 1, 1),)


def test_the_words_of_a_sheet_have_its_label_where_it_says_more() -> None:
    assert [str(sheet) for sheet in (Sheet(0, 4, 9, "iv"), Sheet(0, 4, 9, "4"), Sheet(0, 4, 9))] == [
        *("4 (label iv)", "4", "4"),
    ]
    assert Sheet(0, 4, 9, "iv").location_words == "on sheet 4 (label iv) of 9"
    assert str(Sheet(0, heading="Guests")) == "Guests"
    assert Sheet(0, heading="Guests").location_words == "under 'Guests'"
    assert len(Sheet(0, heading="x" * 1_000).location_words) < 100


BLOCKS = {
    "# {}": True,
    "### {} ##": True,
    "  ##\t{}": True,
    "{}\n=====": True,
    "{}\n---": True,
    "#{}": False,
    "    # {}": False,
    "> # {}": False,
    "```\n# {}\n```": False,
    "~~~~ text\n# {}\n~~~\n# {}\n~~~~": False,
    "- {}\n---": False,
    "A line\n{}\nand more": False,
    "| {} |\n|---|": False,
    "---\n{}: x\n\n---": False,
}
"""Blocks of Markdown with a title, and whether it is a heading."""


def check_headings(seed: int) -> None:
    draw = random.Random(seed)
    text, headings = draw.choice(("", "\n")), list[tuple[int, str]]()
    for number in range(draw.randrange(7)):
        block, is_heading = draw.choice([*BLOCKS.items()])
        title = draw.choice(("Guests {}", "C# {}", "5. The {} fee", "{} &")).format(number)
        if is_heading:
            headings.append((len(text), title))
        text += f"{block.format(title, title)}\n\n"
    find = sheet_finder(text)
    for offset in range(len(text)):
        before = [heading for heading in headings if heading[0] <= offset]
        sheet = find(offset)
        assert (sheet and (sheet.start, sheet.heading)) == (before[-1] if before else None), (text, offset)


def test_a_place_is_under_the_nearest_heading_before_it() -> None:
    for seed in range(400):
        check_headings(seed)


@pytest.mark.slow
def test_a_place_is_under_the_nearest_heading_of_many_texts() -> None:
    for seed in range(1_000, 21_000):
        check_headings(seed)


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("# Setup\n\n2. ```bash\n   pip install x\n   ```\n\n## Prices\nword", "Prices"),
        ("# A\n- ```\n  # B\n  ```\nword", "A"),
        ("# A\n```\n# B\n```\nword", "A"),
    ],
)
def test_a_comment_in_a_block_of_code_is_no_heading(text: str, heading: str) -> None:
    sheet = sheet_finder(text)(text.index("word"))
    assert sheet is not None and sheet.heading == heading


@pytest.mark.parametrize("text", ["", "no headings", "# \n\n##\n\na", "#no\n\n####### no"])
def test_a_text_without_headings_has_no_sheets(text: str) -> None:
    assert {sheet_finder(text)(offset) for offset in range(len(text) + 1)} == {None}


@pytest.mark.parametrize(
    "text",
    [
        *("# a\n" * 300_000, " " * 2_000_000, "-" * 2_000_000, "`" * 2_000_000, "\n\nx\n---x" * 300_000),
        *(
            "```a\n" * 400_000,
            "~~~\n~~~ x\n" * 300_000,
            "# " + " " * 2_000_000 + "x",
            "\n\n" + "x" * 2_000_000,
        ),
    ],
    ids=range(9),
)
def test_a_long_text_is_read_once(text: str) -> None:
    """A pattern that went back over the text would take hours."""
    sheet = sheet_finder(text)(len(text))
    assert sheet is None or len(sheet.heading) <= 1
