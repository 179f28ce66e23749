"""Loads a Lark grammar: the `lark` package builds it, and its tables are read into frozen values.

The *tables* are the terminals, the contexts of the lexer, and the actions of the parser (`ParserTables`). A
*context* is the set of terminals that lark's lexer looks for in a state of the parser. A *bound* terminal is
declared (`%declare NAME`) and read by another grammar. Its *stand-in* is a character of private use, which
lark takes as its pattern. An *indenter* is a post-lexer that makes terminals of changes of the indent. An
*item* is a rule with the number of its symbols that were read: `pair: NAME • "=" NUMBER`.

lark (1.2 and later) loads the grammar, expands templates and EBNF, and makes the LALR(1) table. The lexer's
contexts are made here as in lark/lexer.py (`BasicLexer` and `_create_unless`: the order of the terminals, and
the strings that replace a regular expression's match), but no regular expression is compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

import numpy as np

from structgen.automata.regex.python_syntax import parse_python
from structgen.automata.regex.syntax_tree import Node
from structgen.base.errors import GrammarError, LimitError, OptionError, RegexError
from structgen.base.language.numbered import Numbered
from structgen.base.language.remarks import Remarks
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int32Array
from structgen.grammars.lark_grammars.reading.lark_cures import cure_for, place_of
from structgen.grammars.lark_grammars.reading.loaded_grammar import (
    NONE,
    Context,
    Indentation,
    ParserTables,
    Rule,
    Terminal,
)
from structgen.grammars.lark_grammars.reading.loader_remarks import remarks_of
from structgen.grammars.lark_grammars.reading.written_out import check_rules, check_shortest, check_terminals
from structgen.grammars.text_grammars.context_free.productive_symbols import productive_symbols
from structgen.grammars.text_grammars.context_free.rules import group_by_first

Importer: TypeAlias = str | Path | Callable[[Any, str], tuple[Any, str]]
"""A folder in which `%import` looks, or a loader in lark's format."""

INDENTER: Final = (
    "NL_type",
    "OPEN_PAREN_types",
    "CLOSE_PAREN_types",
    "INDENT_type",
    "DEDENT_type",
    "tab_len",
)
"""The attributes of lark's `Indenter` that a subclass sets."""

# lark is imported inside functions: a grammar whose tables are kept is loaded without it.


class _Recorder:
    """Replaces lark's contextual lexer, and records its arguments. So lark compiles no patterns."""

    def __init__(
        self,
        conf: Any,
        states: dict[int, Any],
        always_accept: Sequence[str] = (),
    ) -> None:
        """The parameters are those of lark's `ContextualLexer`. `states`: state of the parser -> the
        terminals that it accepts; `always_accept`: terminals that are accepted in each state."""
        self.conf = conf
        self.states = states
        self.always = frozenset(always_accept)


class Import(NamedTuple):
    """One `%import`, of the grammar or of an imported one: the file that lark looked for, and the folder."""

    file: str
    """The path as the import gives it: `folder/name.lark`."""
    base: str | None
    """The folder to which the path is relative; None if it is relative to none."""


class Imports:
    """A loader that comes before all others. It has no files, and records which ones are asked for."""

    def __init__(self) -> None:
        self.met: dict[Import, None] = {}
        """The imports that lark asked for, in order; a dict in place of an ordered set."""

    def __call__(self, base: Any, file: str) -> tuple[Any, str]:
        """Record an import, as lark calls a loader. Raises FileNotFoundError, so that lark asks the next
        loader."""
        self.met[Import(file, None if base is None else str(base))] = None
        raise FileNotFoundError


