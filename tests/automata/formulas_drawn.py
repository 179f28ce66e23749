"""Formulas, drawn at random, over a small alphabet; and all short texts over it."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from structgen.base.language.ir import All, Any_, Formula, Length, Not, Pattern, Words

ALPHABET = "ab-é日"
TEXTS = ["".join(letters) for size in range(5) for letters in itertools.product(ALPHABET, repeat=size)]
AWKWARD = ('"', "\\", "\x00", "\n", " ", "a", "\x7f", "é", "日", "😀")
SHORT = ["".join(letters) for size in range(4) for letters in itertools.product(AWKWARD, repeat=size)]
SHORT[111:] = SHORT[111::13]
_ATOMS = ["a", "b", "-", "é", "日", ".", "[ab]", "[^a]", r"\w", r"\W", "[é-日]", "^", "$", "(?:)", r"\u0061"]
_COUNTS = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "{0}", "{2,3}?"]


def patterns(*, looks: bool) -> st.SearchStrategy[str]:
    """Draw patterns over ALPHABET; `looks`: with look-arounds and word boundaries."""

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        forms = [
            st.lists(inner, min_size=1, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            st.tuples(inner, st.sampled_from(_COUNTS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        ]
        if looks:
            kinds = st.sampled_from(["?=", "?!", "?<=", "?<!"])
            forms.append(st.tuples(kinds, inner).map(lambda pair: f"({pair[0]}{pair[1]})"))
        return st.one_of(forms)

    return st.recursive(st.sampled_from(_ATOMS + ([r"\b", r"\B"] if looks else [])), grow, max_leaves=8)


def formulas(*, looks: bool = False) -> st.SearchStrategy[Formula]:
    """Draw formulas of every kind but formats."""
    leaf = st.one_of(
        patterns(looks=looks).map(Pattern),
        st.tuples(st.integers(0, 3), st.integers(0, 3) | st.none()).map(lambda pair: Length(*pair)),
        st.frozensets(st.text("abé", max_size=3), max_size=4).map(Words),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
            st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts))),
        ),
        max_leaves=4,
    )


def awkward_formulas() -> st.SearchStrategy[Formula]:
    """Draw formulas over characters that JSON escapes, and others of every width."""
    sets = st.lists(st.sampled_from(AWKWARD), min_size=1, max_size=5, unique=True).map(
        lambda chars: "[" + "".join(f"\\u{{{ord(char):x}}}" for char in chars) + "]"
    )
    pieces = st.tuples(sets, st.sampled_from(["", "{1,2}", "?"])).map("".join)
    whole = st.lists(pieces, max_size=3).map(lambda parts: Pattern(f"^(?:{''.join(parts)})$"))
    words = st.frozensets(st.text(AWKWARD, max_size=3), max_size=4).map(Words)
    two = st.tuples(whole, whole).map(lambda pair: Any_(pair))
    return st.one_of(whole, words, two, st.tuples(two, st.just(Length(1, 2))).map(lambda pair: All(pair)))
