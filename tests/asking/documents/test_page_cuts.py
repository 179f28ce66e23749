"""Pages of a text: they cover it, fit, overlap, and begin and end between words."""

from __future__ import annotations

import re
from itertools import pairwise
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from structgen.asking.documents.page_cuts import Count, cut_pages
from structgen.base.errors import OptionError

PIECES = [
    *("a", "word", "Deliveries", "x" * 30, "3.50", "don't", "。", "名", "古屋", "é", "e\u0301", "👩\u200d👧"),
    *("\U0001f1e9\U0001f1ea", " ", " ", " ", "  ", "\n", "\n\n", "\n# ", "\f", ". ", "! ", ", ", "(", ")"),
    *("...", "ก", "กำ", "_", "\u00ad"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(
    st.characters(max_codepoint=0xDFF), max_size=60
)


def by_characters(text: str) -> int:
    return len(text)


def by_groups(text: str) -> int:
    """A count that is less for a text than for its parts together, as tokenizers count."""
    return len(re.findall(r"[aeiou]+|[^aeiou\s]{1,3}|\s+", text))


def is_letter(one: str) -> bool:
    """Whether a character is one of a word with white space around it: no Han, no Thai."""
    return one.isalnum() and not ("\u0e00" <= one <= "\u0e7f" or "\u4e00" <= one <= "\u9fff")


def is_mark(one: str) -> bool:
    return category(one)[0] == "M" or category(one) == "Cf" or "\U0001f3fb" <= one <= "\U0001f3ff"


def word_around(text: str, at: int) -> int:
    """Return the length of the word that goes on at a place; 0: none does."""
    low, high = at, at
    while low > 0 and (is_letter(text[low - 1]) or is_mark(text[low - 1])):
        low -= 1
    while high < len(text) and (is_letter(text[high]) or is_mark(text[high])):
        high += 1
    while low < at and not is_letter(text[low]):
        low += 1
    return high - low if low < at < high else 0


def is_edge(text: str, at: int) -> bool:
    """Whether a word, or white space, begins or ends at a place."""
    if at in (0, len(text)) or text[at - 1].isspace() or text[at].isspace():
        return True
    is_of_word = is_letter(text[at - 1]) or is_letter(text[at])
    return is_of_word and not word_around(text, at) and not is_mark(text[at])


@st.composite
def tasks(draw: st.DrawFn) -> tuple[str, int, int]:
    most = draw(st.integers(4, 50))
    return draw(TEXTS), most, draw(st.integers(0, (most - 1) // 2))


@given(tasks(), st.sampled_from([by_characters, by_groups]))
def test_pages_have_all_that_is_no_white_space_and_each_has_something_new(
    task: tuple[str, int, int], count: Count
) -> None:
    text, most, overlap = task
    pages = cut_pages(text, count, most, overlap)
    seen: set[int] = set()
    for page in pages:
        assert text[page.start : page.end].strip() == text[page.start : page.end] != ""
        assert not {*range(page.start, page.end)} <= seen
        seen |= {*range(page.start, page.end)}
    assert {at for at, one in enumerate(text) if not one.isspace()} <= seen
    assert all(one.start < two.start and one.end < two.end for one, two in pairwise(pages))


@given(tasks(), st.sampled_from([by_characters, by_groups]))
def test_no_page_has_more_tokens_than_it_may(task: tuple[str, int, int], count: Count) -> None:
    text, most, overlap = task
    assert all(count(text[page.start : page.end]) <= most for page in cut_pages(text, count, most, overlap))


@given(tasks())
@example(("aa " * 40, 20, 8))
def test_each_stretch_of_overlap_tokens_stands_whole_in_a_page(task: tuple[str, int, int]) -> None:
    text, most, overlap = task
    pages = cut_pages(text, by_characters, most, overlap)
    edges = [at for at in range(len(text) + 1) if is_edge(text, at)]
    for low in edges:
        for high in edges:
            stretch = text[low:high]
            if 0 < high - low <= overlap and stretch == stretch.strip():
                assert any(page.start <= low and high <= page.end for page in pages), stretch


@given(tasks())
def test_no_page_begins_or_ends_inside_a_word_that_fits_into_one(task: tuple[str, int, int]) -> None:
    text, most, overlap = task
    for page in cut_pages(text, by_characters, most, overlap):
        for at in (page.start, page.end):
            assert not 0 < word_around(text, at) <= most


@given(tasks())
def test_no_page_begins_with_a_mark_of_the_character_before(task: tuple[str, int, int]) -> None:
    text, most, overlap = task
    for page in cut_pages(text, by_characters, most, overlap):
        before = text[: page.start]
        assert not (before and not before[-1].isspace() and is_mark(text[page.start])) or most < 31


@given(tasks(), TEXTS)
def test_text_at_the_end_moves_no_page_but_the_last_ones(task: tuple[str, int, int], more: str) -> None:
    text, most, overlap = task
    pages = cut_pages(text, by_characters, most, overlap)[:-2]
    assert cut_pages(f"{text}\n{more}", by_characters, most, overlap)[: len(pages)] == pages


@given(tasks())
def test_a_text_that_fits_is_one_page_and_white_space_is_none(task: tuple[str, int, int]) -> None:
    text, _, overlap = task
    assert len(cut_pages(text, by_characters, max(len(text), 1), overlap)) == bool(text.strip())


def ends(text: str, most: int, overlap: int = 0) -> list[str]:
    return [text[page.start : page.end] for page in cut_pages(text, by_characters, most, overlap)]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("\n# Title\n", "\n\nText "),
        ("\n\nText ", ".\nText "),
        (".\nText ", "\nText "),
        ("\nText ", ". Text "),
        (". Text ", " text "),
        (" ", ","),
        (" ", "."),
    ],
)
def test_the_better_border_ends_a_page_even_where_it_comes_earlier(better: str, worse: str) -> None:
    text = "a" * 70 + better + "b" * 10 + worse + "c" * 60
    assert ends(text, 100)[0] == (text[:70] + better[: better.startswith(".")])


def test_a_better_border_in_the_first_quarter_of_a_page_is_too_early() -> None:
    text = "a" * 20 + "\n\n" + "b" * 50 + " " + "c" * 60
    assert ends(text, 100)[0] == text[:72]


def test_a_page_ends_before_headings_and_not_behind_one() -> None:
    text = "a" * 70 + "\n\n# One\n\n## Two\n\n" + "b" * 200
    assert ends(text, 100)[0] == "a" * 70


def test_an_ideographic_stop_ends_a_sentence_without_white_space() -> None:
    text = "一" * 36 + "。」" + "「" + "二" * 30
    assert ends(text, 50) == ["一" * 36 + "。」", "「" + "二" * 30]


def test_a_page_begins_at_a_sentence_where_that_costs_half_of_the_overlap_again() -> None:
    text = " ".join(f"Sentence number {at} is here." for at in range(100, 140))
    assert all(page.startswith("Sentence") for page in ends(text, 200, 20))


def test_pages_are_no_more_than_four_times_as_many_as_the_text_needs() -> None:
    text = "word. # a\n\nnext " * 500
    assert len(cut_pages(text, by_characters, 100, 49)) <= 4 * len(text) / 100 + 1


@pytest.mark.parametrize(
    "words", [["x" * 110] * 9, ["one", "x" * 110], ["x" * 102, "a", "y" * 120, "b", "z" * 15]]
)
def test_long_words_that_fit_into_a_page_stay_whole(words: list[str]) -> None:
    for overlap in range(100):
        assert {word for page in ends(" ".join(words), 240, overlap) for word in page.split()} == {*words}


def test_a_word_of_many_pages_is_cut_between_its_letters() -> None:
    text = "one " + "x" * 100_000 + " two"
    pages = ends(text, 1000, 100)
    assert pages[0] == "one" and pages[-1].endswith("x two")
    assert all(900 < len(page) <= 1000 for page in pages[1:-1])


def test_white_space_of_many_pages_parts_two() -> None:
    blanks = " " * 1_000_000
    text = f"one{blanks}two{blanks}"
    assert ends(text, 100, 40) == ["one", "two"]


@pytest.mark.parametrize(
    "unit", ["word and ", "x", " ", "\n", "# a\n", "一", "e\u0301", "\u0301", ".", "a. ", "👩\u200d"]
)
def test_the_count_is_asked_about_no_more_than_a_few_times_the_text(unit: str) -> None:
    asked = []

    def count(text: str) -> int:
        asked.append(len(text))
        return len(text) // 3 + 1

    text = "a" + unit * (30_000 // len(unit)) + "b"
    cut_pages(text, count, 512, 100)
    assert sum(asked) <= 3 * len(text) and max(asked) <= 128


def test_a_page_that_is_smaller_than_a_character_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"page: A piece has at most 3 tokens, and the character '猫' has 4\."
    ):
        cut_pages("a cat: 猫", lambda text: 4 if "猫" in text else 1, 3, 0)


def test_an_emoji_of_several_stays_whole() -> None:
    family = "👩\u200d👩\u200d👧"
    assert ends(family * 9, 11) == [family * 2] * 4 + [family]
