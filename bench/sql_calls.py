"""Does SQLite's own parser take every query that a published chat model writes into a tool call?

    python bench/sql_calls.py [--calls 200] [--max-tokens 80] [--queries FILE]

The tool is `run_query(query, limit)`, whose query is held to grammars/sql.lark. Each call answers a question
of its own, about one of eight tables. The model is SmolLM2-135M-Instruct (`make smollm2`), in float32 on one
thread, greedy. SQLite is asked to explain each statement, in a database with these tables. A query is parsed
if no message is one about syntax: a column that is not there is no fault of syntax. Whether a query answers
its question is not judged.

Columns: calls; different queries; parsed; refused by SQLite's parser; explained, so that the names are there
too; errors: no call at all; seconds of processor, all that is compiled included. Prints them, how often
SQLite says what, and each query that is refused, and writes bench/results/sql-calls-DATE.csv. `--queries`
writes each question, its query and SQLite's message as a line of JSON.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

from records import arguments, load, show, versions, write

import structgen as sg
from structgen.base.system import shipped_files

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/grammars/files"))

from sql_oracle import SYNTAX, is_sql, statements

TABLES = {
    "customers": ("name", "city", "age"),
    "orders": ("customer", "total", "day"),
    "products": ("title", "price", "stock"),
    "employees": ("surname", "salary", "department"),
    "films": ("title", "year", "rating"),
    "flights": ("origin", "destination", "minutes"),
    "books": ("author", "pages", "language"),
    "cities": ("country", "population", "area"),
}
ASKED = (
    "Which {table} have the highest {first}?",
    "Show the {first} and the {second} of all {table} with {third} = {number}.",
    "How many {table} are there for each {first}?",
    "List the {table} whose {second} begins with the letter {letter}, ordered by {first}.",
    "What is the average {third} of the {table} with {first} other than '{letter}'?",
    "Delete the {table} whose {third} is below {number}.",
    "Set the {second} of the {table} with id {number} to '{letter}{number}'.",
    "Add one of the {table} with {first} '{letter}' and {second} {number}.",
    "Which {first} occur in {table} more than {small} times?",
    "Show each of the {table} beside the one with the next id.",
    "Give the {small} {table} with the lowest {third}, without those that have no {first}.",
    "Which {table} have a {second} like that of number {number}?",
    "Label the {table} as low or high, by whether their {third} is above {number}.",
)
"""Templates of questions."""
SEED = 92
COLUMNS = ("calls", "queries", "parsed", "refused", "explained", "errors", "seconds")


def run_query(query: Annotated[str, sg.lark(shipped_files.grammar_path("sql"))], limit: int) -> None:
    """Run one statement of SQLite.

    Args:
        query: The SQL.
        limit: The maximum number of rows.
    """


def questions(count: int) -> list[str]:
    """Return different questions."""
    source, found = random.Random(SEED), dict[str, None]()
    for table, asked in itertools.cycle(itertools.product(TABLES, ASKED)):
        if len(found) == count:
            return list(found)
        first, second, third = source.sample(TABLES[table], 3)
        names = {"table": table, "first": first, "second": second, "third": third}
        figures = {"number": source.randint(5, 5_000), "small": source.randint(2, 9)}
        text = asked.format(**names, **figures, letter=source.choice("ABCDEKLMPRST"))
        found[f"Table {table} ({', '.join(('id', *TABLES[table]))}). {text}"] = None
    raise AssertionError("a cycle has no end")


def database() -> sqlite3.Connection:
    """Return one in memory that has the tables."""
    opened = sqlite3.connect(":memory:")
    for name, columns in TABLES.items():
        opened.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {', '.join(columns)})")
    return opened


def message(script: str) -> str:
    """Return what SQLite says of the first statement that it does not explain; "" if it explains all."""
    with_tables = database()
    for statement in filter(str.strip, statements(script)):
        explained = statement.lstrip().lower().startswith("explain")
        try:
            with_tables.execute(statement if explained else f"EXPLAIN {statement}")
        except sqlite3.Error as error:
            return str(error)
    return ""


def ask(question: str) -> sg.Call:
    """{question}"""
    return sg.filled()


def main() -> None:
    """Ask, judge, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=80)
    parser.add_argument("--queries", type=Path)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    # SmolLM2's chat template shows no format of tools, so one is named.
    asking = sg.generate(
        model="smollm2",
        tools=[run_query],
        tool_choice="required",
        parallel=False,
        tool_format="hermes",
        max_tokens=options.max_tokens,
    )(ask)
    before, asked, begun = load(), questions(options.calls), time.process_time()
    answers = asking.batch(asked, errors="return")
    seconds = time.process_time() - begun
    calls = {
        question: call for question, call in zip(asked, answers, strict=True) if isinstance(call, sg.Call)
    }
    queries = {question: call.value()["query"] for question, call in calls.items()}
    said = {question: message(query) for question, query in queries.items()}
    refused = [query for query in queries.values() if not is_sql(query)]
    for text, count in Counter(said.values()).most_common():
        print(count, "times", text or "explained", "(syntax)" * bool(SYNTAX.search(text)))
    for query in refused:
        print("refused:", query)
    for answer in answers:
        if not isinstance(answer, sg.Call):
            print("no call:", answer)
    if options.queries:
        lines = (json.dumps([one, queries[one], said[one]]) + "\n" for one in queries)
        options.queries.write_text("".join(lines), encoding="utf-8")
    row = (
        *(len(asked), len(set(queries.values())), len(queries) - len(refused), len(refused)),
        *(sum(not text for text in said.values()), len(asked) - len(calls), round(seconds, 1)),
    )
    show(COLUMNS, [row])
    about = {"load": f"{before} -> {load()}", "model": "smollm2", "max_tokens": options.max_tokens}
    about["versions"] = versions("torch", "numba") + f", sqlite {sqlite3.sqlite_version}"
    print(write(options.results, "sql-calls", about, COLUMNS, [row]))


if __name__ == "__main__":
    main()
