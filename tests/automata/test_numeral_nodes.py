"""The tree of many significands is that of few: digits lead to the same ranks and gaps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from structgen.automata.numbers.bound_tree import NODE_SIZE, nodes_of_few, nodes_of_many

significands = st.from_regex(r"\A[1-9]([0-3]{0,4}[1-3])?\Z")


@settings(max_examples=200)
@given(words=st.sets(significands, min_size=1, max_size=30).map(sorted))
def test_many_words_make_the_tree_of_few(words: list[str]) -> None:
    few, many = nodes_of_few(words), nodes_of_many(words)
    seen = {(0, 0)}
    pairs = [(0, 0)]
    while pairs:
        one, other = pairs.pop()
        a, b = few[NODE_SIZE * one :][:NODE_SIZE], many[NODE_SIZE * other :][:NODE_SIZE]
        assert a[10:] == b[10:]
        new = set(zip(a[:10], b[:10], strict=True)) - seen
        seen |= new
        pairs.extend(new)
