"""JSONSchemaBench as cases, from each of the layouts in which people keep it."""

from __future__ import annotations

import random
import re
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, TypeAlias

from structgen.errors import StructgenError
from structgen.json_text.raw_json import read, write
from structgen.system.installation import not_installed

_TABLES: Final = (".arrow", ".parquet")
_SCHEMA_COLUMNS: Final = ("json_schema", "schema")
_NAME_COLUMNS: Final = ("unique_id", "name", "id")


class ReaderError(StructgenError):
    """A path holds nothing that can be read as JSONSchemaBench."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One JSON text to replay: as `json.dumps(ensure_ascii=False)` writes it, numerals as in the file."""

    text: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One schema with its instances; `name` is its place under the path that was given."""

    name: str
    split: str
    schema: str
    instances: tuple[Instance, ...] = ()
    bare: bool = False
    """A schema alone: it is compiled, and walked instead of replayed."""
    problem: str = ""
    """Why the file could not be read; no engine sees such a case, and it passes for none."""


Entries: TypeAlias = Iterator[tuple[str, Callable[[], Case]]]
"""Names, each with what reads its case; it can be called until the next name is asked for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of one run: of each path, the names that were picked."""

    picked: tuple[tuple[Path, tuple[str, ...]], ...]

    def __len__(self) -> int:
        return sum(len(names) for _, names in self.picked)

    def cases(self) -> Iterator[Case]:
        """Yield the picked cases, each read when it is asked for."""
        for path, names in self.picked:
            yield from cases_of(path, names)


def select(
    paths: Sequence[Path], *, limit: int | None = None, sample: int | None = None, seed: int = 0
) -> Selection:
    """Return the cases under the paths: all, `sample` of them drawn by the seed, or the first `limit`.

    The draw is over sorted names, so that a folder and a tar of it give the same sample. With both, the limit
    cuts the sample. Raises `ReaderError` where a path holds no case.
    """
    pool = [(at, name) for at, path in enumerate(paths) for name in names_of(path)]
    if sample is not None and sample < len(pool):
        pool = sorted(random.Random(seed).sample(pool, sample))
    chosen = pool[:limit]
    return Selection(
        tuple((path, tuple(name for of, name in chosen if of == at)) for at, path in enumerate(paths))
    )


def names_of(path: Path) -> list[str]:
    """Return the names of all cases under a path, sorted. Raises `ReaderError` where there is none."""
    names = sorted({name for name, _ in _entries(path)}) if path.exists() else []
    if not names:
        raise ReaderError(
            "there is no schema here." if path.exists() else "no such file or folder.",
            where=str(path),
            cure="Give a folder, tar or file of JSON schemas.",
        )
    return names


def cases_of(path: Path, names: Collection[str]) -> Iterator[Case]:
    """Yield the cases of these names, in the order in which they lie there; one is in memory at a time."""
    wanted = set(names)
    for name, read_case in _entries(path):
        if name in wanted:
            wanted.discard(name)  # a tar may name a file twice
            yield read_case()


def _entries(path: Path) -> Entries:
    """Yield what lies under a path: a file, a folder, a tar, or what the `datasets` library saved."""
    folder = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    # cache-*.arrow are indices and intermediate tables of `datasets`, not its data.
    tables = [file for file in files if file.suffix in _TABLES and not file.name.startswith("cache-")]
    if tables:
        yield from _of_tables(folder, tables)
    elif path.is_file() and tarfile.is_tarfile(path):
        yield from _of_tar(path)
    else:
        for file in files:
            if file == path or file.suffix == ".json":
                name = file.relative_to(folder).as_posix()
                yield name, partial(_of_file, name, file, folder.resolve().name)


def split_of(name: str, root: str) -> str:
    """Return the split that a name tells: `Github_easy---o1.json`, `Kubernetes/x.json`, `JME_7.json`.

    `root` is the split of a name that tells none: what the folder around it is called.
    """
    folder, _, base = name.removesuffix(".json").rpartition("/")
    if "---" in base:
        return base.partition("---")[0]
    if folder:
        return folder
    numbered = re.fullmatch(r"(.+)[-_]\d+", base)
    return numbered[1] if numbered else root


def parse(name: str, data: bytes, root: str) -> Case:
    """Return the case in the bytes of one JSON file, of either layout; what is wrong is in `problem`."""
    split = split_of(name, root)
    try:
        text = data.decode("utf-8-sig")
        value = read(text)
    except UnicodeDecodeError as error:
        return Case(name, split, "", problem=f"not UTF-8 at byte {error.start}")
    except JSONDecodeError as error:
        return Case(name, split, "", problem=f"not JSON at line {error.lineno}, column {error.colno}")
    if _is_maskbench(value):
        return Case(name, split, write(value["schema"]), _instances(value["tests"]))
    return Case(name, split, text, bare=True)


def _is_maskbench(value: Any) -> bool:
    """Return whether a file is a schema with its instances, not a schema that has such keys by chance."""
    if not isinstance(value, dict) or not isinstance(value.get("schema"), (dict, bool)):
        return False
    tests = value.get("tests")
    return isinstance(tests, list) and all(
        isinstance(test, dict) and "data" in test and isinstance(test.get("valid"), bool) for test in tests
    )


def _instances(tests: Sequence[Mapping[str, Any]]) -> tuple[Instance, ...]:
    return tuple(Instance(write(test["data"]).encode(), test["valid"]) for test in tests)


def _of_file(name: str, path: Path, root: str) -> Case:
    return parse(name, path.read_bytes(), root)


def _of_tar(path: Path) -> Entries:
    """Yield what a tar holds, in its own order: to go back in a compressed tar would unpack it again."""
    with tarfile.open(path) as tar:
        members = [member for member in tar if member.isfile() and member.name.endswith(".json")]
        # A single folder around all files has the tar's own name. It is no split.
        first = members[0].name.partition("/")[0] + "/" if members else ""
        around = first if all(member.name.startswith(first) for member in members) else ""
        for member in members:
            name = member.name.removeprefix(around)
            yield name, partial(_of_member, name, tar, member, path.name.partition(".")[0])


def _of_member(name: str, tar: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> Case:
    file = tar.extractfile(member)
    assert file is not None, "a plain file"
    return parse(name, file.read(), root)


def _of_tables(root: Path, files: Sequence[Path]) -> Entries:
    """Yield the rows of Arrow and parquet files of the `datasets` library: save_to_disk, its cache, a
    repository's copy."""
    for file in files:
        table = _table(file)
        columns = table.column_names
        if not set(_SCHEMA_COLUMNS) & set(columns):
            raise ReaderError(
                f"the table has no column {' or '.join(_SCHEMA_COLUMNS)}, only {', '.join(columns)}.",
                where=str(file),
                cure="Rename the column that holds the schema's text to json_schema.",
            )
        named = next((column for column in _NAME_COLUMNS if column in columns), None)
        folder = file.parent.relative_to(root).as_posix().removeprefix(".")
        for row in range(table.num_rows):
            base = table.column(named)[row].as_py() if named else f"{file.stem}/{row}"
            name = f"{folder}/{base}" if folder else str(base)
            yield name, partial(_of_row, name, table, row, root.resolve().name)


def _of_row(name: str, table: Any, number: int, root: str) -> Case:
    (row,) = table.slice(number, 1).to_pylist()
    schema = next(row[column] for column in _SCHEMA_COLUMNS if column in row)
    text = schema if isinstance(schema, str) else write(schema)
    case = parse(name, text.encode("utf-8", "surrogatepass"), root)
    tests = row.get("tests")
    tests = read(tests) if isinstance(tests, str) else tests
    if case.problem or not tests:
        return case
    return Case(case.name, case.split, text, _instances(tests))


def _table(file: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise not_installed(
            "A table of the `datasets` library", "pyarrow", where=str(file), kind=ReaderError
        ) from error
    try:
        if file.suffix == ".parquet":
            return pyarrow.parquet.read_table(file)
        with pyarrow.memory_map(str(file)) as data:
            try:
                return pyarrow.ipc.open_stream(data).read_all()
            except pyarrow.ArrowInvalid:
                # `datasets` writes streams; other writers the random-access form.
                data.seek(0)
                return pyarrow.ipc.open_file(data).read_all()
    except (pyarrow.ArrowException, OSError) as error:
        raise ReaderError(
            f"the table cannot be read: {error}", where=str(file), cure="Save it anew with `datasets`."
        ) from error
