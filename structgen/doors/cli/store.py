"""`structgen store`: the files of the cache folder, and their deletion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.filesize import decimal

from structgen.base.printable import printable
from structgen.doors.cli.output import echo, echo_json, echo_table

KINDS: Final = {
    "vocabularies": "tables of tokenizers",
    "compiled": "compiled Lark grammars",
    "grammars": "parser tables of Lark",
    "downloads": "downloaded vocabularies",
    "older": "files of earlier versions",
}
"""Kinds of files in the cache folder, with their contents in words."""
Kind = StrEnum("Kind", list(KINDS))  # type: ignore[misc] # names and values are equal


class File(NamedTuple):
    """A file of the cache folder."""

    path: Path
    kind: str
    size: int
    used: float
    """Seconds since 1970 when it was written, or marked as used again."""


def files_of(folder: Path) -> Iterator[File]:
    """Yield the files of a cache folder, without those of other programs."""
    from structgen.grammars.lark_grammars.kept.kept_grammars import FOLDER
    from structgen.grammars.lark_grammars.kept.kept_grammars import SUFFIX as LARK_SUFFIX
    from structgen.machines.store.mask_store import LEXER_SUFFIX

    suffixes = {
        ("vocabularies", ".arrays"): "vocabularies",
        ("masks", LEXER_SUFFIX): "compiled",
        **{("masks", suffix): "older" for suffix in (".grammar", ".masks", ".row")},
        (FOLDER, LARK_SUFFIX): "grammars",
        ("characters", ".ranges"): "older",
    }
    for top in ("vocabularies", "masks", FOLDER, "characters"):
        for where, _folders, names in os.walk(folder / top):
            for name in names:
                path = Path(where, name)
                kind = suffixes.get((top, path.suffix))
                if kind is None and top == "vocabularies" and path.parent != folder / top:
                    kind = "downloads"
                if kind is not None:
                    with suppress(OSError):  # another process has deleted it
                        facts = path.stat()
                        yield File(path, kind, facts.st_size, facts.st_mtime)


def facts_by_kind(files: list[File]) -> dict[str, dict[str, Any]]:
    """Return the facts of each kind: the number of files, their bytes, and when the latest was written or
    used; None where there is no file."""
    by_kind = {}
    for kind in KINDS:
        files_of_kind = [file for file in files if file.kind == kind]
        latest = max((datetime.fromtimestamp(file.used).astimezone() for file in files_of_kind), default=None)
        used = None if latest is None else latest.isoformat("T", "seconds")
        by_kind[kind] = {
            "files": len(files_of_kind),
            "bytes": sum(file.size for file in files_of_kind),
            "used": used,
        }
    return by_kind


def store() -> typer.Typer:
    """Return the commands `store` and `store clear`."""
    command_group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    command_group.callback()(show)
    command_group.command(short_help="Delete files of the cache folder.")(clear)
    return command_group


def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the cache folder (STRUCTGEN_CACHE): its vocabularies and Lark grammars.

    Compiled schemas and masks of JSON are in no file: they lie in the memory of a process.

    For each kind: the number of files, their size, and when one was last used.

    Exit status: 0.
    """
    from structgen.base.system.cache import cache_folder

    if context.invoked_subcommand is not None:
        return
    folder = cache_folder()
    by_kind = facts_by_kind(list(files_of(folder)))
    if as_json:
        kinds = {kind: {"kind": kind, **facts} for kind, facts in by_kind.items()}
        echo_json({"folder": str(folder), "kinds": kinds})
        return
    echo(str(folder))
    totals = {name: sum(facts[name] for facts in by_kind.values()) for name in ("files", "bytes")}
    rows = [
        (
            kind,
            f"{facts['files']:,}",
            decimal(facts["bytes"]),
            (facts["used"] or "-")[:16].replace("T", " "),
            KINDS.get(kind, ""),
        )
        for kind, facts in {**by_kind, "all": {**totals, "used": None}}.items()
    ]
    echo_table(("kind", "files", "size", "last used", "content"), rows)


def clear(
    kind: Annotated[
        list[Kind] | None,
        typer.Option(
            metavar="KIND", help=f"Clear this alone: {', '.join(KINDS)}. May be given several times."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete files of the cache folder.

    Nothing is lost: every file is made again when it is needed, and running programs are not disturbed.

    Exit status: 0 done, 1 not confirmed, or some files could not be deleted.
    """
    from structgen.base.system.cache import cache_folder

    folder = cache_folder()
    files = [file for file in files_of(folder) if not kind or file.kind in kind]
    if not files:
        echo(f"Nothing to delete in {folder}.")
        return
    size = decimal(sum(file.size for file in files))
    kinds_text = ", ".join(kind for kind, facts in facts_by_kind(files).items() if facts["files"])
    if not yes:  # the question aborts the command, with status 1
        typer.confirm(
            printable(f"Delete {len(files):,} files ({size}: {kinds_text}) in {folder}?"), abort=True
        )
    failure_count = 0
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:  # the other files are deleted
            failure_count += 1
            echo(f"{file.path}: {error.strerror or error}", err=True)
    echo(f"Deleted {len(files) - failure_count:,} files ({kinds_text}).")
    raise typer.Exit(int(failure_count > 0))