def read_by_lark(
    text: str,
    source: str | None,
    import_paths: Sequence[Importer],
    limits: Limits,
    bound: Sequence[str],
    text_only: bool,
) -> tuple[Any, Imports]:
    """Return lark's `Grammar` of a text, and the imports that it asked for. The arguments are those of
    `load_tables`: `text`, the path `source` (None: no file), `import_paths`, `limits`, `bound`, `text_only`.

    Raises lark's errors; GrammarError for a bound name that is not declared; LimitError for more rules, or
    parts of a terminal, than the limits allow.
    """
    from lark.load_grammar import GrammarBuilder

    imports = Imports()
    where = source or "grammar"
    if text_only:  # a stranger's text: its terminals are bounded before lark writes them out
        check_terminals(text, limits)
    # The recorder comes first: it finds nothing, so lark asks the others, too.
    importers: list[Any] = [imports, _library_alone] if text_only else [imports, *import_paths]
    builder = GrammarBuilder(False, importers)
    builder.load_grammar(text, source or "<string>")
    grammar = builder.build()
    check_rules(grammar.rule_defs, limits, where)
    terminals = {str(name) for name, _definition in grammar.term_defs}
    declared_names = _declared_names(grammar)
    for name in bound:
        if name not in declared_names:
            fault = f"{name} has a pattern" if name in terminals else (f"The terminal {name} does not exist")
            declared_ones = (
                f"; the declared ones are {', '.join(sorted(declared_names))}" if declared_names else ""
            )
            raise GrammarError(
                f"{fault}: a bound terminal must be declared.",
                where=where,
                cure=f"Write %declare {name} in the grammar, or bind another name{declared_ones}.",
            )
    return grammar, imports


def _library_alone(base: Any, file: str) -> tuple[Any, str]:
    """Return the path and text of a grammar in lark's own library, as lark calls a loader. Raises
    GrammarError for any other `file`, so that lark does not look for it in folders."""
    from lark.load_grammar import stdlib_loader

    try:
        library: tuple[Any, str] = stdlib_loader(base, file)
    except OSError:
        raise GrammarError(
            f"The grammar imports {Path(file).stem}, which is not in lark's own library.",
            where="grammar",
            cure="Write what it imports into the grammar itself: files are not read here.",
        ) from None
    return library


class LoadedGrammar(NamedTuple):
    """The tables of a loaded grammar, with what the cache of grammars needs to know of it."""

    tables: ParserTables
    imports: tuple[Import, ...]
    """The imports that lark asked for, in order."""
    rules: int
    """The number of rules, as `limits.grammar_rules` counts them."""


_STATES_AN_ITEM: Final = 4
"""How many of `Limits.parser_states` one item of lark's analysis counts as. It takes about 2 us."""


def stand_in(number: int) -> str:
    """Return the character, in a private plane of Unicode, that stands for the bound terminal `number`."""
    return chr(0x100000 + number)


def load_tables(
    text: str,
    *,
    start: str,
    source: str | None,
    import_paths: Sequence[Importer],
    postlex: Any,
    limits: Limits,
    bound: Sequence[str] = (),
    text_only: bool = False,
) -> LoadedGrammar:
    """Return the tables of a grammar, and its imports. Cost: lark's own loading (5 ms for JSON, 50 to 100 ms
    for Python) and a few milliseconds.

    `start`: the start rule. `source`: the path of the file, None for a text; `import_paths`: where imports
    are looked for beside it. `postlex`: an indenter (`indenter_of`), or None. `bound`: declared terminals
    that another grammar reads; each gets its stand-in as a pattern. `text_only`: only lark's own library is
    imported. For example, `load_tables('start: "a"', start="start", source=None, import_paths=(),
    postlex=None, limits=Limits())`.

    Raises GrammarError with lark's message, RegexError (by terminal) for patterns without an automaton,
    LimitError for more rules than `limits.grammar_rules` and for texts of more terminals than
    `limits.oracle_steps`, OptionError.
    """
    import lark

    try:
        grammar, imports = read_by_lark(text, source, import_paths, limits, bound, text_only)
        _put_stand_ins(grammar, bound)
        built = lark.Lark(
            grammar,
            parser="lalr",
            lexer="contextual",
            start=start,
            source_path=source,
            postlex=postlex,
            _plugins={"ContextualLexer": _Recorder, "LALR_Parser": _bounded_parser(limits)},
        )
    except (lark.exceptions.LarkError, OSError, RecursionError, AssertionError) as error:
        raise refusal_error(error, text, source, start) from error
    lexer = built.parser.lexer
    if postlex is not None:
        lexer = lexer.lexer
    parser = built.parser.parser
    tables = _Tables(lexer, parser, start, postlex, _declared_names(grammar))
    tables.read_indentation()  # names a missing terminal of the indenter before `never_made` does
    have = {terminal.name for terminal in built.terminals}
    if postlex is not None:  # the indenter makes two terminals itself
        have |= {postlex.INDENT_type, postlex.DEDENT_type}
    never = never_made(built.rules, start, built.ignore_tokens, have, source or "grammar")
    remarks = remarks_of(grammar, built, parser.analysis, start, never)
    parser_tables = tables.read_tables(remarks)  # names a pattern that is wrong
    check_shortest(built.rules, built.terminals, start, limits)
    return LoadedGrammar(parser_tables, tuple(imports.met), len(built.rules))


