"""Reads the schemas of JSONSchemaBench from files, as cases.

A *case* is one schema with its instances; an *instance* is a JSON text that is valid or not. A *split* is a
named part of the set, such as `Github_easy`. A *source* is the name of a case and a function that reads it.
Three layouts are read:

    a JSON file {"schema": ..., "tests": [{"data": ..., "valid": true}, ...]}: a case of MaskBench
    any other JSON file: a *bare* schema, without instances
    a parquet table with a schema in each row: bare schemas, as on the Hugging Face hub
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from json import JSONDecodeError
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

from structgen.base.errors import StructgenError
from structgen.base.json_text.raw_json import read_as_written, write_as_read
from structgen.base.system.installation import require_extras

_NAME_COLUMNS: Final = ("unique_id", "name", "id")
"""The columns of a table that may name a row; the first one that is there does."""


class ReaderError(StructgenError):
    """The error for a path without anything that can be read as JSONSchemaBench."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One JSON text to replay, as `json.dumps(ensure_ascii=False)` writes it; numerals are as in the file."""

    text: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One schema with its instances. `name`: its path under the path that was given."""

    name: str
    split: str
    schema: str
    instances: tuple[Instance, ...] = ()
    bare: bool = False
    """Whether it is a schema alone. An engine compiles it, and writes a random text instead of replaying
    one."""
    problem: str = ""
    """The reason why the file could not be read; "" if it was. Such a case counts as refused by each
    engine."""

    @property
    def digest(self) -> bytes:
        """The digest of all that the case contains."""
        return blake2b(repr(self).encode(), digest_size=16).digest()


def data_digest(cases: Iterable[Case]) -> str:
    """Return the digest of some cases. It does not depend on their order."""
    sorted_digests = sorted(case.digest for case in cases)
    return blake2b(b"".join(sorted_digests), digest_size=16).hexdigest()


Source: TypeAlias = tuple[str, Callable[[], Case]]
"""The name of a case, and the function that reads it."""


def select_cases(paths: Sequence[Path], *, sample: int | None = None, seed: int = 0) -> list[Source]:
    """Return the sources of the cases under some paths.

    `sample`: how many are drawn at random; None: all are returned. `seed`: the seed of the draw. Raises
    `ReaderError` if a path has no case.
    """
    pool = [source for path in paths for source in sources_of(path)]
    if sample is not None and sample < len(pool):
        # Positions are drawn, and sorted again, so that a sample has the order of the whole.
        positions = random.Random(seed).sample(range(len(pool)), sample)
        pool = [pool[at] for at in sorted(positions)]
    return pool


def sources_of(path: Path) -> list[Source]:
    """Return the sources of all cases under a path, sorted by name.

    `path`: a file of JSON or parquet, or a folder of such files. Raises `ReaderError` if there is no case.
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    tables = [file for file in files if file.suffix == ".parquet"]
    root = folder.resolve().name
    sources = list[Source]()
    # A folder with tables is JSONSchemaBench from the hub. JSON files beside them describe it, and are not
    # cases.
    if path.exists():
        for file in tables or files:
            name = file.relative_to(folder).as_posix()
            if tables:
                table_folder, _, _ = name.rpartition("/")
                sources += _read_rows(file, table_folder, root)
            elif file == path or file.suffix == ".json":
                # The file is read when its turn comes: all of them would not fit into memory.
                sources.append((name, partial(_case_of_file, name, file, root)))
    if not sources:
        fault = "the schema is missing." if path.exists() else ("the file or folder does not exist.")
        raise ReaderError(fault, where=str(path), cure="Pass a folder or file of JSON schemas.")
    return sorted(sources, key=itemgetter(0))


def split_of(name: str, root: str) -> str:
    """Return the split in the name of a case.

    `Github_easy---o1.json` -> `Github_easy`; `Kubernetes/x.json` -> `Kubernetes`; `JME_7.json` -> `JME`.
    `root`: the result for any other name, which is the name of the folder around the file.
    """
    folder, _, base = name.removesuffix(".json").rpartition("/")
    if "---" in base:
        return base.partition("---")[0]
    if folder:
        return folder
    # A numbered file, such as JME_7: what stands before the number is the split.
    match = re.fullmatch(r"(.+)[-_]\d+", base)
    return match[1] if match else root


def parse_case(name: str, data: bytes, root: str) -> Case:
    """Return the case in the bytes of one JSON file, of either layout. Nothing is raised: `Case.problem` has
    the fault of a file that cannot be read. `root`: as in `split_of`."""
    split = split_of(name, root)
    try:
        text = data.decode("utf-8-sig")
        value = read_as_written(text)
    except UnicodeDecodeError as error:
        return Case(name, split, "", problem=f"not UTF-8 at byte {error.start}")
    except JSONDecodeError as error:
        return Case(name, split, "", problem=f"not JSON at line {error.lineno}, column {error.colno}")
    if not _is_maskbench(value):
        return Case(name, split, text, bare=True)
    schema = write_as_read(value["schema"])
    # Written as read: numerals keep their spelling, which masks see.
    instances = []
    for test in value["tests"]:
        text = write_as_read(test["data"])
        instances.append(Instance(text.encode(), test["valid"]))
    return Case(name, split, schema, tuple(instances))


def _is_maskbench(value: Any) -> bool:
    """Return whether a file is a schema with its instances, not a schema that has such keys by chance."""
    if not isinstance(value, dict):
        return False
    if not isinstance(value.get("schema"), (dict, bool)):
        return False
    tests = value.get("tests")
    return isinstance(tests, list) and all(
        isinstance(test, dict) and "data" in test and isinstance(test.get("valid"), bool) for test in tests
    )


def _case_of_file(name: str, path: Path, root: str) -> Case:
    """Return the case in a JSON file. The parameters are those of `parse_case`."""
    return parse_case(name, path.read_bytes(), root)


def _read_rows(file: Path, folder: str, root: str) -> Iterator[Source]:
    """Yield the sources of the rows of a parquet table, which are bare schemas.

    `folder`: the folder of the table under the given path, or "". `root`: as in `split_of`. Raises
    `ReaderError` if the table cannot be read or has no schemas.
    """
    with require_extras("A parquet file", "pyarrow", where=str(file), kind=ReaderError):
        import pyarrow
        from pyarrow.parquet import read_table
    try:
        rows = read_table(file).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        cure = "Download or save the table again."
        raise ReaderError(str(error), where=str(file), cure=cure) from error
    for at, row in enumerate(rows):
        schema = row.get("json_schema", row.get("schema"))
        if schema is None:
            raise ReaderError(
                f"the table has no schemas in a column json_schema or schema, only {', '.join(row)}.",
                where=str(file),
                cure="Rename the column that holds the schema's text to json_schema.",
            )
        own_names = (row[column] for column in _NAME_COLUMNS if column in row)
        base = next(own_names, f"{file.stem}/{at}")
        name = f"{folder}/{base}" if folder else str(base)
        text = schema if isinstance(schema, str) else write_as_read(schema)
        data = text.encode("utf-8", "surrogatepass")
        yield name, partial(parse_case, name, data, root)
