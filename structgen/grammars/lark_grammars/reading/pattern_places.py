"""Where in its file the pattern of a terminal stands that is refused.

lark joins the patterns of a terminal before any is read, and keeps no places. So when a grammar was refused,
its text and its imports are parsed again, and each pattern is read by itself: the first that is refused is
the fault. Where each is fine and only their join is not, the place is the terminal's definition.
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
_IN_PATTERN: Final = re.compile(r"line (\d+), column (\d+)$")


@contextmanager
def patterns_placed(
    text: str,
    source: str | None,
    import_paths: Sequence[Importer],
) -> Iterator[None]:
    """Raise an error of a pattern in a block that loads the grammar `text` with the file, line and column of
    the pattern: `source` or an imported file, "grammar" for a text."""
    try:
        yield
    except GrammarError as error:
        terminal = _OF_TERMINAL.match(error.where)
        # re's errors name their pattern.
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
        # The fault of a terminal that is not used comes last: the message has another pattern.
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
    """Yield lark's trees of rules, terminals and ignored patterns of a grammar and its imports, with the file
    of each."""
    import lark
    from lark import load_grammar

    parse: Any = load_grammar._parse_grammar
    own_text = text, source or "grammar"
    for grammar_text, file in (own_text, *_imported_texts(text, source, import_paths)):
        # A text that lark refuses has no places of patterns; that error is told already.
        with suppress(lark.exceptions.LarkError):
            tree = parse(grammar_text, file)
            for definition in tree.find_pred(lambda node: node.data in ("term", "rule", "ignore")):
                yield definition, file


def _tokens_of_kind(tree: Any, kind: str) -> list[Any]:
    """Return the tokens of a kind in one of lark's trees, in their order."""
    import lark

    return list(tree.scan_values(lambda token: isinstance(token, lark.Token) and token.type == kind))


def _pattern_of_token(token: Any) -> Any:
    """Return lark's pattern of a literal."""
    from lark import load_grammar

    pattern_of_literal: Any = load_grammar._literal_to_pattern
    return pattern_of_literal(token)


def _imported_texts(
    text: str,
    source: str | None,
    paths: Sequence[Importer],
) -> Iterator[tuple[str, str]]:
    """Yield the texts and the files of what a grammar imports from folders of the caller."""
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
    """Yield the errors of the patterns of a definition that are refused, placed, and these patterns."""
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
    """Return an `error` with the place of a `token` in a `file`, or, inside a pattern that is `pattern_text`
    as it is read, with that of the fault in it. `name`: of the definition, such as `terminal NUMBER`."""
    line = token.line
    column = token.column
    inside = _IN_PATTERN.search(error.where)
    # A pattern with escapes that lark replaces is another text than the token: its columns say nothing.
    is_read_as_written = bool(pattern_text) and str(token).startswith(f"/{pattern_text}/")
    if inside is not None and is_read_as_written:
        line += int(inside[1]) - 1
        column = int(inside[2])
        if inside[1] == "1":
            column += token.column
    place = f"{file}, line {line}, column {column}"
    return type(error)(f"{name}: {error.what}", where=place, cure=error.cure)
