"""A cache of lark's tables in files: loading the same grammar again does not import lark.

The *tables* of a grammar are its terminals, the contexts of its lexer and the actions of its parser
(`ParserTables`). Its *rules* are what lark makes of it for `lexer="characters"` (`PlainRules`). There is a
file for each, with two parts: *values* in Python's `marshal` format, and *arrays*.

A file's name is a digest of all its inputs except imported files: the grammar's text and options, the
versions of lark and Python, our own sources. Imports are checked when the file is read: each path where lark
looked must hold the same text as then, or nothing if there was nothing.
"""

from __future__ import annotations

import json
import marshal
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from itertools import starmap
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from structgen.base.language.remarks import Conflict, Remarks
from structgen.base.limits import Limits
from structgen.base.native.array_types import Array
from structgen.base.native.cache_entries import CacheEntries, entry_key
from structgen.base.system.cache import cache_folder
from structgen.grammars.lark_grammars.lexer.instructions import Instructions
from structgen.grammars.lark_grammars.reading.lark_loader import INDENTER, Import, Importer, LoadedGrammar
from structgen.grammars.lark_grammars.reading.loaded_grammar import (
    Context,
    Indentation,
    ParserTables,
    Rule,
    Terminal,
)
from structgen.grammars.lark_grammars.reading.plain_rules import PlainRules

FOLDER: Final = "grammars"
"""The folder's name inside the cache folder."""
SUFFIX: Final = ".lark-tables"
"""The ending of the files' names."""
_MOST: Final = 1 << 26
"""The most bytes of all files together, 64 MiB; the least recently used files are deleted first."""
_ARRAYS: Final = ("actions", "gotos", "context_of")
"""The fields of the tables that are arrays."""
_LIBRARY: Final = "lark:"
"""The prefix of paths of files in lark's own `grammars/` folder."""


@cache
def _lark_version() -> str:
    """Return lark's version, without importing it: that would cost more than all else here."""
    source = (_lark_folder() / "__init__.py").read_text("utf-8")
    version = re.search(r"__version__[^=]*=\s*['\"]([^'\"]+)", source)
    assert version is not None, "lark without a version"
    return version[1]


@cache
def _lark_folder() -> Path:
    """Return lark's folder, without importing it."""
    package = find_spec("lark")
    assert package is not None and package.origin is not None, "structgen needs lark"
    return Path(package.origin).parent


class FoundGrammar(NamedTuple):
    """The tables of a grammar, and what is slow to compute from them."""

    tables: ParserTables
    digest: str
    """A digest of the tables with their numbering."""
    is_local: bool
    """Whether no lexeme depends on the text before it."""


class KeptFile:
    """The file of one grammar. A grammar has no file if the caller passes a custom loader of imports, or on a
    big-endian machine."""

    kind: ClassVar[str]
    """The kind of the contents, and the version of their format."""

    def __init__(
        self,
        text: str,
        start: str,
        source: str | None,
        import_paths: Sequence[Importer],
        indenter: Any,
        bound: Sequence[str] = (),
    ) -> None:
        """Compute the file's name from the inputs of a grammar.

        `text`, `start`: the grammar and its start rule. `source`: the path of the grammar's own file, None
        for a text; `import_paths`: folders of imports, and loaders. `indenter`: an instance of lark's
        `Indenter`, or None. `bound`: the declared terminals that another grammar reads.
        """
        self._source = source
        self._folders = [os.path.abspath(path) for path in import_paths if isinstance(path, str | Path)]
        # Whether there is a file. Nobody knows what a custom loader will return next time, and the arrays in
        # files are little-endian.
        self._serves = len(self._folders) == len(import_paths) and sys.byteorder == "little"
        # Imports depend on the folder of the file; without any, one file serves a text wherever it lies.
        import_folders: list[Any] | None = None
        if "%import" in text:
            own_folder = os.path.dirname(os.path.abspath(source)) if source else ""
            import_folders = [own_folder, self._folders]
        indenter_values = None
        if indenter is not None:
            indenter_values = [repr(getattr(indenter, name)) for name in INDENTER]
        key_parts = [_lark_version(), text, start, import_folders, indenter_values, *bound]
        self._key = entry_key(self.kind, json.dumps(key_parts))
        self._entries = CacheEntries(cache_folder() / FOLDER, SUFFIX, _MOST)

    def _open_file(self, limits: Limits) -> tuple[Any, dict[str, Array]] | None:
        """Return the file's values and arrays; None if there is no file, if an import has changed, or if the
        grammar exceeds the limits. A damaged file also gives None, with a StoreWarning."""
        if not self._serves:
            return None
        entry = self._entries.read(self.kind, self._key)
        try:
            # With more rules than the limit, lark loads the grammar again and raises the LimitError.
            if entry is None or entry.numbers["grammar_rules"] > limits.grammar_rules:
                return None
            imports, values = marshal.loads(entry.arrays["said"].data)
        except (LookupError, TypeError, ValueError, EOFError):
            self._entries.drop(self._key, "cannot be read")
            return None
        if any(_file_digest(path) != digest for path, digest in imports):
            return None
        return values, entry.arrays

    def _write_file(
        self,
        import_lookups: Sequence[Import],
        rules: int,
        values: tuple[Any, ...],
        arrays: dict[str, Array],
    ) -> None:
        """Write the file, if the grammar can have one. `import_lookups`: the imports that lark looked for;
        `rules`: the number of rules, as `limits.grammar_rules` counts them; `values`: the contents, of types
        that `marshal` writes; `arrays`: {} where there are none. A StoreWarning is issued if the folder
        cannot be written."""
        imports = self._digest_imports(import_lookups) if self._serves else None
        if imports is None:
            return
        value_bytes = np.frombuffer(marshal.dumps((tuple(imports), values)), np.uint8)
        contents = {"said": value_bytes, **arrays}
        self._entries.write(self.kind, self._key, contents, {"grammar_rules": rules})

    def _digest_imports(self, import_lookups: Sequence[Import]) -> list[tuple[str, str | None]] | None:
        """Return the paths where lark looked for imports, each with the digest of the file there, None for
        no file. Return None instead of a list if lark looked in a place that the paths do not name."""
        digests: dict[str, str | None] = {}
        for lookup in import_lookups:
            folders = [*self._folders]
            if lookup.base is not None:
                base = os.path.abspath(lookup.base)
                if self._source is None or not os.path.isdir(base):
                    return None  # relative to the program, or to something that is not a folder
                folders.append(base)
            paths = [os.path.join(folder, lookup.file) for folder in folders]
            # In lark's order. Files that are not there count, too: one of them may be there next time.
            for path in (*paths, _LIBRARY + lookup.file):
                digest = _file_digest(path)
                digests[path] = digest
                if digest is not None:
                    break
        return list(digests.items())


