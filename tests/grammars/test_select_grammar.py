"""Queries: what the small grammar takes, SQLite's own parser takes, and so does the grammar of all of SQL."""

from __future__ import annotations

from sentences import Sentences, mutants
from shipped import accepts, labelled, lexemes, parser
from sql_oracle import is_sql

WORDS = {
    "NAME": ("a", "b", "first_name", "x2"),
    "STRING": ("''", "'it is'"),
    "NUMBER": ("0", "25"),
    "COMPARISON": (" != ", " <= ", " > "),
    "FUNCTION": ("COUNT", "MIN"),
}


def test_sqlite_and_the_grammar_of_sql_take_random_queries() -> None:
    grammar, whole = parser("select"), parser("sql")
    sentences = Sentences(grammar, seed=3, words=WORDS)
    texts = {"".join(text for _, text in sentences.draw("start", 4 + size % 20)) for size in range(250)}
    taken = [text for text in texts if accepts(grammar, text)]
    assert len(taken) > 80
    assert not [text for text in taken if not is_sql(text) or not accepts(whole, text)]


def test_sqlite_takes_each_mutant_that_the_grammar_takes() -> None:
    grammar, taken, refused = parser("select"), 0, 0
    for text, label in labelled("select"):
        if label:
            words = [word for _, word in lexemes(grammar, text)]
            for mutant in mutants(words, seed=len(text)):
                changed = "".join(mutant)
                verdict = accepts(grammar, changed)
                taken, refused = taken + verdict, refused + (not verdict)
                assert not verdict or is_sql(changed), changed
    assert taken > 3
    assert refused > 50
