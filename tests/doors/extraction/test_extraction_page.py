"""The page of an extraction: all texts and values stand in it, what needs a look comes first, and in a
browser it leads both ways and finds what is searched."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pages_in_browsers import BROWSER, HOSTILE, Page, policy_for, shape, shown

from structgen.asking.documents.sheets import Sheet
from structgen.asking.pages import marked_texts
from structgen.base.printable import printable
from structgen.doors.extraction.extraction_page import page_of
from structgen.doors.extraction.found_items import FoundItem, FoundValue


def value(path: str, one: Any, start: int | None = None, end: int | None = None, **told: Any) -> FoundValue:
    return FoundValue(path, one, start, end, told.get("page", 1), told.get("confidence"))


def item(*fields: FoundValue, document: str = "a", **told: Any) -> FoundItem:
    return FoundItem(document, {}, fields, **told)


def rows_in(page: str) -> list[str]:
    """Return what the rows of the table say, without its head."""
    return [" ".join(row.split()) for row in Page(page).rows[1:]]


def attributes(page: str, name: str) -> list[str]:
    return [dict(attrs)[name] or "" for _, attrs in Page(page).elements if name in dict(attrs)]


def test_the_texts_stand_whole_and_marks_cover_exactly_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marked_texts, "_BLOCK", re.compile(r".{1,7}(?:\n|\Z)|.{1,7}(?<=\s)|.{1,7}", re.S))
    source = random.Random(94)
    for _ in range(20):
        texts = {name: "".join(source.choices("ab <&\n\r\0", k=source.randrange(40))) for name in "xyz"}
        items, places = list[FoundItem](), list[tuple[str, int, int]]()
        for _ in range(source.randrange(5)):
            name = source.choice("xyz")
            fields = list[FoundValue]()
            for at in range(source.randrange(1, 3)):
                start, end = sorted(source.choices(range(len(texts[name]) + 1), k=2))
                fields.append(value(f"/{at}", "v", start, end))
                places.append((name, start, end))
            items.append(item(*fields, document=name))
        page = Page(page_of(texts, items, []))
        assert page.texts == [printable(text) for text in texts.values()]
        for name, marked in zip(texts, page.values, strict=True):
            expected = list[str]()
            for at, char in enumerate(texts[name]):
                here = [
                    str(number)
                    for number, (text, start, end) in enumerate(places)
                    if text == name and start <= at < end
                ]
                expected += [" ".join(sorted(here))] * len(printable(char))
            assert [" ".join(sorted(one.split())) for one in marked] == expected


def test_a_text_that_ends_without_a_line_break_is_not_broken_before_its_last_word() -> None:
    text = "A line of words.\n" * 1_000 + "The last line"
    *_, last, short = Blocks(page_of({"a": text, "b": "two words"}, [], [])).texts
    assert last.endswith("words.\nThe last line") and short == "two words"


class Blocks(HTMLParser):
    """The texts of the blocks of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts = list[str]()
        self._is_in = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if ("class", "block") in attrs:
            self.texts.append("")
            self._is_in = True

    def handle_endtag(self, tag: str) -> None:
        self._is_in &= tag != "div"

    def handle_data(self, data: str) -> None:
        if self._is_in:
            self.texts[-1] += data


@pytest.mark.parametrize(
    ("text", "end"),
    [("x" * 1_000_000, "x"), ("A line of words.\n" * 20_000, "\n"), ("words and " * 30_000, " ")],
    ids=["no blank", "lines", "blanks"],
)
def test_a_long_text_is_whole_in_blocks_that_end_where_a_line_or_a_word_does(text: str, end: str) -> None:
    blocks = Blocks(page_of({"a": text}, [item(value("/n", "x", 1, 2))], [])).texts
    assert "".join(blocks) == text
    assert max(map(len, blocks)) <= 4_001 and len(blocks) < len(text) / 1_900
    assert {block[-1] for block in blocks} == {end}


def test_the_page_grows_by_no_more_than_texts_and_items_do() -> None:
    def made(size: int) -> str:
        text = "Buy 12 at once. " * size
        fields = [(value("/n", 12, 16 * at + 4, 16 * at + 6), value("/s", "x")) for at in range(size)]
        return page_of({"a": text}, [item(*pair, pages=(1,)) for pair in fields], [])

    empty, small, large = len(made(0)), len(made(1_000)), len(made(4_000))
    assert large - empty < 4.2 * (small - empty)
    assert small - empty < 1_000 * 700


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_element_and_no_attribute_comes_from_the_data(hostile: str) -> None:
    def page(one: str) -> Page:
        key = one.replace("~", "~0").replace("/", "~1")
        fields = (value(f"/{key}", one, 0, len(one)), value("/n", one))
        other = value(f"/{key}", one, len(one), len(one) + 1, confidence=0.1)
        found = item(*fields, document=one, conflicts=(other,), error=one, pages=(1, 2))
        return Page(page_of({one: f"{one} and {one}", "b": one}, [found], [one]))

    found, plain = page(hostile), page("plain")
    assert shape(found) == shape(plain)
    assert found.texts == [printable(f"{hostile} and {hostile}"), printable(hostile)]
    assert found.data["script"] == plain.data["script"] and found.data["style"] == plain.data["style"]
    assert printable(hostile) in found.data["li"]


