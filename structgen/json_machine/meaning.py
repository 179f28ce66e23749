"""The meaning of a compiled grammar: its network, its automata, and the expander that writes what they say.

It is made when the grammar is compiled. Where an image of the tables was read from a file, it is made when
something is met that the image does not know: then network, automata and tables begin anew, and each state of
the image is reached again by the steps that led to it, so that it keeps its number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from structgen.automata.numbers.printed_numerals import AnyPool, number_pool
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import ASCII, JSON
from structgen.errors import LimitError, StructgenError
from structgen.json_machine.answers import scalar_questions
from structgen.json_machine.answers.expander import Expander, group_number, room_for_safe
from structgen.json_machine.kept.kept_automata import StoredAutomata
from structgen.json_machine.kept.states_again import reach_again
from structgen.json_machine.kept.table_image import ANSWERS, Array, TableImage, flat, sets_of
from structgen.json_machine.masks import state_walk
from structgen.json_machine.records.recorder import no_terminal
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import Identity
from structgen.language.ir import Network
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.layout import ASKED
from structgen.machine_core.questions import call_answered
from structgen.native.raw_memory import address_of
from structgen.schema.schema_source import SchemaSource
from structgen.system.public_calls import THIS_CALL


class KeptMeaning(Protocol):
    """What was kept of a grammar, as it is asked for here."""

    image: TableImage

    def disagrees(self, why: object) -> StructgenError:
        """Return the error to raise; what was kept is not to be used again."""
        ...


class QuestionLoop:
    """Calls compiled code, and answers what it asks."""

    __slots__ = ("_lock", "_meaning", "_tables")

    def __init__(self, lock: threading.RLock, tables: GrowingTables, meaning: Meaning) -> None:
        self._lock, self._tables, self._meaning = lock, tables, meaning

    def __call__(self, call: Any, *arguments: int) -> int:
        """Return what a compiled call returns once it asks nothing (`machine_core.questions`)."""
        return call_answered(
            self._lock, THIS_CALL.begin, self._answer, call, self._tables.address, *arguments
        )

    def _answer(self) -> None:
        assert self._tables.needs[0], "compiled code waits for an answer, and has asked nothing"
        self._meaning.answer(no_terminal)


class _Outcomes:
    """Interns outcomes for the automata, before and after the network is there."""

    __slots__ = ("expander",)

    def __init__(self) -> None:
        self.expander: Expander | None = None

    def __call__(self, demands: frozenset[int]) -> int:
        if self.expander is not None:
            return self.expander.outcome(demands)
        assert demands == frozenset((0,)), "a network asks about one demand at a time while it is built"
        return 0


class _Sets(NamedTuple):
    """Outcomes and classes of extra keys by the sets behind them."""

    outcomes: dict[frozenset[int], int]
    groups: dict[frozenset[int], int]


class Meaning:
    """The network, the automata and the expander of a grammar. The grammar's lock is held by the caller."""

    __slots__ = (
        "__weakref__",
        "_expander",
        "_grammar",
        "_kept",
        "_limits",
        "_network",
        "_sets",
        "_tables",
        "numbers",
        "strings",
        "terminal_keys",
    )

    strings: StringPool | StoredAutomata
    numbers: AnyPool | StoredAutomata
    terminal_keys: dict[Identity, bytes]
    """The keys in the mask store of the terminals that were met."""

    def __init__(
        self, grammar: SchemaSource, limits: Limits, tables: GrowingTables, kept: KeptMeaning | None = None
    ) -> None:
        """Make it now, or, where something was `kept`, when it is needed. Errors: those of
        `SchemaSource.network`."""
        self._grammar, self._limits, self._tables, self._kept = grammar, limits, tables, kept
        self._expander: Expander | None = None
        self._network: Network | None = None
        self._sets: _Sets | None = None
        if kept is None:
            self._take(*self._made(tables))
            return
        image = kept.image
        self.terminal_keys = image.keys_of_terminals
        self.strings, self.numbers = StoredAutomata(image.strings), StoredAutomata(image.numbers)
        context = tables.context
        context[L.C_STRING_COUNT] = self.strings.count
        context[L.C_STRINGS] = address_of(self.strings.trans)
        context[L.C_STRINGS_OUT] = address_of(self.strings.outcome)
        context[L.C_NUMBERS] = address_of(self.numbers.trans)
        context[L.C_NUMBERS_OUT] = address_of(self.numbers.outcome)

    # --- what is asked --------------------------------------------------------------------------------------

    @property
    def is_built(self) -> bool:
        """Whether the network and the automata are there."""
        return self._expander is not None

    @property
    def expander(self) -> Expander:
        """The expander of a meaning that is built."""
        assert self._expander is not None, "numbers of an image mean nothing to an expander"
        return self._expander

    @property
    def network(self) -> Network:
        """The network of a meaning that is built."""
        assert self._network is not None, "numbers of an image mean nothing to a network"
        return self._network

    @property
    def pools(self) -> tuple[StringPool, AnyPool]:
        """The automata of a meaning that is built."""
        strings, numbers = self.strings, self.numbers
        assert not isinstance(strings, StoredAutomata) and not isinstance(numbers, StoredAutomata)
        return strings, numbers

    def answer(self, terminal: Callable[[int], None]) -> None:
        """Answer the questions of compiled code (`Expander.answer`). Before the meaning is built those for
        room, and for terminals whose records are kept, have answers; another one builds it, and then all are
        gone, since they were asked in other numbers: whoever asked calls again."""
        if self._expander is not None:
            self._expander.answer(terminal)
            return
        needs = self._tables.needs
        questions = needs[1 : 1 + 4 * int(needs[0])].reshape(-1, 4).tolist()
        needs[0] = 0
        for kind, first, second, _ in questions:
            if kind == L.Q_TERMINAL:
                terminal(first)
            elif kind == L.Q_DEPTH:
                raise LimitError(
                    f"The document has more than {self._limits.depth:,} open brackets.", limit="depth"
                )
            elif kind != L.Q_ROOM:
                self.build()
            elif first == L.T_SAFE:
                room_for_safe(self._tables, self.strings.count)
            else:
                self._tables.room(first, second)
            if self.is_built:
                return

    def known_outcome(self, demands: frozenset[int]) -> int | None:
        """Return the number of an outcome, None where it has none in the image that was read."""
        if self._expander is not None:
            return self._expander.outcome(demands)
        return self._known_sets().outcomes.get(demands)

    def known_group(self, formulas: frozenset[int]) -> int | None:
        """Return the number of a class of extra keys, None where it has none in the image that was read."""
        if self._expander is not None:
            return self._expander.group(formulas)
        return self._known_sets().groups.get(formulas)

    def _known_sets(self) -> _Sets:
        if self._sets is None:
            assert self._kept is not None
            image = self._kept.image
            self._sets = _Sets(
                {one: number for number, one in enumerate(sets_of(image.demands))},
                {one: group_number(at) for at, one in enumerate(sets_of(image.groups))},
            )
        return self._sets

    def flat_sets(self) -> tuple[Array, Array]:
        """Return the sets behind outcomes and classes of extra keys as an image has them."""
        if self._expander is None:
            assert self._kept is not None
            return self._kept.image.demands, self._kept.image.groups
        return flat(self.network.outcomes), flat(self._expander.groups)

    # --- making it ------------------------------------------------------------------------------------------

    def _made(self, tables: GrowingTables) -> tuple[Network, Expander]:
        lone, quoting = self._grammar.policies.escapes == "any", self._grammar.quoting
        spelling = ASCII if quoting.is_ascii else JSON
        strings = StringPool(self._limits, spelling=spelling, lone=lone, missing=quoting.missing)
        numbers = number_pool(self._grammar.policies.numbers, self._limits, quoting.missing)
        outcomes = _Outcomes()
        network = self._grammar.network(
            scalar_questions.Strings(strings, outcomes, quoting.literal),
            scalar_questions.Numbers(numbers, outcomes),
            self._limits,
            widest=lambda: scalar_questions.Numbers(
                number_pool("any", self._limits, quoting.missing), outcomes
            ),
        )
        outcomes.expander = expander = Expander(network, strings, numbers, tables, self._limits)
        return network, expander

    def _take(self, network: Network, expander: Expander) -> None:
        self.strings, self.numbers = expander.strings, expander.numbers
        self.terminal_keys = {}
        self._network, self._expander = network, expander

    def build(self) -> None:
        """Make network, automata and expander, once. States keep their numbers and their masks; nothing else
        does. Raises StructgenError where the states of the image cannot be reached: this grammar cannot go on
        then, and its file is gone."""
        if self.is_built:
            return
        assert self._kept is not None
        tables, twin = self._tables, self._tables.twin()
        try:
            with THIS_CALL.apart():
                network, expander = self._made(twin)
                self._reach_again(twin, expander)
        except StructgenError as error:
            raise self._kept.disagrees(error) from error
        # of terminals only the tokens are of use, to the masks that name them
        terminals = tables.rows(L.T_TERMINAL)[: tables.count(L.T_TERMINAL)]
        terminals[:, L.X_MODE] = -1
        terminals[:, L.X_LEX] = range(len(terminals))
        tables.load(L.T_TERMINAL, terminals)
        tables.take_over(twin, (L.T_NODE, L.T_ORIGIN, *ANSWERS))
        expander.go_on(tables)
        self._take(network, expander)
        self._kept = self._sets = None

    def _reach_again(self, twin: GrowingTables, expander: Expander) -> None:
        """Make the states of these tables in a twin. Cost: as reading them, and what must be expanded."""
        nodes, origins = (self._tables.rows(table) for table in (L.T_NODE, L.T_ORIGIN))
        count = self._tables.count(L.T_NODE)
        for table in (L.T_NODE, L.T_ORIGIN):
            twin.room(table, count)
        state_walk.start_node(twin.address)
        twin.rows(L.T_NODE)[0, L.WORDS :] = nodes[0, L.WORDS :]
        addresses = address_of(nodes), address_of(origins)
        while (code := reach_again(twin.address, *addresses, count)) == ASKED:
            expander.answer(no_terminal)
        if code != 0:
            raise StructgenError("a step that was taken is refused.", where="meaning")
