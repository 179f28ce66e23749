"""Lark's contextual lexer as one automaton, determinised where it is asked for.

A state is an ordered list of items, the strings that may replace a match, what is owed to the lexeme
before, and what the lexeme may be if it ends here. An *end* is a terminal with a *carry*: the guards that the
text behind must meet, and what look-behinds know there. The start of the next lexeme takes the carry over. So
several open ends of a lexeme, and ends that wait for a look-ahead, need nothing of their own: each reading of
a text is exact by itself.

A terminal may be bound to another language. lark's lexer never looks for it: where the parser takes it, the
text goes on as a lexeme or as a text of that language, whose configurations are states of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.lexer.effort import check_states, spend_steps
from structgen.grammars.lark_grammars.lexer.instructions import CHAR, MATCH, Instructions
from structgen.grammars.lark_grammars.lexer.items_and_guards import FREE, Guards, LexerItems, LookBehind
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language

DEAD: Final = -1
"""In place of a state: no lexeme goes on so."""
BROKEN, NOTHING_OWED, OWED = range(3)
"""What a byte does to a carry."""
_ROW: Final = 64
"""Numbers that the row of a state costs at least (`spend`)."""
_SIGNED: Final = 1
"""Bytes behind which guards are told by their texts."""
Unless = tuple[tuple[int, tuple[int, ...]], ...]


class Carry(NamedTuple):
    """What an end leaves to the text behind it."""

    guards: Guards
    look_behind: LookBehind | None


class LexerState(NamedTuple):
    """A state of the lexer. Equal states are one number."""

    items: tuple[int, ...]
    words: tuple[int, ...]
    """Items of strings that may replace a match."""
    unless: Unless
    owed: Guards
    look_behind: LookBehind | None
    ends: tuple[tuple[int, int], ...]
    """What the lexeme may be if it ends here: terminals, each with a carry."""
    has_begun: bool
    """False before the first byte: there the text may end where the parser says so."""
    bound: tuple[int, Config] | None = None
    """Inside a bound text: the terminal, and the configuration of its language. There are no items then, and
    `owed` and `look_behind` are a carry."""


class Lexer:
    """The states of the lexer of one grammar. Cost: 10 to 100 us a state. Not thread-safe."""

    def __init__(
        self,
        tables: ParserTables,
        is_local: bool,
        limits: Limits,
        kept_values: Sequence[Any] | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`is_local`: no lexeme looks behind its beginning. `kept_values`: what another process has kept.
        `bound`: the languages of bound terminals, by number (None: without a text). Cost: that of the
        patterns' instructions; where they are kept, 4 us for each kept state."""
        self.tables, self.is_local, self.limits = tables, is_local, limits
        self.bound = {terminal: of for terminal, of in bound.items() if of is not None}
        self.ways = 1 + len(self.bound)
        """How many kinds of starts there are (`start`)."""
        self.instructions = Instructions(tables, None if kept_values is None else kept_values[0], bound)
        self.items = LexerItems(self.instructions, limits)
        self.classes, self.width = self.instructions.classes, self.items.width
        self._states, self._carries = Numbered[LexerState](), Numbered[Carry]()
        self.states, self.carries = self._states.values, self._carries.values
        self._states_by_key: dict[tuple[Any, ...], int] = {}
        """States by what goes on, what is owed, and what look-behinds know: contexts share most of them."""
        self._alike: dict[object, int] = {}
        self._alike_of: dict[int, int] = {}
        self._signs: dict[object, object] = {}
        self._sign_of: dict[object, int] = {}
        self._anywhere = self.items.look_behind_before((), False)
        self.nothing = self._carry_number(FREE, self._anywhere)
        """The carry that owes nothing: number 0."""
        self.first = (
            self.nothing if is_local else self._carry_number(FREE, self.items.look_behind_before((), True))
        )
        """The carry before the text."""
        if kept_values is not None:
            _instructions, item_values, carries, states, *alike = kept_values
            self.items.load_values(*item_values)
            for guards, look_behind in carries:
                self._carries.number_of(Carry(guards, look_behind and LookBehind(*look_behind)))
            for state in states:
                self._states.number_of(
                    LexerState._make((*state[:4], state[4] and LookBehind(*state[4]), *state[5:]))
                )
            self._alike_of, self._alike, self._signs, self._sign_of = alike

    @property
    def kept_values(self) -> tuple[Any, ...]:
        """The instructions, items, states and carries, and which carries are alike, as plain values. Rows are
        made again."""
        carries = [(guards, _as_plain_tuples(look_behind)) for guards, look_behind in self.carries]
        states = [(*state[:4], _as_plain_tuples(state.look_behind), *state[5:]) for state in self.states]
        plain_tables = (
            {_as_plain_tuples(key): of for key, of in some.items()} for some in (self._alike, self._sign_of)
        )
        alike, sign_of = plain_tables
        signs = {_as_plain_tuples(key): sign for key, sign in self._signs.items() if isinstance(sign, int)}
        inner_values = self.instructions.kept_values, self.items.kept_values
        return *inner_values, carries, states, self._alike_of, alike, signs, sign_of

    def _carry_number(self, guards: Guards, look_behind: LookBehind | None) -> int:
        number = self._carries.number_of(Carry(guards, look_behind))
        check_states(self.limits, number)
        return number

    def start(self, context: int, carry: int) -> int:
        """Return the state before a lexeme in a context of the parser, behind a carry; DEAD where there is
        none. Contexts past those of the parser: before a text of the first bound terminal, of the next..."""
        return self._start_state(context, self.alike_carry(carry))

    @remember_answers
    def _start_state(self, context: int, carry: int) -> int:
        guards, look_behind = self.carries[carry]
        way, context = divmod(context, len(self.tables.contexts))
        closure, terms = self.items.closure, self.tables.contexts[context]
        if way:
            terminal = [*self.bound][way - 1]
            if terminal not in terms.terminals:
                return DEAD
            return self._bound_state(terminal, self.bound[terminal].start(), carry, False)
        first, word = self.instructions.first, self.instructions.word
        strings = sorted({string for _terminal, of in terms.unless for string in of})
        terminals = [terminal for terminal in terms.terminals if terminal in first]
        items = [item for terminal in terminals for item in closure(first[terminal], FREE, look_behind)]
        words = [item for string in strings for item in closure(word[string], FREE, look_behind)]
        is_first = carry == self.first  # the text may be empty
        return self._state_of_items(items, words, terms.unless, guards, look_behind, False, is_first)

    def moves_of(self, number: int) -> npt.NDArray[np.int32]:
        """Return the state after each class of bytes, or DEAD."""
        items, words, unless, owed, look_behind, _ends, _has_begun, bound = self.states[number]
        if bound is not None:
            return self._moves_in_bound(number, *bound)
        if not items:
            return np.full(self.width, DEAD, np.int32)
        of, count, every = self.items, len(items), len(items) + len(words)
        rows = [of.item_row(item, look_behind) for item in (*items, *words)]
        rows.append(of.guard_row(owed, look_behind))
        if look_behind is not None:
            rows.append(of.look_behind_row(look_behind))
        partition, columns = of.columns_of(rows)
        states = []
        for column in columns:
            also = tuple(filter(None, column[count:every]))
            key = tuple(filter(None, column[:count])), also, unless if also else (), column[every:]
            state = self._states_by_key.get(key)
            if state is None:
                state = self._states_by_key[key] = self._state_after(*key)
            states.append(state)
        spend_steps(self.limits, (_ROW if owed or look_behind is not None else 0) + len(rows) + len(states))
        state_row: npt.NDArray[np.int32] = np.array(states, np.int32)
        return state_row[np.frombuffer(of.partitions.parts[partition], np.uint8)]

    def _state_after(
        self, lists: tuple[int, ...], words: tuple[int, ...], unless: Unless, around: tuple[int, ...]
    ) -> int:
        """Return the state in which some lists of items go on, best first, and some of strings that may
        replace a match. `around`: the guards, and what look-behinds know, by their numbers."""
        of = self.items
        guards_left = of.guard_sets[around[0]]
        if not lists or guards_left is None:
            return DEAD
        look_behind = of.look_behind_of[around[1]] if len(around) > 1 else None
        return self._state_of_items(
            of.members_of(lists), of.members_of(words), unless, guards_left, look_behind, True
        )

    def _state_of_items(
        self,
        items: list[int],
        words: list[int],
        unless: Unless,
        owed: Guards,
        look_behind: LookBehind | None,
        has_begun: bool,
        is_kept: bool = False,
    ) -> int:
        """Return the number of a state, from its items, best first; DEAD where there are none, unless it
        `is_kept`."""
        of, code = self.items, self.instructions.code
        live, ends, cost = self._live_and_ended(items, owed)
        if words:
            ends = [
                (self._replacing_string(terminal, words, unless), end_guards) for terminal, end_guards in ends
            ]
        if not live and not ends and not is_kept:
            return DEAD
        spend_steps(self.limits, cost + sum(len(end_guards) for _terminal, end_guards in ends))
        word_items = (
            tuple(sorted({item for item in words if code[of.items[item].at].kind == CHAR})) if live else ()
        )
        last = look_behind
        if look_behind is not None and self.is_local:
            guards = owed.union(*(end_guards for _terminal, end_guards in ends))
            if not of.guards_look_behind(guards) and not any(map(of.looks_behind, (*live, *word_items))):
                look_behind = None  # nobody asks any more
        key = LexerState(
            tuple(live),
            word_items,
            unless if word_items else (),
            owed,
            look_behind,
            tuple(
                (terminal, self._carry_number(end_guards, self._look_behind_after(end_guards, last)))
                for terminal, end_guards in ends
            ),
            has_begun,
        )
        return self._state_number(key)

    def _live_and_ended(
        self, items: list[int], owed: Guards
    ) -> tuple[list[int], list[tuple[int, Guards]], int]:
        """Return those of some items, best first, that go on; the terminals that end, each with the guards
        that it leaves; and how many numbers were looked at."""
        of, code = self.items, self.instructions.code
        live: list[int] = []
        ends: list[tuple[int, Guards]] = []
        guards_met: dict[int, list[Guards]] = {}
        cost, barred_instructions = len(items), of.barred_instructions(owed)
        better: Guards | None = FREE
        """That no end with open guards, which is better than what follows, comes true."""
        for item in items:
            at, guards = of.items[item]
            assert better is not None
            if better:
                both = of.join_guards(*guards, *better)
                if both is None:
                    continue
                item, guards = of.item_number(at, both), both
            if code[at].kind == MATCH:
                end_guards = of.join_guards(*owed, *guards, of.guard_number(False, live))
                cost += len(live)
                if end_guards is not None:
                    ends.append((code[at].number, end_guards))
                if not guards:
                    break
                better = of.join_guards(*better, of.guard_number(False, [item]))
                if better is None:
                    break
                continue
            if at in barred_instructions or any(
                earlier_guards <= guards for earlier_guards in guards_met.get(at, ())
            ):
                continue
            guards_met.setdefault(at, []).append(guards)
            live.append(item)
        return live, ends, cost

    def _state_number(self, key: LexerState) -> int:
        number = self._states.number_of(key)
        check_states(self.limits, number)
        return number

    def _replacing_string(self, terminal: int, words: Iterable[int], unless: Unless) -> int:
        """Return the string that replaces a terminal which ends together with some words, else itself."""
        code, items = self.instructions.code, self.items.items
        ended_words = {code[items[item].at].number for item in words if code[items[item].at].kind == MATCH}
        return next((word for word in dict(unless).get(terminal, ()) if word in ended_words), terminal)

    def _look_behind_after(self, guards: Guards, look_behind: LookBehind | None) -> LookBehind | None:
        """Return what look-behinds must know behind an end that leaves guards."""
        return self._anywhere if self.is_local and not self.items.guards_look_behind(guards) else look_behind

    # --- bound texts ----------------------------------------------------------------------------------------

    def bound_in(self, number: int, config: Config) -> int:
        """Return the state further in a bound text, in another configuration of its language."""
        bound, carry = self.states[number].bound, self.owed_in(number)
        assert bound is not None
        return self._bound_state(bound[0], config, carry, True)

    def owed_in(self, number: int) -> int:
        """Return the carry of a state in a bound text."""
        return self._carry_number(self.states[number].owed, self.states[number].look_behind)

    def _bound_state(self, terminal: int, config: Config, carry: int, has_begun: bool) -> int:
        ends = ((terminal, carry),) if has_begun and self.bound[terminal].accepts(config) else ()
        return self._state_number(
            LexerState((), (), (), *self.carries[carry], ends, has_begun, (terminal, config))
        )

    def _moves_in_bound(self, number: int, terminal: int, config: Config) -> npt.NDArray[np.int32]:
        """Return the state after each class of bytes, and each special token, in a bound text."""
        language, carry = self.bound[terminal], self.owed_in(number)
        is_free, state_row = self.is_local and carry == self.nothing, np.full(self.width, DEAD, np.int32)
        cheap_bytes = language.cheap_next_bytes(config)
        after = {self.classes[byte]: language.step(config, byte) for byte in cheap_bytes or b""}
        for byte_class in range(0 if cheap_bytes is None else max(self.classes) + 1, self.width):
            after[byte_class] = language.step(config, self.symbol_of(byte_class))
        for byte_class, to in after.items():
            carry_left = DEAD if to is None else carry if is_free else self.carry_after(carry, byte_class)
            state_row[byte_class] = (
                carry_left if carry_left == DEAD else self._bound_state(terminal, to, carry_left, True)
            )
        spend_steps(self.limits, _ROW)
        return state_row

    def symbol_of(self, byte_class: int) -> int:
        """Return a symbol of a class: a byte, or a special token (`machine.language.TOKEN`)."""
        of = self.instructions
        token = byte_class - self.width + len(of.specials)
        return of.bytes_of[byte_class] if token < 0 else TOKEN + of.specials[token]

    def byte_class_of(self, symbol: int) -> int:
        """Return the class of a symbol."""
        specials = self.instructions.specials
        if symbol < TOKEN:
            return self.classes[symbol]
        return self.width - len(specials) + specials.index(symbol - TOKEN)

    def shortest_end(self, number: int) -> tuple[tuple[int, ...], int, int]:
        """Return the shortest rest of a bound text, its terminal, and the carry behind it: DEAD where the
        rest breaks what is owed."""
        bound, carry = self.states[number].bound, self.owed_in(number)
        assert bound is not None
        rest = tuple(self.bound[bound[0]].shortest_rest(bound[1]))
        for symbol in rest:
            carry = carry if carry == DEAD else self.carry_after(carry, self.byte_class_of(symbol))
        return rest, bound[0], carry

    # --- what is owed ---------------------------------------------------------------------------------------

    def alike_carry(self, carry: int) -> int:
        """Return a carry that each text behind meets exactly if it meets this one: of all such carries the
        first, where that is plain. Terminals that end in the same look-ahead leave the same."""
        first_carry = self._alike_of.get(carry)
        if first_carry is None:
            guards, look_behind = self.carries[carry]
            first_carry = carry
            if self.is_local and guards:
                first_carry = self._alike.setdefault(
                    (self._sign_of_guards(guards, look_behind), look_behind), carry
                )
            self._alike_of[carry] = first_carry
        return first_carry

    def is_freed(self, carry: int, byte_class: int) -> bool:
        """Return whether nothing is owed behind a class of bytes."""
        guards, look_behind = self.carries[carry]
        return self.is_local and self.items.guards_after(guards, look_behind, byte_class) == FREE

    def _sign_of_guards(self, guards: Guards, look_behind: LookBehind | None, *enclosing: object) -> object:
        """Return what tells a conjunction of guards from others that other texts meet. What is deep in it, or
        comes back to it over others, is told by itself."""
        of = self.items
        if look_behind is not None and not of.guards_look_behind(guards):
            look_behind = None
        sign = self._signs.get((guards, look_behind))
        if sign is None:
            here = guards, look_behind
            if len(enclosing) > _SIGNED or here in enclosing:
                return here
            partition, columns = of.columns_of(
                [of.guard_row(guards, look_behind), of.look_behind_row(look_behind)]
            )
            signs: list[object] = []
            """None: the same guards again."""
            for guards_number, behind_number in columns:
                guards_left, look_behind_left = of.guard_sets[guards_number], of.look_behind_of[behind_number]
                if guards_left:
                    is_same = guards_left == guards and look_behind is None
                    signs.append(
                        None
                        if is_same
                        else self._sign_of_guards(guards_left, look_behind_left, here, *enclosing)
                    )
                else:
                    signs.append(BROKEN if guards_left is None else NOTHING_OWED)
            key = (
                of.hold_at_end(guards, look_behind),
                *(signs[part] for part in of.partitions.parts[partition]),
            )
            sign = self._signs[guards, look_behind] = self._sign_of.setdefault(key, len(self._sign_of) + OWED)
        return sign

    def carry_moves(self, carry: int) -> list[int]:
        """Return for each class of bytes what it does to a carry: BROKEN, NOTHING_OWED behind it, or OWED."""
        guards, look_behind = self.carries[carry]
        row = self.items.guard_row(guards, look_behind).numbers
        return [
            BROKEN if guards_left is None else (OWED if guards_left or not self.is_local else NOTHING_OWED)
            for guards_left in map(self.items.guard_sets.__getitem__, row)
        ]

    def carry_after(self, carry: int, byte_class: int) -> int:
        """Return the carry behind one more byte, of a class; DEAD where it is broken."""
        guards, look_behind = self.carries[carry]
        guards_left = self.items.guards_after(guards, look_behind, byte_class)
        if guards_left is None:
            return DEAD
        after = self.items.look_behind_of[self.items.look_behind_row(look_behind).numbers[byte_class]]
        return self._carry_number(guards_left, self._anywhere if self.is_local and not guards_left else after)

    def holds_at_end(self, carry: int) -> bool:
        """Return whether a carry is met where the text ends."""
        return self.items.hold_at_end(*self.carries[carry])

    def is_met_at_end(self, number: int) -> bool:
        """Return whether what is owed in a state is met where the text ends."""
        state = self.states[number]
        return self.items.hold_at_end(state.owed, state.look_behind)

    def ends_with_text(self, number: int) -> list[int]:
        """Return the terminals as which a lexeme may end together with the text."""
        state = self.states[number]
        if not self.is_met_at_end(number):
            return []
        return [
            terminal
            for terminal, carry in state.ends
            if self.items.hold_at_end(self.carries[carry].guards, state.look_behind)
        ]


def _as_plain_tuples(value: object) -> object:
    """Return a value with plain tuples in place of named ones, which are equal to them."""
    return tuple(map(_as_plain_tuples, value)) if isinstance(value, tuple) else value