def _declared_names(grammar: Any) -> set[str]:
    """Return the declared terminals of lark's `Grammar`."""
    return {str(name) for name, (tree, _priority) in grammar.term_defs if tree is None}


def _put_stand_ins(grammar: Any, bound: Sequence[str]) -> None:
    """Give each bound terminal its stand-in as a pattern."""
    from lark import Tree
    from lark.lexer import PatternRE

    # A terminal without a pattern would be in no context of the lexer.
    stand_ins = {
        name: (Tree("pattern", [PatternRE(stand_in(number))]), 0) for number, name in enumerate(bound)
    }
    grammar.term_defs = [(name, stand_ins.get(name, definition)) for name, definition in grammar.term_defs]


def never_made(
    rules: Sequence[Any],
    start: str,
    ignored_names: Sequence[str],
    have: Collection[str],
    where: str,
) -> tuple[str, ...]:
    """Return the declared terminals in lark's rules that nothing makes: those not in `have`.

    `rules`: lark's, expanded; `start`: the start rule; `ignored_names`: terminals that %ignore names;
    `where`: the file, for errors. With `have={"A"}` and the rule `start: A [B]` that is `("B",)`. Raises
    GrammarError, which names the terminal, if it is ignored, or if every text of the start rule needs it."""
    used = {str(symbol.name) for rule in rules for symbol in rule.expansion if symbol.is_term}
    never = tuple(sorted(used.difference(have)))
    needed_names = sorted(map(str, set(ignored_names).difference(have)))
    if never and not needed_names:
        plain = [
            (str(rule.origin.name), tuple(str(symbol.name) for symbol in rule.expansion)) for rule in rules
        ]
        # If the start rule has no text even with these terminals, the fault is another one: lark, or a later
        # check, names it.
        has_text = start in productive_symbols(plain, used)
        if has_text and start not in productive_symbols(plain, used.difference(never)):
            needed_names = [*never]
    if needed_names:
        raise GrammarError(
            f"The terminal {needed_names[0]} is declared, but never made.",
            where=where,
            cure=f'Bind it to a grammar (bind={{"{needed_names[0]}": ...}}), pass the indenter that makes it'
            " (postlex=...), or define it.",
        )
    return never


PROPERTIES_CURE: Final = (
    "Write the patterns in the syntax of Python's re: letters of any script are [^\\W\\d_]"
)
"""The cure for patterns in the syntax of the `regex` module."""


def parse_pattern(pattern: str, flags: int, *, where: str) -> Node:
    r"""Return the tree of a terminal's pattern. `flags`: those of `re`; `where`: its name in errors. Raises
    RegexError; for `\p{...}`, which only the `regex` module reads, its cure names the sets of `re`."""
    try:
        return parse_python(pattern, flags, where=where)
    except RegexError as error:
        if not re.search(r"\\[pP]|\[:\w+:\]", pattern):
            raise
        raise RegexError(error.what, where=error.where, cure=f"{PROPERTIES_CURE}.") from None