def test_the_policy_allows_the_page_its_own_style_and_script_alone() -> None:
    page = Page(page_of({"a": "x"}, [item(value("/n", "x", 0, 1))], ["told"]))
    assert page.policy == policy_for(page)
    names = {name for _, attrs in page.elements for name, _ in attrs}
    assert not names & {"style", "src", "href", "action"} and not any(name.startswith("on") for name in names)


def test_what_needs_a_look_comes_first_and_the_row_says_why() -> None:
    texts = {"a": "0123456789", "b": "0123456789"}
    sure = value("/n", "4", 4, 5, confidence=0.5)
    items = [
        item(value("/n", "8", 8, 9)),
        item(sure, document="b"),
        item(value("/n", "7", 7, 8), value("/s", None), value("/t", True)),
        item(value("/n", "made up")),
        item(value("/n", "5", 5, 6, confidence=0.49)),
        item(value("/n", "6", 6, 7), error="n: too small"),
        item(sure, document="b", conflicts=(value("/n", "3", 3, 4),)),
        item(sure, conflicts=(value("/n", "3", 3, 4), value("/n", "2", 2, 3))),
    ]
    page = page_of(texts, items, [])
    order = [
        (
            int(row.split()[0]),
            re.findall(
                r"\d conflicts?|error: [^5]*small|low confidence|not stated$|not stated(?= made)", row
            ),
        )
        for row in rows_in(page)
    ]
    assert order == [
        (8, ["2 conflicts"]),
        (7, ["1 conflict"]),
        (6, ["error: n: too small"]),
        (5, ["low confidence"]),
        (4, ["not stated", "not stated"]),
        (3, []),
        (1, []),
        (2, []),
    ]


def test_a_conflict_stands_below_its_field_with_piece_and_confidence_and_leads_to_its_place() -> None:
    text = "It costs 48,500.00 or 45,800.00."
    fields = (value("/fee", Decimal("48500.00"), 9, 18, confidence=0.71), value("/x", 1, confidence=0.98))
    others = (
        value("/fee", Decimal("45800.00"), 22, 31, page=2, confidence=0.64),
        value("/gone", "y", page=3, confidence=0.2),
    )
    page = page_of({"a": text}, [item(*fields, conflicts=others, pages=(1, 2, 3))], [])
    (row,) = rows_in(page)
    assert row == (
        "1 pieces 1, 2, 3 2 conflicts not stated 48500.00 71% sure or 45800.00 piece 2, 64% sure"
        " 1 not stated or y piece 3, 20% sure, not stated"
    )
    assert attributes(page, "data-to") == ["m0-9", "m0-22"]
    assert [dict(attrs)["class"] for tag, attrs in Page(page).elements if tag == "mark"] == ["c0", "c0 other"]
    assert {"m0-9", "m0-22"} <= {*attributes(page, "id")}


def test_doubtful_items_are_those_of_the_call_and_folded_below_the_sure_ones() -> None:
    sure = [item(value("/n", "1", 1, 2, confidence=0.01)), item(value("/n", "2", 2, 3))]
    doubtful = [item(value("/n", str(at), at, at + 1, confidence=0.9)) for at in range(3, 6)]
    page = page_of({"a": "0123456789"}, sure, [], doubtful)
    above, _, fold = page.partition("<details>")
    assert "2 items in 1 document. 3 doubtful items below." in page
    assert ["▲" in row or "low confidence" in row for row in rows_in(above)] == [True, False]
    assert "doubtful" not in " ".join(rows_in(above))
    # the first row of a page is its head
    folded = rows_in(f"<tr></tr>{fold}")
    assert [row.split()[0] for row in folded] == ["1", "2", "3"]
    assert "low confidence" not in " ".join(folded)
    assert fold.startswith("<summary>3 doubtful items: all other results omit them</summary>")
    assert len(attributes(page, "data-to")) == 5
    assert "<details" not in page_of({"a": "0123456789"}, sure, [])


