"""Reads lexemes as lark's contextual lexer does, as one automaton whose states are made when they are needed.

A *lexeme* is a piece of text that becomes one terminal. A *context* is the set of terminals that lark's lexer
looks for in a state of the parser. An *item* is one way to match a pattern, at some point inside it; a
*guard* is a demand on the text that follows (`items_and_guards`). A *state* consists of:

- an ordered list of items, the best one first;
- the items of strings that may replace a match (the keyword `if` replaces a NAME);
- the guards that the lexeme before demands of this one;
- the *ends*: the terminals that the lexeme may become if it ends here.

Each end has a *carry*: the guards that the text after the lexeme must meet, and what look-behinds know there.
The first state of the next lexeme takes the carry over. With NAME: /[a-z]+/, after `ab` the lexeme may end as
NAME, with a carry that demands: no letter follows. So each reading of a text is exact by itself, however many
ends a lexeme may have.

A terminal may be *bound* to another language. lark's lexer never looks for it. Where the parser accepts it,
the text goes on with a lexeme or with a text of that language, whose configurations are states of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int32Array
from structgen.grammars.lark_grammars.lexer.effort import check_states, spend_steps
from structgen.grammars.lark_grammars.lexer.instructions import CHAR, MATCH, Instructions
from structgen.grammars.lark_grammars.lexer.items_and_guards import FREE, Guards, LexerItems, LookBehind
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables, Unless
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language

DEAD: Final = -1
"""Stands for a state: no lexeme begins with these bytes."""
BROKEN, NOTHING_OWED, OWED = range(3)
"""What a byte does to a carry: it breaks the carry, fulfils it, or leaves a part of it open."""
_ROW: Final = 64
"""The least cost of a state's row, in numbers (`effort.spend_steps`)."""
_SIGNED: Final = 1
"""The number of bytes ahead for which guards are compared by the texts that meet them."""


class Carry(NamedTuple):
    """What the end of a lexeme demands: the text after it must meet the guards."""

    guards: Guards
    look_behind: LookBehind | None


class LexerState(NamedTuple):
    """A state of the lexer. Equal states have the same number."""

    items: tuple[int, ...]
    words: tuple[int, ...]
    """The items of strings that may replace a match."""
    unless: Unless
    owed: Guards
    look_behind: LookBehind | None
    ends: tuple[tuple[int, int], ...]
    """The terminals that the lexeme may become if it ends here, each with the number of its carry."""
    has_begun: bool
    """False before the first byte of the lexeme: there the whole text may end, if the parser allows it."""
    bound: tuple[int, Config] | None = None
    """Inside a bound text: its terminal, and the configuration of its language. The state has no items then,
    and `owed` and `look_behind` are the fields of a carry."""