def check_options(start: str, import_paths: Sequence[Importer]) -> None:
    """Raise OptionError for a start, or import_paths, of the wrong kind."""
    if not isinstance(start, str):
        raise OptionError(
            f"must be a name, got {type(start).__name__}.", where="start", cure='Pass start="rule".'
        )
    # A single path is refused, too: a string is a sequence of its characters.
    is_list = isinstance(import_paths, Sequence) and not isinstance(import_paths, str)
    for path in import_paths if is_list else [import_paths]:
        is_importer = isinstance(path, str | Path) or callable(path)
        if path is import_paths or not is_importer:
            raise OptionError(
                f"must be a list of folders and lark's loaders, got {path!r}.",
                where="import_paths",
                cure='Pass a list of folders: import_paths=["grammars"].',
            )


def _bounded_parser(limits: Limits) -> type:
    """Return lark's LALR parser with bounds on the rules and on the shortest text, checked before the table
    is made, and on the items of the table's states, counted while they are made."""
    from lark.parsers.lalr_analysis import IntParseTable, LALR_Analyzer
    from lark.parsers.lalr_parser import LALR_Parser

    max_items = limits.parser_states // _STATES_AN_ITEM

    class Analyzer(LALR_Analyzer):
        items = 0
        # A field of the class is enough: the class is made once for each grammar.
        expansions: ClassVar[dict[tuple[Any, int], Any]] = {}

        def expand_rule(self, source_rule: Any, rules_by_origin: Any = None) -> Any:
            """Return what lark's method returns, computed once for each rule, and count the items that it
            adds to a state. Raises LimitError."""
            # lark expands a rule again in each state that has it.
            key = source_rule, id(rules_by_origin)
            if key not in self.expansions:
                self.expansions[key] = super().expand_rule(source_rule, rules_by_origin)
            self.items += 1 + len(self.expansions[key])
            if self.items > max_items:
                raise LimitError(
                    f"The states of its parser have more than {max_items:,} items.",
                    limit="parser_states",
                    where="grammar",
                    cure="Let fewer rules begin alike; or increase it: limits=sg.Limits(parser_states=...).",
                )
            return self.expansions[key]

        def compute_includes_lookback(self) -> None:
            """Do what lark's method does, in less time. lark's walks all items of a state for each of its
            rules. Here lark's is called for one nonterminal of a state at a time, when the state has only the
            items of this nonterminal's rules."""
            all_transitions = self.nonterminal_transitions
            for state, origins in group_by_first(all_transitions).items():
                all_items = state.closure
                items_of: dict[Any, Any] = group_by_first((item.rule.origin, item) for item in all_items)
                for origin in origins:
                    state.closure = items_of.get(origin, [])
                    self.nonterminal_transitions = [(state, origin)]
                    super().compute_includes_lookback()  # type: ignore[no-untyped-call]
                state.closure = all_items
            self.nonterminal_transitions = all_transitions

    class BoundedParser(LALR_Parser):
        def __init__(
            self,
            conf: Any,
            debug: bool = False,
            strict: bool = False,
        ) -> None:
            """Make the table as lark's parser does, within the limits; the parameters are lark's."""
            if len(conf.rules) > limits.grammar_rules:
                raise LimitError(
                    f"The grammar expands to {len(conf.rules):,} rules.",
                    limit="grammar_rules",
                    where="grammar",
                )
            # In debug mode the table contains the items of its states; state numbers are positions there.
            analysis = Analyzer(conf, debug=True, strict=strict)
            analysis.compute_lalr()
            self.items = tuple(analysis.parse_table.states)
            self.analysis = analysis
            self._parse_table = IntParseTable.from_ParseTable(analysis.parse_table)
            self.parser_conf = conf

    return BoundedParser


_READERS: Final = {
    ".json": "Read a JSON Schema with sg.json_schema; in the shell: --schema FILE.",
    ".gbnf": "Read GBNF with sg.ebnf; in the shell: -o ebnf=FILE.",
    ".ebnf": "Read EBNF with sg.ebnf; in the shell: -o ebnf=FILE.",
}
"""The cure by the ending of a file that is probably in another language."""


