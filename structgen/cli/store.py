"""`structgen store`: what is in the cache folder, and how it is cleared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from structgen.cli.output import echo, echo_json, refuse
from structgen.errors import OptionError
from structgen.printable import printable


class Kind(StrEnum):
    """What a file of the cache folder holds."""

    VOCABULARIES = "vocabularies"
    COMPILED = "compiled"
    GRAMMARS = "grammars"
    CHARACTERS = "characters"
    DOWNLOADS = "downloads"
    OLDER = "older"


def _meaning(kind: Kind) -> str:
    match kind:
        case Kind.VOCABULARIES:
            return "tables of tokenizers"
        case Kind.COMPILED:
            return "compiled Lark grammars"
        case Kind.GRAMMARS:
            return "parser tables of Lark"
        case Kind.CHARACTERS:
            return "sets of characters"
        case Kind.DOWNLOADS:
            return "downloaded vocabularies"
        case Kind.OLDER:
            return "masks of earlier versions"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the cache folder."""

    path: Path
    kind: Kind
    size: int
    used: float
    """Seconds since 1970 when it was written, or marked as used again."""


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of one kind."""

    kind: Kind
    files: int
    bytes: int
    used: str | None
    """When the latest was written or used; None where there is none."""


def files_of(folder: Path) -> Iterator[File]:
    """Yield the files of a cache folder; what is no file of ours is left out."""
    from structgen.automata.unicode import cached_sets
    from structgen.lark_grammars.kept.kept_grammars import FOLDER
    from structgen.lark_grammars.kept.kept_grammars import SUFFIX as LARK_SUFFIX
    from structgen.store.grammar_files import GRAMMAR_SUFFIX, LEXER_SUFFIX, OLD_SUFFIXES

    suffixes = {
        ("vocabularies", ".arrays"): Kind.VOCABULARIES,
        ("masks", GRAMMAR_SUFFIX): Kind.COMPILED,
        ("masks", LEXER_SUFFIX): Kind.COMPILED,
        **{("masks", suffix): Kind.OLDER for suffix in OLD_SUFFIXES},
        (FOLDER, LARK_SUFFIX): Kind.GRAMMARS,
        (cached_sets.FOLDER, cached_sets.SUFFIX): Kind.CHARACTERS,
    }
    for top in ("vocabularies", "masks", FOLDER, cached_sets.FOLDER):
        for where, _folders, names in os.walk(folder / top):
            for name in names:
                path = Path(where, name)
                kind = suffixes.get((top, path.suffix))
                if kind is None and top == "vocabularies" and path.parent != folder / top:
                    kind = Kind.DOWNLOADS
                if kind is not None:
                    with suppress(OSError):
                        facts = path.stat()
                        yield File(path, kind, facts.st_size, facts.st_mtime)


def held(files: list[File]) -> list[Held]:
    """Return what there is of each kind."""
    found = []
    for kind in Kind:
        mine = [file for file in files if file.kind is kind]
        latest = max((file.used for file in mine), default=None)
        used = (
            None if latest is None else datetime.fromtimestamp(latest).astimezone().isoformat("T", "seconds")
        )
        found.append(Held(kind, len(mine), sum(file.size for file in mine), used))
    return found


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
    from structgen.system.cache import cache_folder

    if context.invoked_subcommand is not None:
        return
    folder = cache_folder()
    found = held(list(files_of(folder)))
    if as_json:
        kinds = {one.kind.value: {**asdict(one), "kind": one.kind.value} for one in found}
        echo_json({"folder": str(folder), "kinds": kinds})
        return
    echo(str(folder))
    echo(f"{'kind':<14}{'files':>7}{'size':>12}  {'last used':<18}content")
    for one in found:
        used = "-" if one.used is None else one.used[:16].replace("T", " ")
        echo(f"{one.kind:<14}{one.files:>7,}{_size(one.bytes):>12}  {used:<18}{_meaning(one.kind)}")
    total = sum(one.bytes for one in found)
    echo(f"{'all':<14}{sum(one.files for one in found):>7,}{_size(total):>12}")


def _kind(name: str) -> Kind:
    """Return the kind of a name."""
    if name == "masks":
        error = OptionError(
            "Masks are in no file any more.", where="--kind", cure="Clear those of earlier versions: older."
        )
        refuse(error, False)
    if name not in list(Kind):
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Kind)}.")
    return Kind(name)


def clear(
    kind: Annotated[
        list[Kind] | None,
        typer.Option(
            metavar="KIND",
            parser=_kind,
            help=f"Clear this alone: {', '.join(Kind)}. May be given several times.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete files of the cache folder.

    Nothing is lost: every file is made again when it is needed, and running programs are not disturbed.

    Exit status: 0 done, 1 not confirmed, or some files could not be deleted.
    """
    from structgen.system.cache import cache_folder

    folder = cache_folder()
    files = [file for file in files_of(folder) if not kind or file.kind in kind]
    if not files:
        echo(f"Nothing to delete in {folder}.")
        return
    size = _size(sum(file.size for file in files))
    what = ", ".join(one.kind.value for one in held(files) if one.files)
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


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"
