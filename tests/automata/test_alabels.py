"""A-labels (RFC 3492, RFC 5890 to 5893) beside Python's Punycode and the package `idna`."""

from __future__ import annotations

import itertools
import random
import unicodedata

import idna
import pytest
from string_reader import StringReader

from structgen.automata.formats.alabels import MOST_CHARS, ALabels, host_name
from structgen.automata.programs.instructions import IMPLICIT
from structgen.language.ir import DEAD, All, Format, Formula, Length, Not, Pattern, Words

_LETTERS = (
    "abclxnz019--éüßαβωбяאבג\u05f3\u05f4\u0627بي\u0660\u0661\u06f0\u06f1कषन\u093c\u094d\u200c\u200d\u0903\u0301\u0308\u0323"
    "\u302e\u30fbァぁ日本실례·\u0375\u0131\u0bc6\u0bbe"
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-"


def _decoded(label: str) -> str | None:
    """Return the U-label of an A-label as the package `idna` has it; None where there is none."""
    try:
        text = idna.ulabel(label.lower())
    except (idna.IDNAError, UnicodeError):
        return None
    return None if text.isascii() else text


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
    seen = set()
    for label in _labels(6000, 1):
        if label != label.lower():
            continue
        for bidi in (False, True):
            found = ALabels(bidi).is_end(label[4:])
            assert found == _is_of(label[4:], bidi), label
            seen.add(found)
    assert seen == {True, False}


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
    labels += _labels(60, 3)
    seen = set()
    for _ in range(800):
        name = ".".join(pick.choice(labels) for _ in range(pick.randint(1, 3)))
        assert names.accepts(name) == _is_name(name), name
        seen.add(_is_name(name))
    assert seen == {True, False}


def _is_of(text: str, bidi: bool) -> bool:
    """Return whether a text is an A-label behind `xn--` that keeps the Bidi rule, or has no right-to-left
    character."""
    try:
        shown = idna.ulabel("xn--" + text)
        right = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in shown)
        return not shown.isascii() and (idna.check_bidi(shown, check_ltr=True) if bidi else not right)
    except (idna.IDNAError, UnicodeError):
        return False


@pytest.mark.parametrize("bidi", [False, True])
def test_the_end_that_is_known_is_an_a_label_at_most_five_characters_away(bidi: bool) -> None:
    """From the worst beginnings and ends, and it is one character nearer behind its first character."""
    labels, far = ALabels(bidi), set()
    beginnings = ("", "a", "0", "-", "a-", "--", "a--", "0--", "---", "-a-", "----", "0---")
    for start, middle, end in itertools.product(
        beginnings, ("", "a" * 20, "0" * 45, "-" * 46), ("", "a", "-")
    ):
        text = start + middle + end
        rest = labels.rest(text)
        far.add(len(rest))
        assert _is_of(text + rest, bidi)
        for at in range(len(rest)):
            assert labels.rest(text + rest[:at]) == rest[at:], text
    assert max(far) == 5 and {3, 4, 5} <= far


@pytest.mark.parametrize("bidi", [False, True])
def test_any_characters_that_are_safe_may_follow(bidi: bool) -> None:
    labels, pick = ALabels(bidi), random.Random(4)
    for _ in range(100):
        text = "".join(pick.choice(_ALPHABET) for _ in range(pick.randint(0, 50)))
        tail = "".join(pick.choice(_ALPHABET) for _ in range(labels.safe(text)))
        for at in range(len(tail)):
            after = labels.step(text + tail[:at], tail[at])
            assert after == text + tail[: at + 1]
    assert labels.safe("a" * 53) == 1 and labels.safe("a" * 59) == 0


def test_the_program_says_of_the_start_what_the_stepper_does() -> None:
    program = host_name(True)
    starts = [code for code in program.code if code[0] == IMPLICIT]
    assert len(starts) == 2
    for _, which, _, least, safe, _ in starts:
        labels = program.steppers[which]
        assert (least, safe) == (len(labels.rest("")), labels.safe(""))


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
    """U+00DF behind letters alone: every beginning is a basic string, which has room for its end."""
    longest = ["xn--" + ("a" * count + "ß").encode("punycode").decode() for count in range(40, 60)]
    assert any(len(label) == 63 for label in longest)
    for label in longest:
        assert names.accepts(label) == (len(label) <= 63), label


def test_an_a_label_of_up_to_59_octets_is_accepted_and_a_longer_one_is_an_a_label(
    names: StringReader,
) -> None:
    pick = random.Random(6)
    longer = set()
    for _ in range(60):
        label = ""
        while len(label.encode("punycode")) < MOST_CHARS - 3:
            label += chr(pick.randint(0x4E00, 0x9000))
        name = "xn--" + label.encode("punycode").decode()
        accepted = names.accepts(name)
        if len(name) <= 59:
            assert accepted, name
        else:
            longer.add(accepted)
        assert not accepted or _is_of(name[4:], bidi=False)
    assert False in longer  # refused by name: docs/json-schema.md


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
