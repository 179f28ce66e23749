"""JSONSchemaBench as cases, from each of the layouts in which people keep it."""

from __future__ import annotations

import random
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, Protocol

from structgen.core.rawjson import read, write
from structgen.errors import StructgenError

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
    resources: Mapping[str, Any] = field(default_factory=dict)
    """Schemas that this one refers to, by URI."""
    problem: str = ""
    """Why the file could not be read; no engine sees such a case, and it passes for none."""


class CaseSource(Protocol):
    """One path: a file, a folder, a tar, or what the `datasets` library saved."""

    def names(self) -> list[str]:
        """Return the names of all cases, sorted."""

    def read(self, names: Collection[str]) -> Iterator[Case]:
        """Yield the cases of these names, in the source's own order; one is in memory at a time."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of one run: which names of which source."""

    picked: tuple[tuple[CaseSource, tuple[str, ...]], ...]

    def __len__(self) -> int:
        return sum(len(names) for _, names in self.picked)

    def cases(self) -> Iterator[Case]:
        """Yield the picked cases, each read when it is asked for."""
        for source, names in self.picked:
            yield from source.read(names)


def select(
    paths: Sequence[Path], *, limit: int | None = None, sample: int | None = None, seed: int = 0
) -> Selection:
    """Return the cases under the paths: all, `sample` of them drawn by the seed, or the first `limit`.

    The draw is over sorted names, so that a folder and a tar of it give the same sample. With both, the limit
    cuts the sample. Raises `ReaderError` where a path holds no case.
    """
    sources = [open_source(path) for path in paths]
    listed = [source.names() for source in sources]
    for path, names in zip(paths, listed, strict=True):
        if not names:
            raise ReaderError(
                "there is no schema here.",
                where=str(path),
                cure="Give a folder, tar or file of JSON schemas.",
            )
    pool = [(at, name) for at, names in enumerate(listed) for name in names]
    if sample is not None and sample < len(pool):
        pool = sorted(random.Random(seed).sample(pool, sample))
    chosen = set(pool[:limit])
    return Selection(
        tuple(
            (source, tuple(name for name in names if (at, name) in chosen))
            for at, (source, names) in enumerate(zip(sources, listed, strict=True))
        )
    )


def open_source(path: Path) -> CaseSource:
    """Return the reader of a path, by what is there; raises `ReaderError` where nothing is."""
    if path.is_dir():
        tables = sorted(
            file
            for file in path.rglob("*")
            # cache-*.arrow are indices and intermediate tables of `datasets`, not its data.
            if file.suffix in _TABLES and not file.name.startswith("cache-")
        )
        return _Tables(path, tables) if tables else _Folder(path)
    if not path.is_file():
        raise ReaderError(
            "no such file or folder.", where=str(path), cure="Give a folder, tar or file of JSON schemas."
        )
    if path.suffix in _TABLES:
        return _Tables(path.parent, [path])
    if tarfile.is_tarfile(path):
        return _Tar(path)
    return _File(path)


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


@dataclass(frozen=True, slots=True)
class _File:
    path: Path

    def names(self) -> list[str]:
        return [self.path.name]

    def read(self, names: Collection[str]) -> Iterator[Case]:
        if self.path.name in names:
            yield parse(self.path.name, self.path.read_bytes(), self.path.resolve().parent.name)


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path

    def names(self) -> list[str]:
        return sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*.json"))

    def read(self, names: Collection[str]) -> Iterator[Case]:
        for name in sorted(names):
            yield parse(name, (self.path / name).read_bytes(), self.path.resolve().name)


@dataclass(frozen=True, slots=True)
class _Tar:
    """Read as a stream, twice: to seek in a compressed tar would unpack it again for every member."""

    path: Path

    def names(self) -> list[str]:
        with tarfile.open(self.path, "r|*") as tar:
            return sorted(member.name for member in tar if member.isfile() and member.name.endswith(".json"))

    def read(self, names: Collection[str]) -> Iterator[Case]:
        wanted = set(names)
        with tarfile.open(self.path, "r|*") as tar:
            for member in tar:
                if member.name in wanted and (file := tar.extractfile(member)) is not None:
                    # A tar may name a file twice; the listing has it once.
                    wanted.discard(member.name)
                    # One folder around everything is the tar's own name, not a split.
                    yield parse(
                        _below_root(member.name, names), file.read(), self.path.name.partition(".")[0]
                    )


def _below_root(name: str, names: Collection[str]) -> str:
    root = name.partition("/")[0] + "/"
    return name.removeprefix(root) if all(other.startswith(root) for other in names) else name


class _Tables:
    """Arrow and parquet files of the `datasets` library: save_to_disk, its cache, a repository's copy."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self._root, self._files = root, files

    def names(self) -> list[str]:
        return sorted(name for file in self._files for name, _ in self._rows(file, None))

    def read(self, names: Collection[str]) -> Iterator[Case]:
        wanted = set(names)
        for file in self._files:
            for name, row in self._rows(file, wanted):
                if name in wanted:
                    yield _of_row(name, row, self._root.resolve().name)

    def _rows(self, file: Path, wanted: Collection[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each row's name and content; with no wanted names only the names are read."""
        table = _table(file)
        columns = table.column_names
        schema = next((column for column in _SCHEMA_COLUMNS if column in columns), None)
        if schema is None:
            raise ReaderError(
                f"the table has no column {' or '.join(_SCHEMA_COLUMNS)}, only {', '.join(columns)}.",
                where=str(file),
                cure="Rename the column that holds the schema's text to json_schema.",
            )
        named = next((column for column in _NAME_COLUMNS if column in columns), None)
        folder = file.parent.relative_to(self._root).as_posix().removeprefix(".")
        prefix = f"{folder}/" if folder else ""
        ids = table.column(named).to_pylist() if named else None
        for row in range(table.num_rows):
            name = f"{prefix}{ids[row] if ids else f'{file.stem}/{row}'}"
            if wanted is None:
                yield name, {}
            elif name in wanted:
                content = {"schema": table.column(schema)[row].as_py()}
                if "tests" in columns:
                    content["tests"] = table.column("tests")[row].as_py()
                yield name, content


def _of_row(name: str, row: Mapping[str, Any], root: str) -> Case:
    schema = row["schema"] if isinstance(row["schema"], str) else write(row["schema"])
    case = parse(name, schema.encode("utf-8", "surrogatepass"), root)
    tests = row.get("tests")
    if isinstance(tests, str):
        tests = read(tests)
    if case.problem or not tests:
        return case
    return Case(case.name, case.split, schema, _instances(tests))


def _table(file: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ReaderError(
            "tables of the `datasets` library are read with pyarrow, which is not installed.",
            where=str(file),
            cure="pip install pyarrow",
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