class KeptTables(KeptFile):
    """The file of a grammar's tables."""

    kind = "lark-15"

    def read_tables(self, limits: Limits) -> FoundGrammar | None:
        """Return the tables in the file; None if there are none (`_open_file`).

        Cost: 0.5 ms for a grammar of JSON, 5 ms for one of Python, and reading the imports.
        """
        contents = self._open_file(limits)
        if contents is None:
            return None
        values, arrays = contents
        plain, digest, is_local = values
        return FoundGrammar(_restore_tables(plain, arrays), digest, is_local)

    def write_tables(self, loaded_grammar: LoadedGrammar) -> FoundGrammar:
        """Write the tables of a loaded grammar, and return them with their digest. Raises LimitError where
        the patterns come to too many instructions. Cost: up to 0.1 s, to compute these instructions."""
        tables = loaded_grammar.tables
        plain = _as_tuples(tables)
        arrays = {name: getattr(tables, name) for name in _ARRAYS}
        # Patterns may have lone surrogates, which plain UTF-8 does not write.
        digest = blake2b(repr(plain).encode("utf-8", "surrogatepass"), digest_size=16)
        for array in arrays.values():
            digest.update(repr(array.shape).encode() + array.astype(np.int32).tobytes())
        found_grammar = FoundGrammar(tables, digest.hexdigest(), Instructions(tables).is_local)
        values = plain, found_grammar.digest, found_grammar.is_local
        self._write_file(loaded_grammar.imports, loaded_grammar.rules, values, arrays)
        return found_grammar


class KeptRules(KeptFile):
    """The file of a grammar's rules, without a lexer."""

    kind = "lark-rules-6"

    def read_rules(self, limits: Limits) -> PlainRules | None:
        """Return the rules in the file; None if there are none (`_open_file`). Cost: 0.1 ms, and reading the
        imports."""
        contents = self._open_file(limits)
        if contents is None:
            return None
        rules, patterns, ignored_names, remarks = contents[0]
        return PlainRules(rules, patterns, ignored_names, Remarks(*remarks), ())

    def write_rules(self, plain: PlainRules) -> None:
        """Write the rules of a loaded grammar."""
        values = plain.rules, plain.patterns, plain.ignored_names, _as_tuples(plain.remarks)
        self._write_file(plain.imports, len(plain.rules), values, {})


def _file_digest(path: str) -> str | None:
    """Return the digest of the imported file at a path (`lark:` and a name: of lark's own library); None if
    there is no such file."""
    if path.startswith(_LIBRARY):
        path = str(_lark_folder() / "grammars" / path.removeprefix(_LIBRARY))
    try:
        with open(path, "rb") as file:
            return blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return None


def _as_tuples(value: Any) -> Any:
    """Return a value that `marshal` can write: each dataclass in it becomes the tuple of its fields, without
    arrays, and each frozenset a sorted tuple. For example, `Rule(0, (1,), "s: A")` gives
    `(0, (1,), "s: A")`."""
    if is_dataclass(value):
        values = (getattr(value, field.name) for field in fields(value))
        return tuple(_as_tuples(inner) for inner in values if not isinstance(inner, np.ndarray))
    if isinstance(value, frozenset):
        return tuple(sorted(value))  # sorted, since the digest is taken of the text of the tuples
    return tuple(map(_as_tuples, value)) if isinstance(value, tuple) else value


def _restore_tables(plain: tuple[Any, ...], arrays: Mapping[str, Array]) -> ParserTables:
    """Return the tables of a file: undo `_as_tuples`. `plain`: the tuples; `arrays`: by the names of their
    fields."""
    # In the order of the fields of `ParserTables`, without its arrays.
    (
        terminals,
        nonterminals,
        rules,
        contexts,
        ignored_terminals,
        start,
        end,
        indentation,
        flags,
        kernels,
        remarks,
        _available,
    ) = plain
    if indentation is not None:
        newline, opening, closing, *rest = indentation
        indentation = Indentation(newline, frozenset(opening), frozenset(closing), *rest)
    conflicts, *unused_names = remarks
    return ParserTables(
        terminals=tuple(starmap(Terminal, terminals)),
        nonterminals=nonterminals,
        rules=tuple(starmap(Rule, rules)),
        actions=arrays["actions"],
        gotos=arrays["gotos"],
        context_of=arrays["context_of"],
        contexts=tuple(starmap(Context, contexts)),
        ignored_terminals=frozenset(ignored_terminals),
        start=start,
        end=end,
        indentation=indentation,
        flags=flags,
        kernels=kernels,
        remarks=Remarks(tuple(starmap(Conflict, conflicts)), *unused_names),
    )
