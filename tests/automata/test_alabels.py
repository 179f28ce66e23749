"""A-labels (RFC 3492, RFC 5890 to 5893) beside Python's Punycode and the package `idna`."""

from __future__ import annotations

import itertools
import random
import unicodedata

import idna
import numpy as np
import pytest
from string_reader import StringReader

from structgen.automata.formats.alabels import MOST_DIGITS, PLAIN, TO_LEFT, TO_RIGHT, ALabels, host_name
from structgen.automata.formats.punycode import code_points, least_digits
from structgen.automata.programs.instructions import IMPLICIT
from structgen.language.ir import DEAD, All, Format, Formula, Length, Not, Pattern, Words

_LETTERS = (
    "abclxnz019--éüßαβωбяאבג\u05f3\u05f4\u0627بي\u0660\u0661\u06f0\u06f1कषन\u093c\u094d\u200c\u200d\u0903\u0301\u0308\u0323"
    "\u302e\u30fbァぁ日本실례·\u0375\u0131\u0bc6\u0bbe"
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-"


def _decoded(label: str) -> str | None:
    """Return the U-label of an A-label as the package `idna` has it; None where there is none, or a character
    is newer than the tables."""
    try:
        text = idna.ulabel(label.lower())
    except (idna.IDNAError, UnicodeError):
        return None
    if text.isascii() or any(unicodedata.category(char) == "Cn" for char in text):
        return None
    return text


def _is_name(name: str) -> bool:
    """Return whether each label is LDH or an A-label; all keep the Bidi rule if one is right-to-left."""
    labels = name.split(".")
    if any(not label or label[0] == "-" or label[-1] == "-" or len(label) > 63 for label in labels):
        return False
    shown = [_decoded(label) if label.lower().startswith("xn--") else label for label in labels]
    if any(label is None for label in shown):
        return False
    right = any(
        unicodedata.bidirectional(char) in ("R", "AL", "AN") for label in shown for char in label or ""
    )
    try:
        return not right or all(idna.check_bidi(label or "", check_ltr=True) for label in shown)
    except idna.IDNAError:
        return False


@pytest.fixture(scope="module")
def names() -> StringReader:
    return StringReader(Format("hostname labels"))


def _labels(count: int, seed: int) -> list[str]:
    pick = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        letters = "".join(pick.choice(_LETTERS) for _ in range(pick.randint(1, 7)))
        text = letters.encode("punycode").decode()
        if pick.random() < 0.5:
            at = pick.randrange(len(text))
            text = text[:at] + pick.choice(_ALPHABET) + text[at + pick.randint(0, 1) :]
        found.append("xn--" + text)
    return found


def test_what_is_an_a_label_is_as_the_package_has_it() -> None:
    props, pairs = code_points()
    kinds = TO_RIGHT | TO_LEFT | PLAIN
    seen = set()
    for label in _labels(6000, 1):
        text = label[4:]
        if label != label.lower() or (_decoded(label) is None and _newer(text)):
            continue
        written = np.array([ord(char) for char in text], np.int64)
        found = least_digits(written, len(text), 0, kinds, props, pairs) == 0
        assert found == (_decoded(label) is not None), label
        seen.add(found)
    assert seen == {True, False}


def _newer(text: str) -> bool:
    try:
        return any(unicodedata.category(char) == "Cn" for char in text.encode().decode("punycode"))
    except UnicodeError:
        return False


def test_names_of_several_labels_keep_the_bidi_rule_together(names: StringReader) -> None:
    pick = random.Random(2)
    labels = [
        "a",
        "0",
        "a0",
        "0a",
        "xn--qmbc",
        "xn--0-gyc",
        "xn--ll-0ea",
        "xn--4dbc5h",
        "xn--ngba1o",
        "xn--a",
    ]
    labels += [
        "xn--p1ai",
        "XN--P1AI",
        "xN--9t4B11yi5a",
        "xn-a",
        "xn",
        "ab--c",
        "xn--",
        "xn---",
        "-a",
        "a-",
        "",
    ]
    labels += [label for label in _labels(60, 3) if not _newer(label[4:])]
    seen = set()
    for _ in range(800):
        name = ".".join(pick.choice(labels) for _ in range(pick.randint(1, 3)))
        assert names.accepts(name) == _is_name(name), name
        seen.add(_is_name(name))
    assert seen == {True, False}


@pytest.mark.parametrize("kinds", [TO_RIGHT | PLAIN, TO_RIGHT | TO_LEFT])
def test_the_least_end_is_that_of_all_texts_of_its_length(kinds: int) -> None:
    """Where two characters at most are left of a label, all that may follow are tried."""
    labels, pick = ALabels(kinds), random.Random(4)
    seen = set()
    for turn in range(40):
        wide = "".join(map(chr, range(0x4E00, 0x9000, 41)))
        letters = pick.choice(("αβγδεζηθ", wide, wide, "אבגדה", "aüéb0"))
        label = ""
        while len(label.encode("punycode")) < MOST_DIGITS:
            label += pick.choice(letters)
        text = label.encode("punycode").decode()[: MOST_DIGITS - turn % 3]
        if pick.random() < 0.5:
            text = text[:-2] + pick.choice(_ALPHABET) + text[-1]
        least = next(
            (
                length
                for length in range(MOST_DIGITS - len(text) + 1)
                for rest in itertools.product(_ALPHABET, repeat=length)
                if _kind(text + "".join(rest)) & kinds
            ),
            -1,
        )
        assert labels.least(text) == least, text
        seen.add(least)
    assert len(seen) > 2


def _kind(text: str) -> int:
    shown = _decoded("xn--" + text)
    if shown is None:
        return 0
    if any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in shown):
        return TO_LEFT
    try:
        return TO_RIGHT if idna.check_bidi(shown, check_ltr=True) else 0
    except idna.IDNAError:
        return PLAIN