def test_a_sheet_is_a_link_into_the_pdf_and_a_heading_is_none() -> None:
    first, last = Sheet(0, 1, 3, "i"), Sheet(5, 3, 3, "1")
    fields = [replace(value(f"/{at}", "x", at, at + 1), sheet=last if at else first) for at in range(3)]
    other = replace(value("/0", "y", 6, 7, page=2), sheet=last)
    found = item(*fields, conflicts=(other,), document="x.pdf", pages=(1, 2))
    told = item(replace(value("/0", "x", 4, 5), sheet=Sheet(0, heading="<b>")), document="notes")
    page = page_of({"x.pdf": "0123456789", "notes": "# <b>"}, [found, told], [], links={"x.pdf": "in/x.pdf"})
    assert attributes(page, "href") == ["in/x.pdf#page=1", "in/x.pdf#page=3"]
    row, plain = rows_in(page)
    assert row.startswith(
        "1 x.pdf on sheet 1 (label i) of 3 on sheet 3 (label 1) of 3 pieces 1, 2 1 conflict"
    )
    assert "or y on sheet 3 (label 1) of 3" in row
    assert plain.startswith("2 notes under '<b>'")
    many = [replace(value(f"/{at}", "x", at, at + 1), sheet=Sheet(at, at + 1, 99)) for at in range(12)]
    assert "on sheet 10 of 99 and 2 more" in rows_in(page_of({"a": "x" * 12}, [item(*many)], []))[0]


def test_each_value_leads_to_a_mark_that_has_it() -> None:
    source = random.Random(95)
    texts = {"a": "x" * 30, "b": "y" * 30}
    items = list[FoundItem]()
    for _ in range(30):
        places = [sorted(source.sample(range(31), 2)) for _ in range(3)]
        fields = [value(f"/{at}", "v", *place) for at, place in enumerate(places)]
        items.append(item(*fields[:2], document=source.choice("ab"), conflicts=(fields[2],)))
    elements = [dict(attrs) for _, attrs in Page(page_of(texts, items, [])).elements]
    marks = {one["id"]: (one["data-v"] or "").split() for one in elements if "tabindex" in one}
    lines = [one for one in elements if one.get("class") == "line"]
    assert len(lines) == 90
    for one in lines:
        assert one["data-v"] in marks[one["data-to"]]


def test_few_fields_have_a_column_each_and_many_stand_one_below_the_other() -> None:
    def heads(count: int) -> list[str]:
        fields = [value(f"/f{at}/deep", at, at, at + 1) for at in range(count)]
        page = page_of({"a": "0123456789"}, [item(*fields), item(fields[0])], [])
        return [Page(page).rows[0].split(), rows_in(page)[0].split()]  # type: ignore[list-item]

    names = ["f0", "f1", "f2", "f3", "f4"]
    assert heads(5) == [["item", *names], "1 deep 0 deep 1 deep 2 deep 3 deep 4".split()]
    labels = " ".join(f"f{at}.deep {at}" for at in range(6))
    assert heads(6) == [["item", "values"], f"1 {labels}".split()]


def test_a_cell_is_in_the_column_of_its_field_where_an_item_lacks_others() -> None:
    page = page_of(
        {"a": "xy"}, [item(value("/n", "x", 0, 1), value("/m", "y", 1, 2)), item(value("/m", "y", 1, 2))], []
    )
    rows = page.partition('class="head"')[2] or page.partition("class=head")[2]
    cells = [re.sub(r"<[^>]*>|\s", " ", cell).split() for cell in rows.split("<td>")[1:]]
    assert [cell[0] if cell else "" for cell in cells] == ["1", "x", "y", "2", "", "y"]


def test_a_field_has_one_colour_in_text_table_and_legend_and_only_a_marked_value_has_it() -> None:
    fields = [
        value("/lines/0/n", "x", 0, 1),
        value("/lines/1/n", "y", 2, 3),
        value("/m", "z", 4, 5),
        value("/k", "w"),
    ]
    page = Page(page_of({"a": "x y z"}, [item(*fields)], []))
    marks = [dict(attrs)["class"] for tag, attrs in page.elements if tag == "mark"]
    assert marks == ["c0", "c0", "c1"]
    swatches = [dict(attrs).get("class") for tag, attrs in page.elements if tag == "span"]
    assert [one for one in swatches if one != "why"] == [
        *("swatch c0", "swatch c1", "swatch c2"),
        *("swatch c0", "swatch c0", "swatch c1", None),
    ]
    assert "lines.*.n" in page.data["bdi"]


def test_remarks_are_warnings_above_the_texts_and_documents_are_listed_to_jump_to() -> None:
    page = page_of({"one.txt": "1", "two.txt": "2"}, [], ["page 3 failed", "hidden text"])
    warnings = page.partition("<ul")[2].partition("</ul>")[0]
    assert 'class="warning' in warnings and "page 3 failed" in warnings and "hidden text" in warnings
    assert page.index("hidden text") < page.index("<section")
    assert attributes(page, "data-to") == ["d0", "d1"]
    assert attributes(page, "id") == ["d0", "d1"]
    assert "<ul" not in page_of({"one.txt": "1"}, [], [])


