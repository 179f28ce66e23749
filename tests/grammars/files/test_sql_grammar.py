"""SQL, and queries alone: what the grammars take, SQLite's own parser takes, and SQL's takes each query."""

from __future__ import annotations

import itertools
import sqlite3

import pytest
from for_each import for_each
from sentences import Sentences, mutants
from shipped import accepts, parser
from sql_oracle import complaint, is_sql

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="the grammar is that of SQLite 3.39 and later"
)

WORDS = {
    "NAME": ("a", "b", "x", "tbl", "key", "view", "first", "Row", "é$1"),
    "QUOTED": ('"q""r"', "[w w]", "`z`"),
    "STRING": ("''", "'it''s'"),
    "NUMBER": ("1", "2.5", "0x1F", ".5", "1e3"),
    "PARAMETER": ("?", "?2", ":n", "@n", "$n"),
}
FREE = (
    "abort action after analyze attach before conflict database detach each fail first ignore instead key"
    " last of plan pragma query reindex row trigger vacuum view virtual"
).split()
"""Keywords that are names to the grammar, as its page lists them."""

PLACES = (
    "SELECT {0}, t.{0}, {0}.*, 1 {0}, 1 AS {0}, {0}(1), -{0} FROM {0} JOIN u {0} USING ({0}) WHERE {0} = {0}",
    "SELECT sum(a) OVER {0} FROM t WINDOW {0} AS ({0} PARTITION BY {0} ORDER BY {0} ROWS {0} PRECEDING)",
    "SELECT CASE {0} WHEN {0} THEN {0} ELSE {0} END, CAST({0} AS {0}), {0} BETWEEN {0} AND {0} COLLATE {0}",
    "CREATE TABLE {0} ({0} {0} CONSTRAINT {0} CHECK ({0}) REFERENCES {0} ({0}), CONSTRAINT {0} UNIQUE ({0}))",
    "CREATE TABLE t (a {0} DEFAULT {0}, b)",
    "CREATE INDEX {0} ON {0} ({0} ASC); CREATE VIEW {0} ({0}) AS SELECT 1; DROP TABLE {0}",
    "INSERT INTO {0} AS {0} ({0}) VALUES ({0}) ON CONFLICT ({0}) DO UPDATE SET {0} = {0} RETURNING {0} {0}",
    "UPDATE {0} AS {0} SET {0} = {0}, ({0}) = 1; DELETE FROM {0} WHERE {0}",
    "ALTER TABLE {0} RENAME {0} TO {0}; ALTER TABLE {0} ADD {0} {0}; ALTER TABLE {0} DROP {0}",
    "SAVEPOINT {0}; ROLLBACK TO {0}; RELEASE {0}",
)
"""A name wherever one may stand."""


def random_scripts(seed: int, count: int) -> list[list[str]]:
    """Return scripts that lark takes, as lexemes, of at most 120."""
    grammar = parser("sql")
    sentences = Sentences(grammar, seed=seed, words=WORDS)
    drawn = ([text for _, text in sentences.draw("start", 4 + size % 22, 121)] for size in range(count))
    return [words for words in drawn if len(words) <= 120 and accepts(grammar, " ".join(words))]


def is_sound(seed: int, count: int) -> int:
    """Hold random scripts and their mutants to SQLite; return how many texts were taken by both."""
    grammar = parser("sql")
    taken = 0
    for number, words in enumerate(random_scripts(seed, count)):
        texts = [" ".join(words)]
        every = enumerate(mutants(words, number))
        texts += [" ".join(mutant) for at, mutant in every if at % 7 == number % 7]
        for text in texts:
            if accepts(grammar, text):
                taken += 1
                assert is_sql(text), text
    return taken


@pytest.mark.parametrize("count", [60, pytest.param(6000, marks=pytest.mark.slow)])
def test_sqlite_takes_random_scripts_and_mutants(count: int) -> None:
    assert is_sound(seed=1, count=count) > count


@for_each("word", [*FREE, "plain"])
def test_word_is_a_name_to_sqlite_and_to_the_grammar(word: str) -> None:
    for place in PLACES:
        assert is_sql(place.format(word)), place
        assert accepts(parser("sql"), place.format(word)), place


@pytest.mark.parametrize("text", ["SELECT {0} x", "SELECT x {0}", "SELECT x FROM {0}", "SELECT x FROM{0}"])
def test_words_of_the_grammar_are_no_names(text: str) -> None:
    """Wherever a keyword of SQLite stands in a name's place and the grammar takes it, SQLite does so too."""
    grammar = parser("sql")
    words = [terminal.name for terminal in grammar.terminals if terminal.name.isalpha()]
    assert len(words) > 100
    for word in words:
        changed = text.format(word)
        assert not accepts(grammar, changed) or is_sql(changed), changed


def test_oracle_tells_syntax_from_what_is_missing() -> None:
    assert complaint("SELECT a FROM nowhere") == "no such table: nowhere"
    assert is_sql("SELECT a FROM nowhere")
    assert not is_sql("SELECT a FROM")
    assert not is_sql("SELECT 1; SELECT")


def test_joins_are_sqlites() -> None:
    """Every row of up to three words before JOIN."""
    words = ("NATURAL", "LEFT", "RIGHT", "FULL", "OUTER", "INNER", "CROSS")
    grammar = parser("sql")
    taken = 0
    for size in range(4):
        for row in itertools.product(words, repeat=size):
            text = f"SELECT 1 FROM (SELECT 1 AS b) AS a {' '.join(row)} JOIN (SELECT 1 AS b) AS c"
            if accepts(grammar, text):
                taken += 1
                assert is_sql(text), (text, complaint(text))
    assert taken == 17


# The small grammar of queries

QUERY_WORDS = {
    "NAME": ("a", "b", "first_name", "x2"),
    "STRING": ("''", "'it is'"),
    "NUMBER": ("0", "25"),
    "COMPARISON": (" != ", " <= ", " > "),
    "FUNCTION": ("COUNT", "MIN"),
}


def test_sqlite_and_the_grammar_of_sql_take_random_queries() -> None:
    grammar, whole = parser("select"), parser("sql")
    sentences = Sentences(grammar, seed=3, words=QUERY_WORDS)
    texts = {"".join(text for _, text in sentences.draw("start", 4 + size % 20)) for size in range(120)}
    taken = [text for text in texts if accepts(grammar, text)]
    assert len(taken) > 40
    assert not [text for text in taken if not is_sql(text) or not accepts(whole, text)]
