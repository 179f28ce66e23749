"""SQLite's own parser on a script: what it calls a syntax error, and nothing else."""

from __future__ import annotations

import re
import sqlite3

SYNTAX = re.compile(
    r"syntax error|incomplete input|unrecognized token|unknown (join type|table option)"
    r"|clause should come after|(JOIN|GROUP BY) clause is required|may not have an ON or USING"
    r"|variable number must be|unsupported frame specification"
)
"""Messages about how a statement is written; all others are about what it names, or means."""

PIECES = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|;|[^;]""", re.DOTALL)


def statements(script: str) -> list[str]:
    """Return the statements of a script, cut at semicolons outside of quotes and comments (no triggers)."""
    parts = [""]
    for piece in PIECES.findall(script):
        if piece == ";":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def complaint(statement: str) -> str | None:
    """Return what SQLite says of a statement, or None. Nothing is run: it is explained.

    An unknown database ends the reading at once, so that those which are named are attached.
    """
    explained = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*explain\b", statement, re.IGNORECASE | re.DOTALL)
    connection = sqlite3.connect(":memory:")
    try:
        for _ in range(10):
            try:
                connection.execute(statement if explained else f"EXPLAIN {statement}")
            except sqlite3.Error as error:
                unknown = re.match(r"unknown database (.+)", str(error), re.DOTALL)
                if unknown is None:
                    return str(error)
                try:
                    connection.execute(f"ATTACH ':memory:' AS {unknown[1]}")
                except sqlite3.Error:
                    return str(error)
            else:
                return None
        return None
    finally:
        connection.close()


def is_sql(script: str) -> bool:
    """Return whether SQLite's parser takes every statement of a script, and there is one."""
    if "\0" in script:
        return False
    parts = statements(script)
    blank = [not re.sub(r"--[^\n]*|/\*.*?\*/|\s", "", part, flags=re.DOTALL) for part in parts]
    if any(blank[:-1]) or all(blank):  # Empty statements are SQLite's, not the grammar's.
        return False
    found = [complaint(part) for part, empty in zip(parts, blank, strict=True) if not empty]
    return not any(text is not None and SYNTAX.search(text) for text in found)