def test_a_value_of_each_kind_is_shown_and_a_long_one_cut() -> None:
    values = [None, True, "", Decimal("1.50"), 2**70, "y" * 50_000]
    (row,) = rows_in(page_of({"a": ""}, [item(*(value(f"/{at}", one) for at, one in enumerate(values)))], []))
    for shown_as in ("0 null", "1 true", '2 ""', "3 1.50", f"4 {2**70}", "5 yyy"):
        assert shown_as in row
    assert len(row) < 1_000


def test_no_items_no_texts_and_items_without_values_make_a_page() -> None:
    assert "0 items in 0 documents" in page_of({}, [], [])
    assert rows_in(page_of({"a": ""}, [item(pages=(1,))], [])) == ["1 piece 1"]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_in_a_browser_it_leads_both_ways_filters_and_finds(tmp_path: Path) -> None:
    """A text of many blocks and screens, an empty one, and 60 items; the policy holds, and nothing fails."""
    line = (
        "The fee is {:04} euros (a+b),\nto be paid to the Harbour. </script>\n"
        + "Other words stand here.\n" * 20
    )
    text = "".join(line.format(at) for at in range(60)).rstrip()
    places = [found.span() for found in re.finditer(r"\d{4}", text)]
    items = [item(value("/fee", at, *place)) for at, place in enumerate(places)]
    items[3] = item(value("/fee", 3, *places[3]), conflicts=(value("/fee", 50, *places[50]),))
    asked = """
    const seen = [];
    const isIn = (one, pane) => {
      const box = document.querySelectorAll("section")[pane];
      const inner = one.getBoundingClientRect(), outer = box.getBoundingClientRect();
      return inner.height > 0 && inner.top >= outer.top && inner.bottom <= outer.bottom;
    };
    function click(one, pane) {
      one.click();
      const ons = [...document.querySelectorAll(".on")], words = ons.map(one => one.textContent.trim());
      const target = ons.find(other => other.matches("mark") == !pane);
      seen.push(words.join(" = ") + (isIn(target, pane) ? " seen" : ""));
    }
    function search(asked, step) {
      box.value = asked;
      find(step);
      const [range] = CSS.highlights.get("found") ?? [];
      const words = JSON.stringify(range?.toString());
      seen.push(`${told.textContent}: ${words}${range && isIn(range, 0) ? " seen" : ""}`);
    }
    const lines = document.querySelectorAll(".line");
    click(lines[55], 0);
    click(lines[1], 0);
    click(document.querySelectorAll("mark")[58], 1);
    document.querySelector(".names button:last-of-type").click();
    seen.push(isIn(document.querySelectorAll("h2")[1], 0));
    search("0057 EUROS (A+B), to", 1);
    search("harbour", -1);
    search("harbour", 1);
    search("harbour", 1);
    search("THE FEE", 1);
    search("words stand here.", -1);
    search("nowhere", 1);
    const fold = document.querySelector("details");
    seen.push(fold.open);
    document.querySelectorAll("mark")[59].click();
    seen.push(fold.open);
    fold.open = false;
    for (const wanted of ["Conflict", ""]) {
      box.value = wanted;
      filter();
      const rows = [...document.querySelectorAll("tr")].filter(one => one.checkVisibility());
      const groups = [...document.querySelectorAll(".group")].filter(one => one.checkVisibility());
      seen.push(`${told.textContent}: ${rows.length} ${groups.length}`);
    }
    document.title = seen.join("; ");
    """
    foreign = "<script>document.title = 'alert'</script></html>"
    page = page_of({"a": text, "b": ""}, items[:59], [], items[59:]).replace("</html>", foreign)
    done = shown(page, asked, tmp_path)
    assert len(done.told) == 1 and "violates" in done.told[0], done.told
    assert done.title.split("; ") == [
        "0054 = 54 seen",
        "0050 = or 50 piece 1 seen",
        "0058 = 58 seen",
        "true",
        '1 of 1 places: "0057 euros (a+b),\\nto" seen',
        '60 of 60 places: "Harbour" seen',
        '1 of 60 places: "Harbour" seen',
        '2 of 60 places: "Harbour" seen',
        '1 of 60 places: "The fee" seen',
        '1,200 of 1,200 places: "words stand here." seen',
        "0 of 0 places: undefined",
        "false",
        "true",
        "1 of 60 rows: 2 1",
        ": 60 3",
    ]
