"""Internationalised host names and mailboxes beside the package `idna` (RFC 5890 to 5893)."""

from __future__ import annotations

import random
import unicodedata

import idna
import pytest
from string_reader import StringReader

from structgen.language.ir import All, Format, Formula, Length, Not, Pattern, Words
from structgen.limits import Limits

_LETTERS = (
    "abclxnz019--éüßαβωбяאבג\u05f3\u05f4\u0627بي\u0660\u0661\u06f0\u06f1कषन\u093c\u094d\u200c\u200d\u0903\u0301\u0308\u0323"
    "\u302e\u30fbァぁ日本실례·\u0375\u0131\u0bc6\u0bbe"
)


class Reader(StringReader):
    def __init__(self, name: str, *beside: Formula, denied: bool = False) -> None:
        formula: Formula = All((Format(name), *beside)) if beside else Format(name)
        super().__init__(Not(formula) if denied else formula, limits=Limits(automaton_states=4_000_000))


@pytest.fixture(scope="module")
def host() -> Reader:
    return Reader("idn-hostname")


def _valid(name: str) -> bool:
    """Whether the package accepts all labels; where some are right-to-left, the Bidi rule holds in all."""
    labels = name.split(".")
    right = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in name)
    try:
        for label in labels:
            if label.lower().startswith("xn--"):
                return False
            if label.isascii():
                if not label or label[0] == "-" or label[-1] == "-" or label[2:4] == "--" or len(label) > 63:
                    return False
            else:
                idna.alabel(label)
            if right and not idna.check_bidi(label, check_ltr=True):
                return False
    except idna.IDNAError:
        return False
    return sum(len(idna.alabel(label)) + 1 for label in labels) <= 254


