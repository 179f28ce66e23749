"""A cache of lark's tables in files: loading the same grammar again does not import lark.

A file's name is a digest of all its inputs except imported files: the grammar's text and options, the
versions of lark and Python, our own sources. Imports are checked when the file is read: each place where lark
looked must hold the same text as then, or nothing if there was nothing.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.language.remarks import Conflict, Remarks
from structgen.lark_grammars.lexer.instructions import Instructions
from structgen.lark_grammars.reading.endless_reductions import without_endless_reductions
from structgen.lark_grammars.reading.lark_loader import INDENTER, Import, Importer, Loaded
from structgen.lark_grammars.reading.loaded_grammar import (
    Context,
    Indentation,
    ParserTables,
    Rule,
    Terminal,
)
from structgen.lark_grammars.reading.plain_rules import PlainRules
from structgen.limits import Limits
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import CacheEntries, entry_key
from structgen.system.cache import cache_folder

FOLDER: Final = "grammars"
"""The folder's name inside the cache folder."""
SUFFIX: Final = ".lark-tables"
_MOST: Final = 1 << 26
"""The most bytes of all files; the least recently used are deleted first."""
_LIBRARY: Final = "lark:"
"""The prefix of paths of files in lark's own `grammars/` folder."""


@cache
def _version() -> str:
    """Return lark's version, without importing it."""
    found = re.search(r"__version__[^=]*=\s*['\"]([^'\"]+)", (_lark() / "__init__.py").read_text("utf-8"))
    assert found is not None, "lark without a version"
    return found[1]


@cache
def _lark() -> Path:
    """Return lark's folder, without importing it."""
    found = find_spec("lark")
    assert found is not None and found.origin is not None, "structgen needs lark"
    return Path(found.origin).parent


class FoundGrammar(NamedTuple):
    """The tables of a grammar, and what is slow to compute from them."""

    tables: ParserTables
    digest: str
    """A digest of the tables with their numbering."""
    is_local: bool
    """Whether no lexeme looks behind its beginning."""


