"""The page of evidence: nothing in it is markup of the data, its table is bounded, and leads to its marks.

tests/doors/extraction/test_extraction_page.py says of the same page that marks cover exactly the places, what
colours they have, what its policy allows, and what a click does in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages_in_browsers import HOSTILE, Page, shape

from structgen.asking.grounding.evidence import Evidence, evidence_of
from structgen.asking.grounding.places import Stated, StatedPlace
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.printable import printable


def of(texts: dict[str, str], *values: tuple[object, list[tuple[str, int, int]]]) -> Evidence:
    """Return evidence of values at given places."""
    return Evidence(
        texts,
        tuple(
            Stated(
                f"/v{at}", value, tuple(StatedPlace(*one, texts[one[0]][one[1] : one[2]]) for one in places)
            )  # type: ignore[arg-type]
            for at, (value, places) in enumerate(values)
        ),
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_element_and_no_attribute_comes_from_the_data(hostile: str) -> None:
    def page(one: str) -> str:
        texts = {one: f"{one} and {one}", "b": one}
        places = (StatedPlace(one, 0, len(one), one), StatedPlace("b", 0, len(one), one))
        return Evidence(texts, (Stated(f"/{one}", one, places, (one,)), Stated(one, one))).page()

    found, plain = Page(page(hostile)), Page(page("plain"))
    assert shape(found) == shape(plain)
    assert found.texts == [printable(f"{hostile} and {hostile}"), printable(hostile)]
    assert found.data["script"] == plain.data["script"] and found.data["style"] == plain.data["style"]
    titles = [dict(attrs)["title"] for tag, attrs in found.elements if tag == "mark"]
    assert titles[0] == printable(f"/{hostile}: {hostile}")


def test_the_table_says_path_value_words_offsets_and_other_readings() -> None:
    texts = {"a": "1.204 points", "b": "x"}
    stated = Stated("/n", 1204, (StatedPlace("a", 0, 5, "1.204"),), ("1.204",))
    repaired = Stated("/q", "x", (StatedPlace("b", 0, 1, "x", "repaired"),))
    page = Page(Evidence(texts, (stated, Stated("/s", "gone"), repaired)).page())
    rows = [" ".join(row.split()) for row in page.rows[1:]]
    assert rows == [
        "/n 2 readings 1204 1.204 a, 0 to 5 1.204",
        "/s not found in the text gone inferred, or chosen from a list",
        "/q x x b, 0 to 1, repaired",
    ]
    assert "2 of 3 values found in the text." in page.data["p"]
    assert "A match shows that the text contains these words" in page.data["p"]


def test_what_a_person_must_check_comes_first_and_the_row_says_why() -> None:
    place = StatedPlace("a", 0, 1, "x")
    values = (
        Stated("/sure", "x", (place,)),
        Stated("/label", "y"),
        Stated("/twice", "x", (place, StatedPlace("a", 2, 3, "x"))),
        Stated("/unsure", "x", (place,)),
        Stated("/more", "x", (place,), has_more=True),
        Stated("/readings", 1204, (place, StatedPlace("a", 2, 3, "x")), ("1.204", "12.04")),
    )
    page = Evidence({"a": "x x"}, values, {"/sure": 0.5, "/unsure": 0.494}).page()
    rows = [" ".join(row.split()).partition(" x ")[0].removesuffix(" y") for row in Page(page).rows[1:]]
    assert "5 of 6 values found in the text. 5 values to check first." in page
    assert rows == [
        "/readings 3 readings 2 places 1204",
        "/unsure 49.4% sure",
        "/twice 2 places",
        "/more 1+ places",
        "/label not found in the text y inferred, or chosen from a list",
        "/sure",
    ]


def test_a_place_in_the_table_leads_to_its_mark() -> None:
    texts = {"a": "x y x", "b": "x"}
    page = Page(evidence_of(["x", "y x", "x y"], StatedText(texts)).page())
    ids = {dict(attrs)["id"] for tag, attrs in page.elements if tag == "mark"}
    wanted = [dict(attrs)["data-to"] for tag, attrs in page.elements if "data-to" in dict(attrs)]
    assert wanted[:2] == ["d0", "d1"]
    assert len(wanted[2:]) == 5 and set(wanted[2:]) <= ids


def test_marks_are_reached_by_the_keyboard() -> None:
    page = Page(of({"a": "x"}, ("x", [("a", 0, 1)])).page())
    (mark,) = (dict(attrs) for tag, attrs in page.elements if tag == "mark")
    assert mark["tabindex"] == "0" and mark["role"] == "button"


def test_the_shortest_of_overlapping_marks_gives_the_colour() -> None:
    texts = {"a": "of Harbour Books"}
    page = Page(of(texts, ("long", [("a", 0, 16)]), ("short", [("a", 3, 10)])).page())
    assert [dict(attrs)["class"] for tag, attrs in page.elements if tag == "mark"] == ["c0", "c1", "c0"]


def test_values_and_places_of_a_page_are_bounded() -> None:
    text = "x" * 600_000
    nested = [("v", [("a", at, len(text) - at)]) for at in range(1_100)]
    page = of({"a": text}, *nested).page()
    assert len(page) < 3_000_000
    assert "The first 1,000 values are shown." in page and "and 950 more" in page
    many = Evidence(
        {"a": text}, tuple(Stated("/n", "x", (StatedPlace("a", 0, 1, "x"),) * 1_000) for _ in range(1_000))
    )
    page = many.page()
    assert len(page) < 3_000_000 and page.count("at further places") == 1_000


def test_a_long_value_and_path_are_cut_in_the_table() -> None:
    long = "y" * 50_000
    assert len(Evidence({"a": "x"}, (Stated(f"/{long}", long, (), (long,)),)).page()) < 15_000


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, path = of({"a": "x"}, ("x", [("a", 0, 1)])), tmp_path / "page.html"
    found.write(path)
    assert path.read_text(encoding="utf-8") == found.page()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        of({"a": "y"}).write(path)
    assert path.read_text(encoding="utf-8") == found.page() and len([*tmp_path.iterdir()]) == 1