def _names(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        script = draw.sample(_LETTERS, draw.randint(1, 4))
        text = "".join(draw.choice(script) for _ in range(draw.randint(1, 6)))
        if draw.random() < 0.3:
            text += "." + "".join(draw.choice(script) for _ in range(draw.randint(1, 3)))
        found.append(text)
    return found


def _is_cut(name: str) -> bool:
    """Whether a name holds marks that might compose, or several in a row."""
    marks = [unicodedata.category(char).startswith("M") for char in name]
    return any(marks)


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 150), *(pytest.param(n, 200, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_names_are_those_that_the_package_accepts(host: Reader, seed: int, count: int) -> None:
    for name in _names(seed, count):
        accepted, valid = host.accepts(name), _valid(name)
        assert accepted <= valid, (name, ascii(name))
        assert accepted or not valid or _is_cut(name), (name, ascii(name))


@pytest.mark.parametrize(
    "letters", ["é", "αβγω", "日本語漢字", "\U00020000\U0002a000", "aé", "abcdefbü", "aé日\U00020000"]
)
def test_no_label_is_accepted_whose_punycode_is_too_long(host: Reader, letters: str) -> None:
    draw = random.Random(letters)
    longest = 0
    for size in range(1, 64):
        label = "".join(draw.choice(letters) for _ in range(size))
        if host.accepts(label):
            longest = size
            assert len(idna.alabel(label)) <= 63
    assert longest >= 9


@pytest.mark.parametrize("letters", ["παράδειγμα", "ω", "жыволпиж", "éßő", "աբգդ"])
def test_labels_of_one_script_are_as_long_as_their_a_labels_allow(host: Reader, letters: str) -> None:
    """All of them, whose beginnings are labels too: the length is that of RFC 3492, letter by letter."""
    draw = random.Random(letters)
    sizes = set()
    for _ in range(40):
        label, fits = "", True
        while fits:
            assert label == "" or host.accepts(label), label
            label += draw.choice(letters)
            fits = 4 + len(label.encode("punycode")) <= 63
        assert not host.accepts(label), label
        sizes.add(len(label))
    assert min(sizes) > 14


def test_a_long_label_stands_beside_others_and_is_followed_by_what_a_label_may_be_followed_by(
    host: Reader,
) -> None:
    long = "παράδειγμα" * 5 + "πα"  # of the official test suite: its A-label has 61 octets
    assert len(idna.alabel(long)) == 61
    for text in (long, f"{long}.com", f"com\u3002{long}", f"{long}\uff0e{long}\uff61{long}", f"{long}.ב"):
        assert host.accepts(text)
    for text in (f"{long}\u0375\u03b1", f"{long}a", f"{long}-a", f"{long}я", f"{long}.", "\u03b1" * 60):
        assert not host.accepts(text)


@pytest.mark.parametrize(
    ("beside", "accepted"),
    [
        (Length(0, 60), True),
        (Length(1, None), True),
        (Not(Words(frozenset(("\u03b1",)))), True),
        (Not(Words(frozenset(("παράδειγμα" * 5,)))), False),
        (Length(0, 40), False),
        (Length(2, None), False),
        (Pattern("\u03b1"), False),
        (Not(Pattern("β")), False),
    ],
)
def test_long_labels_beside_other_formulas(beside: Formula, accepted: bool) -> None:
    """Beside a pattern or a least length they are left out (docs/json-schema.md)."""
    assert Reader("idn-hostname", beside).accepts("παράδειγμα" * 5) == accepted
    assert Reader("idn-hostname", beside).accepts("παράδειγμ" if accepted else "παράδειγμα")


def test_every_state_of_a_long_label_lives_and_is_finished(host: Reader) -> None:
    """In the middle of a letter, too, and where the text so far is excluded."""
    text = "παράδειγμα" * 5
    excluded = Reader("idn-hostname", Not(Words(frozenset((text, text[:20])))))
    for reader in (host, excluded):
        state = reader.start
        for at, byte in enumerate(text.encode()):
            reader.pool.expand(state, byte)
            state = int(reader.pool.trans[state, byte])
            assert state >= 0
            rest = reader.pool.finish(state)[0]
            assert reader.accepts((text.encode()[: at + 1] + rest).decode())
            if reader is host:
                assert len(rest) == (at + 1) % 2


def test_no_name_is_accepted_that_is_too_long(host: Reader) -> None:
    for label in ("é" * 9, "ab" * 20 + "é"):
        count = max(n for n in range(1, 5) if host.accepts(".".join([label] * n)))
        assert count == 3 and len(idna.encode(".".join([label] * count))) <= 253
    assert host.accepts(".".join(["a" * 63] * 3)) and not host.accepts(".".join(["a" * 63] * 4))


@pytest.mark.parametrize("name", ["கொடு.com", "नमस्ते.भारत", "বাংলা.com", "việtnam.vn", "한국.kr", "ドメイン.jp"])
def test_names_of_many_scripts_are_accepted(host: Reader, name: str) -> None:
    assert _valid(unicodedata.normalize("NFC", name))
    assert host.accepts(unicodedata.normalize("NFC", name))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("실례@실례.테스트", True),
        ('"a@b é"@é.com', True),
        ("joe@[127.0.0.1]", True),
        ("é@-a.com", False),
        ("é@a\u200db.com", False),
        ("é", False),
        ("a-@b.c", True),
        ("a·b@c.d", True),
        ("a@b·c.d", False),
        ("é@1א.com", False),
        (f"é@{'ü' * 60}.com", False),
    ],
)
def test_the_rules_of_names_hold_behind_the_last_at_alone(text: str, valid: bool) -> None:
    assert Reader("idn-email").accepts(text) == valid


@pytest.mark.parametrize("seed", [10, pytest.param(11, marks=pytest.mark.slow)])
def test_the_opposite_of_a_name_is_no_name(host: Reader, seed: int) -> None:
    """What breaks a rule is of the opposite; what may be a name, and is left out, is of neither."""
    opposite = Reader("idn-hostname", denied=True)
    broken = 0
    for name in _names(seed, 150):
        denied = opposite.accepts(name)
        assert not (denied and (host.accepts(name) or _valid(name))), (name, ascii(name))
        assert denied or _valid(name) or _is_cut(name), (name, ascii(name))
        broken += denied
    assert broken > 30
    for cut in ("é日" * 20, "xn--a", "xn--zca", "a.b.c.d.e.f.g.é", "\U0001133b\U00011f04"):
        assert not host.accepts(cut) and not opposite.accepts(cut), ascii(cut)
    assert opposite.accepts("é" * 64) and opposite.accepts("-é")


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("é", True),
        ("a@b", False),
        ("a@-b", True),
        ("a@xn--zca.é", False),
        ("a@l·", True),
        (f"é@{'ü' * 60}", False),
    ],
)
def test_the_opposite_of_a_mailbox_is_no_mailbox(text: str, denied: bool) -> None:
    assert Reader("idn-email", denied=True).accepts(text) == denied