class KeptFile:
    """The file of one grammar. There is none if a custom loader read an import."""

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
        missing: frozenset[int] = frozenset(),
    ) -> None:
        """`indenter`: an instance, or None; `bound`: terminals with stand-ins; `missing`: bytes
        that the texts do not have."""
        self._text, self._source, self._bound, self._missing = text, source, bound, missing
        self._folders = [os.path.abspath(path) for path in import_paths if isinstance(path, str | Path)]
        self._serves = len(self._folders) == len(import_paths) and sys.byteorder == "little"
        imports = "%import" in text
        said = [
            _version(),
            text,
            start,
            # imports depend on the folder of the file
            [os.path.dirname(os.path.abspath(source)) if source else "", self._folders] if imports else None,
            None if indenter is None else [repr(getattr(indenter, name)) for name in INDENTER],
            *bound,
            *([sorted(missing)] if missing else []),
        ]
        self._key = entry_key(self.kind, json.dumps(said))
        self._entries = CacheEntries(cache_folder() / FOLDER, SUFFIX, _MOST)

    def _open(self, limits: Limits) -> tuple[dict[str, Any], ArrayFile] | None:
        """Return the file's JSON and arrays; None if there is no file, if it is outdated, or if the grammar
        exceeds the limits. A damaged file causes a StoreWarning."""
        if not self._serves:
            return None
        found = self._entries.read(self.kind, self._key)
        try:
            if found is None or found.numbers["grammar_rules"] > limits.grammar_rules:
                return None
            said = json.loads(found.arrays["said"].tobytes())
            if any(_digest(path) != digest for path, digest in said["imports"]):
                return None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            self._refuse()
            return None
        return said, found

    def _refuse(self) -> None:
        """Delete the file, with a StoreWarning."""
        self._entries.drop(self._key, "cannot be read")

    def _keep(
        self,
        asked: Sequence[Import],
        said: dict[str, Any],
        numbers: dict[str, int],
        arrays: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Write the file; if the folder does not allow it, a StoreWarning says so."""
        imports = self._imports(asked) if self._serves else None
        if imports is None:
            return
        written = json.dumps({"imports": imports, **said}, ensure_ascii=False, separators=(",", ":"))
        arrays = {"said": np.frombuffer(written.encode(), np.uint8), **arrays}
        self._entries.write(self.kind, self._key, arrays, numbers)

    def _imports(self, asked: Sequence[Import]) -> list[tuple[str, str | None]] | None:
        """Return the places where lark looked for imports, with digests of what was there; None if
        unknown."""
        found: dict[str, str | None] = {}
        for one in asked:
            if one.base is not None and (
                self._source is None or not os.path.isdir(os.path.abspath(one.base))
            ):
                return None  # relative to the program, or to something that is no file
            folders = [*self._folders, *([] if one.base is None else [os.path.abspath(one.base)])]
            for path in (*(os.path.join(folder, one.file) for folder in folders), _LIBRARY + one.file):
                digest = found[path] = _digest(path)
                if digest is not None:
                    break
        return list(found.items())


class KeptTables(KeptFile):
    """The file of a grammar's tables."""

    kind = "lark-13"

    def read(self, limits: Limits) -> FoundGrammar | None:
        """Return the tables; None if there are none, see `KeptFile`.

        Cost: 1 ms for JSON, 3 ms for Python, and reading the imports.
        """
        found = self._open(limits)
        if found is None:
            return None
        said, file = found
        tables = _tables(said, file).without_bytes(self._missing)
        return FoundGrammar(tables, said["digest"], said["is_local"])

    def write(self, loaded: Loaded) -> FoundGrammar:
        """Write the loaded tables, and return them. Cost: that of the patterns' instructions, up to 0.1 s.
        Raises LimitError where these are too many."""
        tables = without_endless_reductions(loaded.tables.without_bytes(self._missing))
        made = FoundGrammar(tables, _digest_of(tables), Instructions(tables).is_local)
        ends, items = _kernels(tables)
        numbers = {
            "start": tables.start,
            "end": tables.end,
            "flags": tables.flags,
            "grammar_rules": loaded.rules,
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "actions": tables.actions,
            "gotos": tables.gotos,
            "context_of": tables.context_of,
            "kernel_ends": ends,
            "kernel_items": items,
        }
        said = {**_said(tables), "digest": made.digest, "is_local": made.is_local}
        self._keep(loaded.imports, said, numbers, arrays)
        return made


class KeptRules(KeptFile):
    """The file of a grammar's rules, without a lexer."""

    kind = "lark-rules-5"

    def read(self, limits: Limits) -> PlainRules | None:
        """Return the rules; None if there are none, see `KeptFile`. Cost: 0.1 ms, and reading the imports."""
        found = self._open(limits)
        return None if found is None else _rules(found[0])

    def write(self, plain: PlainRules) -> None:
        """Write the loaded rules."""
        said = {
            "rules": plain.rules,
            "patterns": plain.patterns,
            "ignored": plain.ignored,
            "unused_rules": plain.remarks.unused_rules,
            "unused_terminals": plain.remarks.unused_terminals,
            "never_made": plain.remarks.never_made,
        }
        self._keep(plain.imports, said, {"grammar_rules": len(plain.rules)}, {})


def _rules(said: dict[str, Any]) -> PlainRules:
    """Return the rules in a file."""
    rules = tuple((left, tuple(right)) for left, right in said["rules"])
    names = (tuple(said[name]) for name in ("unused_rules", "unused_terminals", "never_made"))
    return PlainRules(rules, said["patterns"], tuple(said["ignored"]), Remarks((), *names), ())


def _digest(path: str) -> str | None:
    """Return the digest of an imported file; None if there is none."""
    if path.startswith(_LIBRARY):
        path = str(_lark() / "grammars" / path.removeprefix(_LIBRARY))
    try:
        with open(path, "rb") as file:
            return blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return None


def _digest_of(tables: ParserTables) -> str:
    digest = blake2b(json.dumps(_said(tables)).encode(), digest_size=16)
    for array in (tables.actions, tables.gotos, tables.context_of, *_kernels(tables)):
        digest.update(repr(array.shape).encode() + array.astype(np.int32).tobytes())
    digest.update(repr((tables.start, tables.end, tables.flags)).encode())
    if tables.available is not None:
        digest.update(bytes(sorted(tables.available)))
    return digest.hexdigest()


def _kernels(tables: ParserTables) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the ends of each state's items, and the items."""
    ends = np.cumsum([0, *map(len, tables.kernels)]).astype(np.int32)
    items = np.array([item for kernel in tables.kernels for item in kernel], np.int32).reshape(-1, 2)
    return ends, items


def _said(tables: ParserTables) -> dict[str, Any]:
    indentation, remarks = tables.indentation, tables.remarks
    pairs = dict.fromkeys(pair for one in tables.contexts for pair in one.unless)
    places = {pair: at for at, pair in enumerate(pairs)}  # contexts share most of them
    return {
        "terminals": [(one.name, one.pattern, one.is_string, one.where) for one in tables.terminals],
        "nonterminals": tables.nonterminals,
        "rules": [(one.origin, one.symbols, one.text) for one in tables.rules],
        "unless": list(places),
        "contexts": [(one.terminals, [places[pair] for pair in one.unless]) for one in tables.contexts],
        "ignored": sorted(tables.ignored),
        "indentation": None
        if indentation is None
        else (
            indentation.newline,
            sorted(indentation.opening),
            sorted(indentation.closing),
            indentation.indent,
            indentation.dedent,
            indentation.tab_size,
        ),
        "conflicts": [(one.terminal, one.kept, one.dropped) for one in remarks.conflicts],
        "unused_rules": remarks.unused_rules,
        "unused_terminals": remarks.unused_terminals,
        "never_made": remarks.never_made,
    }


def _tables(said: dict[str, Any], file: ArrayFile) -> ParserTables:
    numbers, arrays = file.numbers, file.arrays
    indentation = said["indentation"]
    if indentation is not None:
        newline, opening, closing, *rest = indentation
        indentation = Indentation(newline, frozenset(opening), frozenset(closing), *rest)
    ends = arrays["kernel_ends"].tolist()
    unless = [(one, tuple(of)) for one, of in said["unless"]]
    items = list(map(tuple, arrays["kernel_items"].tolist()))
    return ParserTables(
        terminals=tuple(Terminal(*one) for one in said["terminals"]),
        nonterminals=tuple(said["nonterminals"]),
        rules=tuple(Rule(origin, tuple(symbols), text) for origin, symbols, text in said["rules"]),
        actions=arrays["actions"],
        gotos=arrays["gotos"],
        contexts=tuple(
            Context(tuple(terminals), tuple([unless[at] for at in places]))
            for terminals, places in said["contexts"]
        ),
        context_of=arrays["context_of"],
        ignored=frozenset(said["ignored"]),
        start=numbers["start"],
        end=numbers["end"],
        indentation=indentation,
        flags=numbers["flags"],
        kernels=tuple(tuple(items[low:high]) for low, high in pairwise(ends)),
        remarks=Remarks(
            tuple(Conflict(one, tuple(kept), tuple(dropped)) for one, kept, dropped in said["conflicts"]),
            tuple(said["unused_rules"]),
            tuple(said["unused_terminals"]),
            tuple(said["never_made"]),
        ),
    )