@pytest.mark.parametrize("kinds", [TO_RIGHT | PLAIN, TO_RIGHT | TO_LEFT])
def test_what_must_be_inserted_into_a_basic_string_takes_three_digits_and_one_each(kinds: int) -> None:
    """The digits of the words of the proof are written out, and fewer than they are leads nowhere."""
    labels = ALabels(kinds)
    for start, length in itertools.product(
        ("a", "0", "-a", "--", "---", "-a-", "a--", "0--", "--a"), (4, 9, 40, 52)
    ):
        for end in ("a", "-"):
            text = (start + "a" * length)[: length - 1] + end
            least = labels.least(text + "-")
            rest = labels.rest(text + "-")
            assert len(rest) == least
            assert _kind(text + "-" + rest.lower()) & kinds, text
            if least == 4:
                props, pairs = code_points()
                written = np.array([ord(char) for char in text + "-"], np.int64)
                assert least_digits(written, len(written), 3, kinds, props, pairs) == -1, text


def test_the_program_says_of_the_start_what_the_stepper_does() -> None:
    program = host_name(True)
    starts = [code for code in program.code if code[0] == IMPLICIT]
    assert len(starts) == 2
    for _, which, _, least, safe, _ in starts:
        labels = program.steppers[which]
        assert (least, safe) == (labels.least(labels.start()), labels.safe(labels.start()))


def test_ends_of_texts_are_reached_and_shrink_by_one(names: StringReader) -> None:
    pick = random.Random(5)
    for _ in range(150):
        text = "a.xn--" + "".join(pick.choice(_ALPHABET) for _ in range(pick.randint(0, 59)))
        state = names.state(text)
        if state == DEAD:
            continue
        rest = names.pool.finish(state)[0]
        assert names.accepts(text + rest.decode()), (text, rest)
        if rest:
            after = names.state(text + rest[:1].decode())
            assert names.pool.finish(after)[0] == rest[1:], (text, rest)


def test_a_label_has_63_octets_at_most(names: StringReader) -> None:
    longest = [label for label in (_long(count) for count in range(40, 60)) if label is not None]
    assert any(len(label) == 63 for label in longest)
    for label in longest:
        assert names.accepts(label) == (len(label) <= 63), label


def _long(count: int) -> str | None:
    return "xn--" + ("a" * count + "ß").encode("punycode").decode()


@pytest.mark.parametrize(
    ("formulas", "accepted"),
    [
        ((Format("hostname"), Format("ipv4")), True),
        ((All((Format("hostname"), Length(0, 200))),), True),
        ((All((Format("hostname"), Length(12, None))),), True),
        ((All((Format("hostname"), Not(Words(frozenset(("xn--zca",)))))),), True),
        ((All((Format("hostname"), Length(0, 8))),), False),
        ((All((Format("hostname"), Not(Words(frozenset(("xn--9t4b11yi5a",)))))),), False),
        ((All((Format("hostname"), Pattern("a")))), False),
    ],
)
def test_a_labels_beside_other_formulas(formulas: tuple[Formula, ...], accepted: bool) -> None:
    """Beside a pattern they are left out (docs/json-schema.md)."""
    reader = StringReader(*formulas) if isinstance(formulas, tuple) else StringReader(formulas)
    assert reader.accepts("xn--9t4b11yi5a") == accepted
    assert not reader.accepts("xn--a")