class Lexer:
    """The states of the lexer of one grammar, by number. Not thread-safe. Cost: 10 to 100 us a state."""

    def __init__(
        self,
        tables: ParserTables,
        is_local: bool,
        limits: Limits,
        kept_values: Sequence[Any] | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`tables`: the parser and the terminals; `is_local`: whether no lexeme looks behind its beginning;
        `kept_values`: the property of this name of a lexer in another process; `bound`: the languages of
        bound terminals, by number (None: the language has no text). Cost: making the patterns' instructions;
        with `kept_values`, 4 us for each kept state."""
        self.tables = tables
        self.is_local = is_local
        self.limits = limits
        self.bound = {terminal: language for terminal, language in bound.items() if language is not None}
        self.ways = 1 + len(self.bound)
        """The number of ways in which the text may go on: with a lexeme, or with a bound text (`start`)."""
        kept_instructions = None if kept_values is None else kept_values[0]
        self.instructions = Instructions(tables, kept_instructions, bound)
        self.items = LexerItems(self.instructions, limits)
        self.classes = self.instructions.classes
        self.width = self.items.width
        self._states = Numbered[LexerState]()
        self.states = self._states.values
        self._carries = Numbered[Carry]()
        self.carries = self._carries.values
        self._states_by_key: dict[tuple[Any, ...], int] = {}
        """The numbers of states, by their lists of items, guards and look-behinds. Contexts share most
        states."""
        self._alike: dict[object, int] = {}
        """The first carry with a sign of guards and a look-behind."""
        self._alike_of: dict[int, int] = {}
        """Carry -> the carry that represents it (`alike_carry`)."""
        self._signs: dict[object, int] = {}
        """Guards with a look-behind -> their sign (`_sign_of_guards`)."""
        self._sign_of: dict[object, int] = {}
        """A description of the texts that meet guards -> the sign of these guards."""
        self._anywhere = self.items.look_behind_before((), False)
        self.nothing = self._carry_number(FREE, self._anywhere)
        """The carry that demands nothing; its number is 0."""
        self.first = self.nothing
        """The carry at the beginning of the text."""
        if not is_local:
            self.first = self._carry_number(FREE, self.items.look_behind_before((), True))
        if kept_values is not None:
            self._load_values(kept_values)

    def _load_values(self, kept_values: Sequence[Any]) -> None:
        """Load the `kept_values` of another process. All numbers stay the same."""
        _instructions, item_values, carries, states, *alike = kept_values
        self.items.load_values(*item_values)
        # The file has plain tuples, but the fields are read by name, so named tuples are made of them.
        for guards, look_behind in carries:
            self._carries.number_of(Carry(guards, look_behind and LookBehind(*look_behind)))
        for items, words, unless, owed, look_behind, *rest in states:
            look_behind = look_behind and LookBehind(*look_behind)
            self._states.number_of(LexerState(items, words, unless, owed, look_behind, *rest))
        self._alike_of, self._alike, self._signs, self._sign_of = alike

    @property
    def kept_values(self) -> tuple[Any, ...]:
        """The instructions, items, states, carries and signs, as plain values for a file. Rows are not among
        them: they are computed again."""
        carries = [(guards, _as_plain_tuples(look_behind)) for guards, look_behind in self.carries]
        states = [
            (items, words, unless, owed, _as_plain_tuples(look_behind), *rest)
            for items, words, unless, owed, look_behind, *rest in self.states
        ]
        alike = {_as_plain_tuples(key): carry for key, carry in self._alike.items()}
        sign_of = {_as_plain_tuples(key): sign for key, sign in self._sign_of.items()}
        signs = {_as_plain_tuples(key): sign for key, sign in self._signs.items()}
        inner_values = self.instructions.kept_values, self.items.kept_values
        return *inner_values, carries, states, self._alike_of, alike, signs, sign_of

    def _carry_number(self, guards: Guards, look_behind: LookBehind | None) -> int:
        """Return the number of a carry. Raises LimitError (automaton_states)."""
        number = self._carries.number_of(Carry(guards, look_behind))
        check_states(self.limits, number)
        return number

    def start(self, context: int, carry: int) -> int:
        """Return the state before a lexeme, or DEAD. `context`: the context of the parser; numbers after the
        last context stand for the bound terminals, and give the state before a text of that terminal;
        `carry`: the carry of the lexeme before."""
        return self._start_state(context, self.alike_carry(carry))

    @remember_answers
    def _start_state(self, context: int, carry: int) -> int:
        """Compute `start` for a carry that represents all alike carries."""
        guards, look_behind = self.carries[carry]
        way, parser_context = divmod(context, len(self.tables.contexts))
        terms = self.tables.contexts[parser_context]
        if way:
            terminal = [*self.bound][way - 1]
            if terminal not in terms.terminals:
                return DEAD
            return self._bound_state(terminal, self.bound[terminal].start(), carry, False)
        closure = self.items.closure
        items: list[int] = []
        for terminal in terms.terminals:
            first = self.instructions.first.get(terminal)
            if first is not None:  # bound terminals have no pattern
                items += closure(first, FREE, look_behind)
        words: list[int] = []
        for string in sorted({string for _terminal, strings in terms.unless for string in strings}):
            words += closure(self.instructions.word[string], FREE, look_behind)
        is_first = carry == self.first  # the text may be empty
        return self._state_of_items(items, words, terms.unless, guards, look_behind, False, is_first)

    def moves_of(self, number: int) -> Int32Array:
        """Return the state after each class of bytes, or DEAD."""
        items, words, unless, owed, look_behind, *_rest, bound = self.states[number]
        if bound is not None:
            return self._moves_in_bound(number, *bound)
        if not items:
            return np.full(self.width, DEAD, np.int32)
        lexer_items = self.items
        rows = [lexer_items.item_row(item, look_behind) for item in (*items, *words)]
        rows.append(lexer_items.guard_row(owed, look_behind))
        if look_behind is not None:
            rows.append(lexer_items.look_behind_row(look_behind))
        # Classes of bytes that are equal in every row lead to one state, which is looked up once.
        partition, columns = lexer_items.columns_of(rows)
        words_from = len(items)
        around_from = words_from + len(words)
        states = []
        for column in columns:
            # List number 0 is empty: items that end here leave no trace in the key.
            lists = tuple(filter(None, column[:words_from]))
            word_lists = tuple(filter(None, column[words_from:around_from]))
            key = lists, word_lists, unless if word_lists else (), column[around_from:]
            state = self._states_by_key.get(key)
            if state is None:
                state = self._states_by_key[key] = self._state_after(*key)
            states.append(state)
        row_cost = _ROW if owed or look_behind is not None else 0
        spend_steps(self.limits, row_cost + len(rows) + len(states))
        state_of_part: Int32Array = np.array(states, np.int32)
        part_of_class = np.frombuffer(lexer_items.partitions.parts[partition], np.uint8)
        return state_of_part[part_of_class]

    def _state_after(
        self,
        lists: tuple[int, ...],
        words: tuple[int, ...],
        unless: Unless,
        around: tuple[int, ...],
    ) -> int:
        """Return the state that consists of the items of some lists, best first; DEAD where there are none.

        `lists`: their numbers; `words`: those of strings that may replace a match, as `unless` says;
        `around`: the numbers of the guards, and of what look-behinds know, if they know anything. For
        example, `_state_after((4,), (), (), (FREE_SET,))` goes on with list 4, and owes nothing."""
        lexer_items = self.items
        guards_left = lexer_items.guard_sets[around[0]]
        if not lists or guards_left is None:
            return DEAD
        look_behind = lexer_items.look_behind_of[around[1]] if len(around) > 1 else None
        items = lexer_items.members_of(lists)
        word_items = lexer_items.members_of(words)
        return self._state_of_items(items, word_items, unless, guards_left, look_behind, True)

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
        """Return the number of a state, from its `items`, best first; DEAD where there are none, unless it
        `is_kept`.

        `words`, `unless`, `owed`, `look_behind` and `has_begun` are as in `LexerState`, except that some of
        them may have ended: `_state_of_items([], [], (), FREE, None, True)` is DEAD."""
        lexer_items, code = self.items, self.instructions.code
        live, ends, cost = self._live_and_ended(items, owed)
        if words:
            ends = [
                (self._replacing_string(terminal, words, unless), end_guards) for terminal, end_guards in ends
            ]
        if not live and not ends and not is_kept:
            return DEAD
        spend_steps(self.limits, cost + sum(len(end_guards) for _terminal, end_guards in ends))
        word_items: tuple[int, ...] = ()
        if live:
            open_words = {item for item in words if code[lexer_items.items[item].at].kind == CHAR}
            word_items = tuple(sorted(open_words))
        # Ends keep the look-behind: the lexeme after may need it, even if this one does not.
        numbered_ends = tuple(
            (terminal, self._carry_number(end_guards, self._look_behind_after(end_guards, look_behind)))
            for terminal, end_guards in ends
        )
        if look_behind is not None and self.is_local:
            guards = owed.union(*(end_guards for _terminal, end_guards in ends))
            items_look = any(map(lexer_items.looks_behind, (*live, *word_items)))
            if not items_look and not lexer_items.guards_look_behind(guards):
                look_behind = None  # nothing in this lexeme needs it, and without it more states are equal
        key = LexerState(
            tuple(live),
            word_items,
            unless if word_items else (),
            owed,
            look_behind,
            numbered_ends,
            has_begun,
        )
        return self._state_number(key)

    def _live_and_ended(
        self, items: list[int], owed: Guards
    ) -> tuple[list[int], list[tuple[int, Guards]], int]:
        """Split items, best first, into those that go on and those that end. Return the former; the ends, as
        pairs of a terminal and the guards that it leaves; and the number of items examined (the cost)."""
        lexer_items, code = self.items, self.instructions.code
        live: list[int] = []
        ends: list[tuple[int, Guards]] = []
        guards_met: dict[int, list[Guards]] = {}
        barred_instructions = lexer_items.barred_instructions(owed)
        cost = len(items)
        better: Guards | None = FREE
        """Guards that say: no better end comes true. All later items are under these guards."""
        for item in items:
            at, guards = lexer_items.items[item]
            assert better is not None
            if better:
                both = lexer_items.join_guards(*guards, *better)
                if both is None:
                    continue
                item = lexer_items.item_number(at, both)
                guards = both
            if code[at].kind == MATCH:
                # The best thread that matches wins, however late. So this end counts only if no better
                # thread ever matches.
                no_better_match = lexer_items.guard_number(False, live)
                end_guards = lexer_items.join_guards(*owed, *guards, no_better_match)
                cost += len(live)
                if end_guards is not None:
                    ends.append((code[at].number, end_guards))
                if not guards:  # this match is certain, so worse items never count
                    break
                better = lexer_items.join_guards(*better, lexer_items.guard_number(False, [item]))
                if better is None:
                    break
                continue
            # Barred: the guards of the lexeme before forbid this match. The other case: a better thread is
            # at the same instruction, under fewer guards.
            is_barred = at in barred_instructions
            if is_barred or any(earlier <= guards for earlier in guards_met.get(at, ())):
                continue
            guards_met.setdefault(at, []).append(guards)
            live.append(item)
        return live, ends, cost

    def _state_number(self, key: LexerState) -> int:
        """Return the number of a state. Raises LimitError (automaton_states)."""
        number = self._states.number_of(key)
        check_states(self.limits, number)
        return number

    def _replacing_string(self, terminal: int, words: Iterable[int], unless: Unless) -> int:
        """Return the string that replaces a terminal, or the terminal itself. `words`: the strings that end
        at the same point."""
        word_instructions = (self.instructions.code[self.items.items[item].at] for item in words)
        ended_words = {instruction.number for instruction in word_instructions if instruction.kind == MATCH}
        replacing = dict(unless).get(terminal, ())
        return next((word for word in replacing if word in ended_words), terminal)

    def _look_behind_after(self, guards: Guards, look_behind: LookBehind | None) -> LookBehind | None:
        """Return what look-behinds must know after an end that leaves `guards`; None: nothing."""
        # No lexeme looks behind its beginning here, so only the guards may need it.
        if self.is_local and not self.items.guards_look_behind(guards):
            return self._anywhere
        return look_behind

    # --- bound texts ----------------------------------------------------------------------------------------

    def bound_in(self, number: int, config: Config) -> int:
        """Return the state in the same bound text as state `number`, in another configuration of its
        language."""
        bound = self.states[number].bound
        assert bound is not None
        return self._bound_state(bound[0], config, self.owed_in(number), True)

    def owed_in(self, number: int) -> int:
        """Return the carry of a state in a bound text."""
        state = self.states[number]
        return self._carry_number(state.owed, state.look_behind)

    def _bound_state(
        self,
        terminal: int,
        config: Config,
        carry: int,
        has_begun: bool,
    ) -> int:
        """Return the number of a state in a bound text. `config`: the configuration of the language of
        `terminal`; `carry`: what the lexeme before still demands. `_bound_state(terminal, config, carry,
        False)` is the state before the first byte: it has no ends, since bound texts are not empty."""
        ends: tuple[tuple[int, int], ...] = ()
        if has_begun and self.bound[terminal].accepts(config):
            ends = ((terminal, carry),)
        guards, look_behind = self.carries[carry]
        bound = terminal, config
        return self._state_number(LexerState((), (), (), guards, look_behind, ends, has_begun, bound))

    def _moves_in_bound(
        self,
        number: int,
        terminal: int,
        config: Config,
    ) -> Int32Array:
        """Return the state after each class of bytes, and each special token, in a bound text."""
        language = self.bound[terminal]
        carry = self.owed_in(number)
        is_free = self.is_local and carry == self.nothing
        # Some languages can list the bytes that may come. The classes of special tokens, which come after
        # those of bytes, are always tried.
        cheap_bytes = language.cheap_next_bytes(config)
        next_configs = {self.classes[byte]: language.step(config, byte) for byte in cheap_bytes or b""}
        first_class = 0 if cheap_bytes is None else max(self.classes) + 1
        for byte_class in range(first_class, self.width):
            next_configs[byte_class] = language.step(config, self.symbol_of(byte_class))
        state_row = np.full(self.width, DEAD, np.int32)
        for byte_class, next_config in next_configs.items():
            if next_config is None:
                continue
            carry_left = carry if is_free else self.carry_after(carry, byte_class)
            if carry_left != DEAD:
                state_row[byte_class] = self._bound_state(terminal, next_config, carry_left, True)
        spend_steps(self.limits, _ROW)
        return state_row

    def symbol_of(self, byte_class: int) -> int:
        """Return a symbol of a class: a byte, or TOKEN + the number of a special token."""
        instructions = self.instructions
        # The classes of special tokens are the last ones, in their order.
        special = byte_class - self.width + len(instructions.specials)
        if special < 0:
            return instructions.bytes_of[byte_class]
        return TOKEN + instructions.specials[special]

    def byte_class_of(self, symbol: int) -> int:
        """Return the class of a symbol."""
        specials = self.instructions.specials
        if symbol < TOKEN:
            return self.classes[symbol]
        return self.width - len(specials) + specials.index(symbol - TOKEN)

    def shortest_end(self, number: int) -> tuple[tuple[int, ...], int, int]:
        """Return the symbols of the shortest rest of a bound text, its terminal, and the carry after it. The
        carry is DEAD where the rest breaks the guards of the lexeme before."""
        bound = self.states[number].bound
        assert bound is not None
        terminal, config = bound
        rest = tuple(self.bound[terminal].shortest_rest(config))
        carry = self.owed_in(number)
        for symbol in rest:
            if carry != DEAD:
                carry = self.carry_after(carry, self.byte_class_of(symbol))
        return rest, terminal, carry

    # --- what is owed ---------------------------------------------------------------------------------------

    def alike_carry(self, carry: int) -> int:
        """Return the first carry that the same texts fulfil as this one, as far as that is easily seen. For
        example, all terminals that end in the same look-ahead have alike carries."""
        first_carry = self._alike_of.get(carry)
        if first_carry is None:
            guards, look_behind = self.carries[carry]
            first_carry = carry
            # Where lexemes look behind, carries also stand for different texts before. Without guards there
            # is nothing to compare.
            if self.is_local and guards:
                sign = self._sign_of_guards(guards, look_behind)
                first_carry = self._alike.setdefault((sign, look_behind), carry)
            self._alike_of[carry] = first_carry
        return first_carry

    def is_freed(self, carry: int, byte_class: int) -> bool:
        """Return whether each byte of a class fulfils a carry, so that nothing is demanded after it."""
        guards, look_behind = self.carries[carry]
        return self.is_local and self.items.guards_after(guards, look_behind, byte_class) == FREE

    def _sign_of_guards(self, guards: Guards, look_behind: LookBehind | None, *enclosing: object) -> object:
        """Return the sign of a conjunction of guards: guards with equal signs are met by the same texts.

        Guards that are deep in the conjunction, or come back to it over others, are their own sign: so equal
        ones may have two signs, which costs a carry more, and no error. `enclosing`: the guards of the calls
        around this one."""
        lexer_items = self.items
        if look_behind is not None and not lexer_items.guards_look_behind(guards):
            look_behind = None
        here = guards, look_behind
        sign = self._signs.get(here)
        if sign is not None:
            return sign
        if len(enclosing) > _SIGNED or here in enclosing:
            return here
        rows = [lexer_items.guard_row(guards, look_behind), lexer_items.look_behind_row(look_behind)]
        partition, columns = lexer_items.columns_of(rows)
        signs: list[object] = []
        """For each part of the classes of bytes the sign after its bytes. None: the same guards again."""
        for guards_number, behind_number in columns:
            guards_left = lexer_items.guard_sets[guards_number]
            look_behind_left = lexer_items.look_behind_of[behind_number]
            if guards_left is None:
                signs.append(BROKEN)
            elif not guards_left:
                signs.append(NOTHING_OWED)
            elif guards_left == guards and look_behind is None:
                signs.append(None)
            else:
                signs.append(self._sign_of_guards(guards_left, look_behind_left, here, *enclosing))
        sign_of_class = (signs[part] for part in lexer_items.partitions.parts[partition])
        key = lexer_items.hold_at_end(guards, look_behind), *sign_of_class
        sign = self._sign_of.setdefault(key, len(self._sign_of) + OWED)
        self._signs[here] = sign
        return sign

    def carry_moves(self, carry: int) -> list[int]:
        """Return for each class of bytes what it does to a carry: BROKEN, NOTHING_OWED or OWED."""
        guards, look_behind = self.carries[carry]
        row = self.items.guard_row(guards, look_behind).numbers
        # Where lexemes look behind, the text before matters even if no guard is open.
        without_guards = NOTHING_OWED if self.is_local else OWED
        return [
            BROKEN if guards_left is None else (OWED if guards_left else without_guards)
            for guards_left in map(self.items.guard_sets.__getitem__, row)
        ]

    def carry_after(self, carry: int, byte_class: int) -> int:
        """Return the carry that remains after a byte of a class; DEAD where the byte breaks it."""
        guards, look_behind = self.carries[carry]
        guards_left = self.items.guards_after(guards, look_behind, byte_class)
        if guards_left is None:
            return DEAD
        if self.is_local and not guards_left:
            return self._carry_number(guards_left, self._anywhere)
        behind_number = self.items.look_behind_row(look_behind).numbers[byte_class]
        return self._carry_number(guards_left, self.items.look_behind_of[behind_number])

    def holds_at_end(self, carry: int) -> bool:
        """Return whether a carry is fulfilled if the text ends here."""
        return self.items.hold_at_end(*self.carries[carry])

    def is_met_at_end(self, number: int) -> bool:
        """Return whether the guards that a state still owes are met if the text ends here."""
        state = self.states[number]
        return self.items.hold_at_end(state.owed, state.look_behind)

    def ends_with_text(self, number: int) -> list[int]:
        """Return the terminals that the lexeme of a state may become if the whole text ends here."""
        state = self.states[number]
        if not self.is_met_at_end(number):
            return []
        return [
            terminal
            for terminal, carry in state.ends
            if self.items.hold_at_end(self.carries[carry].guards, state.look_behind)
        ]


def _as_plain_tuples(value: Any) -> Any:
    """Return a value with plain tuples in place of named ones, which are equal to them: `marshal` writes no
    others."""
    return tuple(map(_as_plain_tuples, value)) if isinstance(value, tuple) else value