def refusal_error(
    error: BaseException,
    text: str,
    source: str | None,
    start: str,
) -> GrammarError:
    """Return the GrammarError for an `error` of lark. It names the place in the `text`, or in the file
    `source`, and how to mend it: for the `start` rule "begin", say, `Write begin: ...`."""
    message = str(error).strip()
    where = source or "grammar"
    # Errors of lark's own parser have a place as attributes, others in their message.
    line = getattr(error, "line", -1)
    column = getattr(error, "column", -1)
    has_place = isinstance(line, int) and line > 0
    place = (line, column) if has_place else place_of(message, text)
    if place is not None:
        where = f"{where}, line {place[0]}, column {place[1]}"
    cure = cure_for(message, text, place)
    if "undefined rule" in message and f"'{start}'" in message:
        rule_names = set(re.findall(r"^[ \t]*[?!]*(_*[a-z][a-z0-9_]*)\b", text, re.MULTILINE))
        message = f"the rule {start} does not exist."
        cure = f"Write {start}: ..."
        if rule_names:
            cure = f"Pass start= one of its rules: {', '.join(sorted(rule_names)[:12])}."
    cure = _READERS.get(Path(source or "").suffix, cure)
    # Some messages end with a line that points at a character: no full stop is put after it.
    end = "\n" if message.endswith("^") else "."
    if message.endswith((".", "!")):
        end = ""
    is_syntax = message.startswith("Unexpected")
    fault = "Syntax error in the grammar" if is_syntax else "lark rejects the grammar"
    return GrammarError(f"{fault}: {message}{end}", where=where, cure=cure)


def indenter_of(postlex: Any) -> Any:
    """Return an instance of an indenter that overrides attributes only. Raises OptionError for others."""
    from lark.indenter import Indenter

    kind = postlex if isinstance(postlex, type) else type(postlex)
    cure = "Subclass lark.indenter.Indenter and set its six attributes, nothing else."
    if not issubclass(kind, Indenter):
        raise OptionError(
            f"A post-lexer of the type {kind.__name__} is not supported.", where="postlex", cure=cure
        )
    # All classes between the indenter's and lark's own: each may override a method.
    for base in kind.__mro__:
        if base is Indenter:
            break
        _check_overrides(base.__name__, vars(base), cure)
    if isinstance(postlex, type):
        try:
            postlex = kind()
        except (TypeError, AssertionError) as error:
            # lark only asserts that tab_len is above 0, without a message.
            reason = str(error) or "its tab_len must be above 0"
            fault = f"lark cannot create a {kind.__name__}: {reason}."
            raise OptionError(fault, where="postlex", cure=cure) from None
    _check_overrides(kind.__name__, vars(postlex), cure)
    if not isinstance(postlex.tab_len, int) or postlex.tab_len < 1:
        raise OptionError(
            f"{kind.__name__}.tab_len is {postlex.tab_len!r}.",
            where="postlex",
            cure="Set it to the number of spaces of a tab.",
        )
    return postlex


def _check_overrides(kind: str, attributes: Mapping[str, Any], cure: str) -> None:
    """Raise OptionError where a class, or an instance, of an indenter has methods of its own."""
    methods = []
    for name, value in attributes.items():
        is_method = callable(value) or isinstance(value, property | classmethod | staticmethod)
        if is_method and name not in INDENTER:
            methods.append(name)
    if methods:
        raise OptionError(
            f"{kind} overrides {', '.join(sorted(methods))}: its effect on tokens is not known.",
            where="postlex",
            cure=cure,
        )


