"""`structgen store`: what is in the cache folder, and how it is cleared."""

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
"""Kinds of files in the cache folder, and what they hold."""
Kind = StrEnum("Kind", list(KINDS))  # type: ignore[misc] # names and values are equal


class File(NamedTuple):
    """A file of the cache folder."""

    path: Path
    kind: str
    size: int
    used: float
    """Seconds since 1970 when it was written, or marked as used again."""


def files_of(folder: Path) -> Iterator[File]:
    """Yield the files of a cache folder; what is no file of ours is left out."""
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
                    with suppress(OSError):
                        facts = path.stat()
                        yield File(path, kind, facts.st_size, facts.st_mtime)


def held_by_kind(files: list[File]) -> dict[str, dict[str, Any]]:
    """Return what there is of each kind: files, bytes, and when the latest was written or used; None where
    there is none."""
    by_kind = {}
    for kind in KINDS:
        mine = [file for file in files if file.kind == kind]
        latest = max((datetime.fromtimestamp(file.used).astimezone() for file in mine), default=None)
        used = None if latest is None else latest.isoformat("T", "seconds")
        by_kind[kind] = {"files": len(mine), "bytes": sum(file.size for file in mine), "used": used}
    return by_kind


def store() -> typer.Typer:
    """Return the commands `store` and `store clear`."""
    made = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    made.callback()(show)
    made.command(short_help="Delete files of the cache folder.")(clear)
    return made


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
    by_kind = held_by_kind(list(files_of(folder)))
    if as_json:
        kinds = {kind: {"kind": kind, **held} for kind, held in by_kind.items()}
        echo_json({"folder": str(folder), "kinds": kinds})
        return
    echo(str(folder))
    every = {name: sum(held[name] for held in by_kind.values()) for name in ("files", "bytes")}
    rows = [
        (
            kind,
            f"{held['files']:,}",
            decimal(held["bytes"]),
            (held["used"] or "-")[:16].replace("T", " "),
            KINDS.get(kind, ""),
        )
        for kind, held in {**by_kind, "all": {**every, "used": None}}.items()
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
    what = ", ".join(kind for kind, held in held_by_kind(files).items() if held["files"])
    if not yes:
        typer.confirm(printable(f"Delete {len(files):,} files ({size}: {what}) in {folder}?"), abort=True)
    left = 0
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            left += 1
            echo(f"{file.path}: {error.strerror or error}", err=True)
    echo(f"Deleted {len(files) - left:,} files ({what}).")
    raise typer.Exit(int(left > 0))
