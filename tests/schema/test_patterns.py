"""What shows of a pattern on its face: prefixes and words."""

from __future__ import annotations

from structgen.schema.meaning.simple_patterns import literal_prefix, words


def test_finite_patterns_are_read_as_words() -> None:
    assert words("^cat$") == {"cat"}
    assert words("^(cat|dog)$") == words("^(?:cat|dog)$") == {"cat", "dog"}
    assert words("^cat|dog$") is None and words("cat") is None and words("^c.t$") is None


def test_prefixes_stop_before_what_may_repeat() -> None:
    assert literal_prefix("^x-") == "x-"
    assert literal_prefix("^ab*") == "a"
    assert literal_prefix("^a|b") is None and literal_prefix("a") is None
