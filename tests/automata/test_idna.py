"""International names and mailboxes beside the package `idna` (RFC 5890 to 5893): no others are taken."""

from __future__ import annotations

import random
import unicodedata

import idna
import pytest
from reading import Walker

from structgen.automata.formats import idna as international
from structgen.base.language.ir import Format, Not

_LETTERS = (
    "abclxnz019--éüßαβωбяאבג\u05f3\u05f4\u0627بي\u0660\u0661\u06f0\u06f1कषन\u093c\u094d\u200c\u200d\u0903\u0301\u0308\u0323"
    "\u302e\u30fbァぁ日本실례·\u0375\u0131\u0bc6\u0bbe"
)
_DOTS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")


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


@pytest.fixture(scope="module")
def host() -> Walker:
    return Walker(Format("idn-hostname"))


@pytest.fixture(scope="module")
def denied() -> Walker:
    return Walker(Not(Format("idn-hostname")))


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 300), *(pytest.param(n, 3000, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_a_name_is_accepted_or_denied_as_the_package_says(
    host: Walker, denied: Walker, seed: int, count: int
) -> None:
    """What is left out is neither accepted nor denied."""
    accepted = 0
    for name in _names(seed, count):
        assert not (denied if _valid(name) else host).accepts(name), (name, ascii(name))
        accepted += host.accepts(name)
    assert accepted > count / 20


def test_the_names_that_the_automaton_writes_are_valid(host: Walker) -> None:
    assert all(_valid(text.decode().translate(_DOTS).lower()) for text in host.texts(200, seed=5))


@pytest.mark.parametrize("end", [0x250, 0x700, 0x3000, 0xA000, 0x20000, 0x32000])
def test_no_label_is_accepted_whose_punycode_is_too_long(host: Walker, end: int) -> None:
    """Of letters that are as far from one another as can be, which makes it longest, with some of ASCII."""
    draw = random.Random(end)
    letters = [char for char in map(chr, range(0x80, end, 1 + end // 4000)) if host.accepts(char)]
    longest = 0
    for size in range(1, 64):
        for beyond in {1, size // 2, size - 1, size} - {0}:
            step = len(letters) / beyond
            label = [letters[int((at + draw.random()) * step)] for at in range(beyond)]
            label += draw.choices("abz019", k=size - beyond)
            draw.shuffle(label)
            text = "".join(label)
            if host.accepts(text):
                longest = size
                assert len(idna.alabel(text)) <= 63, text
    assert longest >= 9


def test_no_name_is_accepted_that_is_too_long(host: Walker) -> None:
    for label in ("é" * 9, "ab" * 4 + "é", "a" * 63):
        count = max(n for n in range(1, 30) if host.accepts(".".join([label] * n)))
        assert count == 3
        assert len(idna.encode(".".join([label] * count))) <= 253
    assert not host.accepts(".".join(["a" * 49] * 5) + ".abcd")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("실례@실례.테스트", True),
        ('"a@b é"@é.com', True),
        ("joe@[127.0.0.1]", True),
        ("a-@b.c", True),
        ("a·b@c.d", True),
        ("é@-a.com", False),
        ("é@a\u200db.com", False),
        ("é", False),
        ("a@b·c.d", False),
        ("é@1א.com", False),
        (f"é@{'ü' * 60}.com", False),
    ],
)
def test_the_rules_of_names_hold_behind_the_last_at_alone(text: str, valid: bool) -> None:
    assert Walker(Format("idn-email")).accepts(text) == valid
    assert not (valid and Walker(Not(Format("idn-email"))).accepts(text))


def least_deltas() -> list[int]:
    """For 1, 2, ... digits, the least delta that Punycode writes with so many digits under any bias."""
    least = [1 << 60] * 8
    for bias in range(400):
        below, weight = 0, 1
        for digits in range(8):
            least[digits] = min(least[digits], below)
            threshold = min(max(36 * (digits + 1) - bias, 1), 26)
            below += threshold * weight
            weight *= 36 - threshold
    return least


def fits(others: int, plain: int, end: int) -> bool:
    """Whether every label of so many characters beyond ASCII and of ASCII, all below `end`, has 63 octets.

    Punycode's deltas (RFC 3492, section 6.3) sum to at most one step for each code point and place. They have
    the most digits if the sum is spread evenly.
    """
    least = least_deltas()
    left = (end - 0x7F) * (others + plain)
    digits = others
    for more in range(1, len(least)):
        step = least[more] - least[more - 1]
        taken = min(others, left // step)
        digits += taken
        left -= taken * step
        if taken < others:
            break
    return 4 + plain + (plain > 0) + digits <= 63


@pytest.mark.parametrize(("end", "most"), international._TIERS)
def test_labels_are_as_long_as_punycode_surely_allows(end: int, most: int) -> None:
    for size in range(1, most + 1):
        assert all(fits(others, size - others, end) for others in range(1, size + 1))
    assert not all(fits(others, most + 1 - others, end) for others in range(1, most + 2))
