"""Text to SQL: a question about a small database is answered by a query.

The grammar is grammars/select.lark. The checker is SQLite's `EXPLAIN` on the database in memory: it knows
which tables and columns there are, which of them a name without a table means, and what a function takes. A
query may be asked about as soon as its tables are written, since what follows them mends nothing: the part
before the first of WHERE, GROUP BY, ORDER BY and LIMIT must be explained by itself. Before that, each name
that is written to its end must be one of the database. A text is right if its rows are those of the
question's own query, in their order where the question orders them (the execution accuracy of Spider).

What differs from the paper: the questions are ours, over three databases, not Spider's; the grammar is one
for all databases, where theirs names the tables and columns of each.

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections import Counter
from typing import Any

import structgen as sg
from methods.checked_domain import DomainTask, lark, read

_TAIL = re.compile(r" (?:WHERE|GROUP BY|ORDER BY|LIMIT) ")
_NAME = re.compile(r"[a-z_][a-z0-9_]*|'[^']*'?")


@functools.cache
def connection(name: str) -> sqlite3.Connection:
    """Return a database in memory. Nothing is written to it after it is made."""
    made = sqlite3.connect(":memory:", check_same_thread=False)
    for statement in read("sql")["databases"][name]:
        made.execute(statement)
    made.execute("PRAGMA query_only = ON")
    return made


class Explained:
    """Queries that SQLite can explain on a database."""

    def __init__(self, name: str) -> None:
        self.fingerprint = f"sqlite {sqlite3.sqlite_version} {name}"
        self._database = connection(name)
        tables = [row[0] for row in self._database.execute("SELECT name FROM sqlite_master")]
        self._names = {*tables}
        for table in tables:
            self._names |= {row[1] for row in self._database.execute(f"PRAGMA table_info({table})")}

    def copy(self) -> Explained:
        """Return the checker itself: it keeps no state of a prefix."""
        return self

    def viable(self, prefix: bytes) -> bool:
        """Return False where a name is none of the database, or what stands before the conditions cannot be
        explained."""
        text = prefix.decode("utf-8", "replace")
        for found in _NAME.finditer(text):
            word = found[0]
            is_whole = found.end() < len(text)
            if word[0] != "'" and not (
                word in self._names if is_whole else any(name.startswith(word) for name in self._names)
            ):
                return False
        tail = _TAIL.search(text)
        return tail is None or self._is_explained(text[: tail.start()])

    def final(self, text: str) -> bool:
        """Return whether SQLite explains the query."""
        return self._is_explained(text)

    def _is_explained(self, query: str) -> bool:
        try:
            self._database.execute(f"EXPLAIN {query}")
        except sqlite3.Error:
            return False
        return True


def rows(name: str, query: str) -> list[Any]:
    """Return the rows of a query, in an order of their own if the query does not order them."""
    found = connection(name).execute(query).fetchall()
    return found if " ORDER BY " in query else sorted(found, key=repr)


def is_right(name: str, wanted: str, query: str) -> bool:
    """Return whether a query that SQLite explains has the rows of the wanted one."""
    mine, theirs = rows(name, query), rows(name, wanted)
    return (
        mine == theirs if " ORDER BY " in wanted else Counter(map(repr, mine)) == Counter(map(repr, theirs))
    )


def _question(name: str, question: str) -> str:
    says = read("sql")["databases"][name]
    tables = "\n".join(one.removeprefix("CREATE TABLE ") for one in says if one.startswith("CREATE"))
    return f"The tables are:\n{tables}\n\nQuestion: {question}"


def missing() -> str:
    """Return an empty text: nothing has to be installed."""
    return ""


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    grammar = lark("select")
    return [_task(f"{task[0]} {at}", grammar, 40, *task) for at, task in enumerate(read("sql")["tasks"])]


def _task(name: str, grammar: sg.Grammar, most: int, database: str, says: str, query: str) -> DomainTask:
    shown = [(_question(other, one), said) for other, one, said in read("sql")["shown"]]
    told, right = "Answer each question with one SQL query.", functools.partial(is_right, database, query)
    checker = Explained(database)
    return DomainTask(name, told, shown, _question(database, says), grammar, checker, right, query, most)


def small() -> DomainTask:
    """Return a task of few texts: six columns of three tables, two thirds of which are not there."""
    grammar = sg.regex(r"SELECT (name|age|city|price|product|quantity) FROM (customers|orders|clubs)")
    return _task("small", grammar, 7, *read("sql")["tasks"][14])
