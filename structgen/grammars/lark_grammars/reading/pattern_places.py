"""Finds the place of a refused pattern in its grammar's file.

A *place* is a file, a line and a column. A *fault* is a pattern that is refused, such as `/(a/` in `A: /(a/`.
A *definition* is lark's tree of a rule, of a terminal, or of an ignored pattern.

lark joins the patterns of a terminal before any is read, and keeps no places. So when a grammar was refused,
its text and its imports are parsed again, and each pattern is read by itself. The first one that is refused
is the fault. If each pattern is right and only their join is refused, the place is that of the definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import GrammarError, RegexError
from structgen.grammars.lark_grammars.reading.lark_loader import Importer, Imports, parse_pattern

_OF_TERMINAL: Final = re.compile(r"terminal (\w+)")
"""The beginning of an error's `where`, with the name of a terminal."""
_IN_PATTERN: Final = re.compile(r"line (\d+), column (\d+)$")
"""The end of an error's `where`: a line and column inside the pattern."""


@contextmanager
def patterns_placed(
    text: str,
    source: str | None,
    import_paths: Sequence[Importer],
) -> Iterator[None]:
    """Add the place of the pattern to a GrammarError that a `with` block raises for a pattern.

    The block loads the grammar `text`. `source`: the path of its file, None for a text, which is called
    "grammar" in places; `import_paths`: where its imports are looked for. Other errors pass unchanged."""
    try:
        yield
    except GrammarError as error:
        terminal = _OF_TERMINAL.match(error.where)
        # An error of `re` has the attribute `pattern`.
        is_of_pattern = hasattr(getattr(error.__cause__, "orig_exc", None), "pattern")
        if terminal is None and not is_of_pattern:
            raise
        message = error.what
        faults: list[tuple[GrammarError, str]] = []
        definitions: list[tuple[Any, str]] = []
        named_patterns: list[tuple[Any, str]] = []
        for definition, file in _definitions_in(text, source, import_paths):
            faults += _pattern_faults(definition, file)
            for token in _tokens_of_kind(definition, "REGEXP"):
                if repr(_pattern_of_token(token).to_regexp()) in message:
                    named_patterns.append((token, file))
            if terminal is not None and definition.data == "term":
                # The first such token is the name that is defined; others are uses in its definition.
                names = _tokens_of_kind(definition, "TERMINAL")[:1]
                definitions += [(token, file) for token in names if token == terminal[1]]
        # Faults whose pattern is in the message come first; others may be of terminals that are not used.
        faults.sort(key=lambda fault: repr(fault[1])[1:-1] not in message)
        if faults:
            raise faults[0][0] from None
        for token, file in (*definitions, *named_patterns):
            raise _place_error(error, file, token, error.where) from None
        raise


def _definitions_in(
    text: str,
    source: str | None,
    import_paths: Sequence[Importer],
) -> Iterator[tuple[Any, str]]:
    """Yield the definitions in a grammar and its imports, each with the name of its file. The parameters are
    those of `patterns_placed`."""
    import lark
    from lark import load_grammar

    parse: Any = load_grammar._parse_grammar
    own_text = text, source or "grammar"
    for grammar_text, file in (own_text, *_imported_texts(text, source, import_paths)):
        # A text that lark cannot parse has no definitions; lark's own error is raised already.
        with suppress(lark.exceptions.LarkError):
            tree = parse(grammar_text, file)
            for definition in tree.find_pred(lambda node: node.data in ("term", "rule", "ignore")):
                yield definition, file


def _tokens_of_kind(tree: Any, kind: str) -> list[Any]:
    """Return the tokens of a `kind`, such as "REGEXP", in one of lark's trees, in the order of the text."""
    import lark

    return list(tree.scan_values(lambda token: isinstance(token, lark.Token) and token.type == kind))


def _pattern_of_token(token: Any) -> Any:
    """Return lark's pattern for the token of a literal, such as `/a+/i`."""
    from lark import load_grammar

    pattern_of_literal: Any = load_grammar._literal_to_pattern
    return pattern_of_literal(token)


def _imported_texts(
    text: str,
    source: str | None,
    paths: Sequence[Importer],
) -> Iterator[tuple[str, str]]:
    """Yield the text and the path of each file that a grammar imports, except those of lark's own library."""
    from lark.load_grammar import GrammarBuilder

    imports = Imports()
    importers: list[Any] = [imports, *paths]
    with suppress(Exception):  # whatever lark refuses: its own error is on its way
        GrammarBuilder(False, importers).load_grammar(text, source or "<string>")
    path_folders = [path for path in paths if isinstance(path, str | Path)]
    for lookup in imports.met:
        # In lark's order; the first folder that has the file is the one that lark read.
        for folder in [*path_folders, lookup.base]:
            file = None if folder is None else Path(folder, lookup.file)
            if file is not None and file.is_file():
                with suppress(OSError, UnicodeDecodeError):
                    yield file.read_text(encoding="utf-8"), str(file)
                break


def _pattern_faults(definition: Any, file: str) -> Iterator[tuple[GrammarError, str]]:
    """Yield for each fault in a definition of `file` its error, with the place in it, and the pattern."""
    kind = {"term": "TERMINAL", "rule": "RULE"}.get(definition.data, "")
    defined_names = _tokens_of_kind(definition, kind)[:1]
    name = " ".join((kind.lower(), *defined_names)) or "%ignore"
    for token in _tokens_of_kind(definition, "REGEXP"):
        pattern = _pattern_of_token(token)
        flags = 0
        for letter in pattern.flags:
            flags |= getattr(re, letter.upper())
        try:
            parse_pattern(pattern.value, flags, where="")
        except RegexError as error:
            placed_error = _place_error(error, file, token, name, pattern_text=pattern.value)
            yield placed_error, pattern.value


def _place_error(
    error: GrammarError,
    file: str,
    token: Any,
    name: str,
    *,
    pattern_text: str = "",
) -> GrammarError:
    """Return an `error` with the place of a `token` in a `file`. `name`: the definition's, such as `terminal
    NUMBER`. `pattern_text`: the pattern as it is read; if the token has the same text, the place is that of
    the fault inside the pattern."""
    line = token.line
    column = token.column
    inside = _IN_PATTERN.search(error.where)
    # A pattern with escapes that lark replaces is another text than the token: columns in it are of no use.
    is_read_as_written = bool(pattern_text) and str(token).startswith(f"/{pattern_text}/")
    if inside is not None and is_read_as_written:
        line += int(inside[1]) - 1
        column = int(inside[2])
        if inside[1] == "1":
            column += token.column
    place = f"{file}, line {line}, column {column}"
    return type(error)(f"{name}: {error.what}", where=place, cure=error.cure)