class _Tables:
    """Reads the tables of one grammar that lark has built, and numbers its terminals, rules and states."""

    def __init__(
        self,
        lexer: _Recorder,
        parser: Any,
        start: str,
        indenter: Any,
        declared_names: Set[str],
    ) -> None:
        """Number the terminals. `lexer`: the arguments of lark's lexer; `parser`: lark's; `start`: the start
        rule; `indenter`: None for none. `declared_names`: the terminals without a pattern; those of the
        indenter need not be in a rule."""
        self._flags = int(lexer.conf.g_regex_flags)
        self.lexer = lexer
        self.start = start
        self.indenter = indenter
        self.table = parser._parse_table
        self.items = parser.items
        self.terminals = {terminal.name: terminal for terminal in lexer.conf.terminals}
        # The parser's table names terminals and nonterminals alike; the latter are origins of rules.
        origins = {item.rule.origin.name for items in self.items for item in items}
        names = {name for row in self.table.states.values() for name in row} - origins
        if indenter is not None:
            names |= declared_names & {indenter.INDENT_type, indenter.DEDENT_type}
        names |= set(self.terminals)
        self.names = ["$END", *sorted(names - {"$END"})]
        self.number = {name: number for number, name in enumerate(self.names)}
        # An ignored string that replaces a match is not ignored: lark decides that by the match. It is a
        # separate terminal, which the parser treats like the string.
        self.unignored_numbers: dict[str, int] = {}
        for name in self.names:
            if name in lexer.conf.ignore and self._is_string(name):
                self.unignored_numbers[name] = len(self.names) + len(self.unignored_numbers)
        self._order: dict[str, tuple[Any, ...]] = {}
        """Name of a terminal read so far -> the key by which lark orders it."""
        self._rules = Numbered[Any]()

    def _is_string(self, name: str) -> bool:
        """Return whether a terminal is a string of the grammar, not a pattern."""
        from lark.lexer import PatternStr

        return isinstance(self.terminals[name].pattern, PatternStr)

    def _numbers_of(self, name: str) -> list[int]:
        """Return the numbers of a terminal: its own, and the one under which it is not ignored."""
        numbers = [self.number[name]]
        if name in self.unignored_numbers:
            numbers.append(self.unignored_numbers[name])
        return numbers

    def _state_order(self) -> list[int]:
        """Return lark's states in an order that depends only on the grammar: as they are reached from the
        start, by the names of symbols. Lark numbers them in the order of sets, which differs between
        processes, and ties between completions are broken by numbers."""
        from lark.parsers.lalr_analysis import Shift

        order = dict.fromkeys([self.table.start_states[self.start]])  # a set in order
        waiting = list(order)
        for state in waiting:  # the loop appends to the list
            row = self.table.states[state]
            targets = [argument for _name, (action, argument) in sorted(row.items()) if action is Shift]
            new_states = [target for target in dict.fromkeys(targets) if target not in order]
            waiting += new_states
            order |= dict.fromkeys(new_states)
        unreachable = [state for state in self.table.states if state not in order]
        return [*order, *unreachable]

    def read_tables(self, remarks: Remarks) -> ParserTables:
        """Return the tables. Raises RegexError for a pattern that is wrong."""
        table = self.table
        order = self._state_order()
        number_of_state = {state: number for number, state in enumerate(order)}
        terminals = tuple(map(self._make_terminal, [*self.names, *self.unignored_numbers]))
        kernels = tuple(map(self._kernel_items, order))
        actions, shifts = self._read_actions(order, number_of_state)
        # A terminal that nothing makes is an error everywhere; the states stay those of lark.
        # A terminal of unreachable rules has no number.
        never_made_numbers = [self.number[name] for name in remarks.never_made if name in self.number]
        actions[:, never_made_numbers] = NONE
        rules = self._rules.values
        symbols = (symbol.name for rule in rules for symbol in (rule.origin, *rule.expansion))
        nonterminals = dict.fromkeys(name for name in symbols if name not in self.number)
        origins = {name: number for number, name in enumerate(nonterminals)}
        gotos = np.full((len(order), len(origins)), -1, np.int32)
        for state, name, target in shifts:
            gotos[state, origins[name]] = target
        contexts, context_of = self._read_contexts(order)
        return ParserTables(
            terminals=terminals,
            nonterminals=tuple(map(str, origins)),
            rules=tuple(self._make_rule(rule, origins) for rule in rules),
            actions=actions,
            gotos=gotos,
            contexts=contexts,
            context_of=context_of,
            ignored_terminals=frozenset(self.number[name] for name in self.lexer.conf.ignore),
            start=number_of_state[table.start_states[self.start]],
            end=number_of_state[table.end_states[self.start]],
            indentation=self.read_indentation(),
            flags=self._flags,
            kernels=kernels,
            remarks=remarks,
        )

    def _kernel_items(self, state: int) -> tuple[tuple[int, int], ...]:
        """Return the kernel items of one of lark's states: a rule, and how many of its symbols were read."""
        kernel = [
            item for item in self.items[state] if item.index or item.rule.origin.name.startswith("$root_")
        ]
        # lark has them in sets, whose order differs between processes.
        kernel.sort(key=lambda item: (str(item.rule), item.index))
        return tuple((self._rules.number_of(item.rule), item.index) for item in kernel)

    def _read_actions(
        self, order: list[int], number_of_state: dict[int, int]
    ) -> tuple[Int32Array, list[tuple[int, str, int]]]:
        """Return the parser's actions, and its shifts of nonterminals: the state, the name, the state after.
        `order`: lark's states, `number_of_state`: their numbers here."""
        from lark.parsers.lalr_analysis import Shift

        terminal_count = len(self.names) + len(self.unignored_numbers)
        actions = np.zeros((len(order), terminal_count), np.int32)
        cells: list[tuple[int, int, int]] = []
        shifts: list[tuple[int, str, int]] = []
        terminal_numbers = {name: self._numbers_of(name) for name in self.names}
        for state, lark_state in enumerate(order):
            for name, (action, argument) in sorted(self.table.states[lark_state].items()):
                if name not in terminal_numbers:
                    shifts.append((state, name, number_of_state[argument]))
                    continue
                if action is Shift:
                    code = number_of_state[argument] + 1
                else:
                    code = -1 - self._rules.number_of(argument)
                cells += [(state, number, code) for number in terminal_numbers[name]]
        # All cells are written at once: numpy takes as long for one as for many.
        states, terminals, codes = np.array(cells, np.int32).reshape(-1, 3).T
        actions[states, terminals] = codes
        return actions, shifts

    def _make_rule(self, rule: Any, origins: dict[str, int]) -> Rule:
        """Return one of lark's rules as a `Rule`. `origins`: name of a nonterminal -> its number."""
        symbols = []
        for symbol in rule.expansion:
            if symbol.name in self.number:
                # A terminal with two numbers: the last one is not ignored, since a rule has it.
                symbols.append(self._numbers_of(symbol.name)[-1])
            else:
                symbols.append(-1 - origins[symbol.name])
        text = f"{rule.origin.name}: {' '.join(symbol.name for symbol in rule.expansion)}".rstrip()
        return Rule(origins[rule.origin.name], tuple(symbols), text)

    def _make_terminal(self, name: str) -> Terminal:
        """Return the terminal of a name. It has no pattern if the indenter makes it, or nothing does."""
        definition = self.terminals.get(name)
        if definition is None:
            return Terminal(str(name), None, False)
        pattern = definition.pattern.to_regexp()
        source_text = definition.pattern.raw or pattern
        return Terminal(str(name), pattern, self._is_string(name), source_text)

    def _read_contexts(self, order: list[int]) -> tuple[tuple[Context, ...], Any]:
        """Return the contexts of the lexer, and for each state the number of its context. `order`: lark's
        states in our order."""
        sets = Numbered[frozenset[str]]()
        context_of = np.zeros(len(order), np.int32)
        always = frozenset(self.lexer.conf.ignore) | self.lexer.always
        for state, lark_state in enumerate(order):
            accepted_names = always.union(self.lexer.states[lark_state])
            names = frozenset(name for name in accepted_names if name in self.terminals)
            context_of[state] = sets.number_of(names)
        return tuple(map(self._make_context, sets.values)), context_of

    def _make_context(self, names: frozenset[str]) -> Context:
        """Return the context that looks for the terminals `names`: in the order of lark's `BasicLexer`,
        without the strings that its `_create_unless` takes out of the scan."""
        from lark.lexer import PatternRE, PatternStr

        for name in sorted(names - self._order.keys()):
            self._order[name] = self._read_terminal(self.terminals[name])
        terminals = [self.terminals[name] for name in sorted(names, key=self._order.__getitem__)]
        strings = [terminal for terminal in terminals if isinstance(terminal.pattern, PatternStr)]
        embedded_names: set[str] = set()
        unless: list[tuple[int, tuple[int, ...]]] = []
        for terminal in terminals:
            if not isinstance(terminal.pattern, PatternRE):
                continue
            embedded = [
                string
                for string in strings
                if string.priority == terminal.priority and self._embeds_string(terminal, string)
            ]
            if not embedded:
                continue
            # lark drops an ignored lexeme before it asks whether a string replaces it.
            if terminal.name not in self.lexer.conf.ignore:
                string_numbers = tuple(self._numbers_of(string.name)[-1] for string in embedded)
                unless.append((self.number[terminal.name], string_numbers))
            # A string with flags that the pattern lacks stays in the scan, beside the pattern.
            flags = terminal.pattern.flags
            embedded_names |= {string.name for string in embedded if string.pattern.flags <= flags}
        scanned = (terminal.name for terminal in terminals if terminal.name not in embedded_names)
        return Context(tuple(self.number[name] for name in scanned), tuple(unless))

    def _read_terminal(self, terminal: Any) -> tuple[Any, ...]:
        """Return the key by which lark orders terminals. Raises RegexError for a pattern without an
        automaton."""
        pattern = terminal.pattern
        where = f"terminal {terminal.name}"
        expression = pattern.to_regexp()
        parse_pattern(expression, self._flags, where=where)
        if pattern.min_width == 0:
            raise GrammarError(
                "The terminal may match the empty string, where the lexer would not advance: "
                f"{expression!r}.",
                where=where,
                cure="Let it match at least one character, and make it optional in the rules.",
            )
        return -terminal.priority, -pattern.max_width, -len(pattern.value), terminal.name

    @remember_answers
    def _embeds_string(self, terminal: Any, string: Any) -> bool:
        """Return whether the pattern of a terminal matches the whole of a string. As in lark, only the first
        match counts (`re.match`), even if a longer one exists."""
        match = re.match(terminal.pattern.to_regexp(), string.pattern.value, self._flags)
        return match is not None and match.group(0) == string.pattern.value

    def read_indentation(self) -> Indentation | None:
        """Return the indenter's attributes as numbers; None if there is no indenter. Raises GrammarError if
        the grammar lacks one of its terminals."""
        indenter = self.indenter
        if indenter is None:
            return None
        for name in (indenter.NL_type, indenter.INDENT_type, indenter.DEDENT_type):
            if name not in self.number:
                raise GrammarError(
                    f"The indenter's terminal {name} is not in the grammar.",
                    where="postlex",
                    cure=f"Define or %declare it; the terminals are {', '.join(self.names[1:9])}, ...",
                )
        number = self.number
        return Indentation(
            number[indenter.NL_type],
            self._numbers_of_all(indenter.OPEN_PAREN_types),
            self._numbers_of_all(indenter.CLOSE_PAREN_types),
            number[indenter.INDENT_type],
            number[indenter.DEDENT_type],
            int(indenter.tab_len),
        )

    def _numbers_of_all(self, names: Sequence[str]) -> frozenset[int]:
        """Return the numbers of the terminals `names`; names that the grammar does not have are left out."""
        numbers: set[int] = set()
        for name in names:
            if name in self.number:
                numbers.update(self._numbers_of(name))
        return frozenset(numbers)
