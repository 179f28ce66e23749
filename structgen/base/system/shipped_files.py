"""Finds the files that ship with structgen; its grammars have names, such as `structgen/sql`.

The files are schemas, grammars, a small tokenizer and models. In an installation they lie inside the package;
in a checkout of the repository they lie at its root.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import Final

from structgen.base.errors import OptionError, StructgenError

GRAMMARS: Final = {
    "arithmetic": "sums and products of numbers, with brackets",
    "csv": "comma-separated values (RFC 4180)",
    "dates": "dates, times and their offsets (RFC 3339)",
    "go": "files of Go 1.19",
    "goals": "goals of planning problems (PDDL)",
    "json": "JSON texts (RFC 8259)",
    "markers": "environment markers of Python's packages (PEP 508)",
    "python": "Python 3.11; needs postlex=lark.indenter.PythonIndenter()",
    "select": "SELECT queries, each spelled in one way",
    "smiles": "molecules in SMILES",
    "sql": "SQL as SQLite reads it",
}
"""The purpose of each grammar that ships, beside its page (`NAME.md`) and its texts (`NAME.texts.json`)."""
_PREFIX: Final = "structgen/"


def grammar_name(grammar: object) -> str | None:
    """Return the whole name of a grammar that ships, `structgen/NAME`; None for a text and for a path.

    `grammar`: as `sg.lark` takes it. The text `structgen/sql` is always a name; `structgen/sql.lark` and
    `./structgen/sql` are paths, and a `Path` is one where its file exists. Errors: `OptionError` if no
    grammar has the name.
    """
    if isinstance(grammar, PurePath):
        name = "" if os.path.exists(grammar) else grammar.as_posix()
    else:
        name = grammar if isinstance(grammar, str) else ""
    if not name.startswith(_PREFIX) or "\n" in name or name.endswith(".lark"):
        return None
    if name.removeprefix(_PREFIX) not in GRAMMARS:
        raise OptionError(
            f"No grammar named {name!r} ships with structgen.",
            where="grammar",
            cure=f"Use {', '.join(_PREFIX + known for known in GRAMMARS)}, or the path of a Lark file "
            f"(./{name}).",
        )
    return name


def grammar_path(name: str) -> Path:
    """Return the Lark file of a grammar that ships. `name`: a key of `GRAMMARS`, or its whole name."""
    return find_shipped_file(f"grammars/{name.removeprefix(_PREFIX)}.lark")


def find_shipped_file(installed_path: str, checkout_path: str = "") -> Path:
    """Return a file or folder that ships with structgen. Errors: `StructgenError` if it is missing.

    `installed_path`: its place inside the package. `checkout_path`: its place in a checkout; "": the same.
    """
    package = Path(__file__).parents[2]
    for candidate in (package / installed_path, package.parent / (checkout_path or installed_path)):
        if candidate.exists():
            return candidate
    raise StructgenError(
        f"{installed_path!r}, which ships with structgen, is missing.",
        where=str(package),
        cure="Install structgen again, or work from a complete checkout.",
    )
