"""`explicit_automaton` writes a compiled grammar out as one table: a state and a class of tokens -> a state.

- An *explicit automaton* (`Dfa`) has all states of a grammar, numbered 0, 1, ...; the grammar must have few.
- The *effect* of a string of bytes is a vector: for each state, the state after the string; DEAD (-1): the
  string is refused. The effect of "ab" is the effect of "a", followed by the effect of "b".
- A *token class* is a set of tokens that have the same effect. A *column* is the effect of one byte.

First all states are found byte by byte, breadth first. Then the effect of each token is computed for all
states at once. There are few different effects, so each product of an effect and a column is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from structgen.automata.strings.automata import first_of_blocks, renumber_states, steps_to
from structgen.automata.strings.kernels import FAR, find_equivalent
from structgen.base.errors import LimitError, UnsatisfiableSchema
from structgen.base.language import checks
from structgen.base.language.ir import DEAD
from structgen.base.native.array_types import BoolArray, Int32Array, Int64Array
from structgen.machines.core.compiled import CompiledGrammar, Dfa, State

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


__all__ = ["Dfa", "equivalent_states", "explicit_automaton", "explicit_of_parser"]


"""An array of numbers: of states, of classes of bytes or tokens, or of outcomes."""
Followers: TypeAlias = "Callable[[int], Int64Array]"
"""A function from the number of a state to int64[256]: the state after each byte; -1: the byte is refused."""


def explicit_of_parser(
    compiled: CompiledGrammar, byte_classes: bytes, max_states: int, depth: int | None, minimal: bool
) -> Dfa:
    """Return the explicit automaton of a grammar that is not JSON (`explicit_automaton`).

    `byte_classes`: the class of each byte: the grammar treats the bytes of a class alike, so one of them is
    read. `depth`: the most places of the parser's stack, which count as brackets; None: no bound.
    """
    classes = np.frombuffer(byte_classes, np.uint8)
    _, first_bytes, class_of_byte = np.unique(classes, return_index=True, return_inverse=True)

    def successors(index: int) -> Int64Array:
        """Return the states after each byte: one byte of each class is read."""
        states = [compiled.bytes_index(index, bytes((byte,))) for byte in first_bytes.tolist()]
        # `reshape`: versions of numpy differ in the shape of the inverse
        return np.array(states, np.int64)[class_of_byte.reshape(-1)]

    # one lock for the whole: other threads would add states meanwhile
    with compiled.lock:
        return explicit_automaton(compiled, successors, max_states, depth, minimal)


def explicit_automaton(
    compiled: CompiledGrammar,
    followers: Followers,
    max_states: int,
    depth: int | None,
    minimal: bool,
    *,
    leaves_out: bool = False,
) -> Dfa:
    """Return the explicit automaton of a grammar from its start on. The caller holds the grammar's lock.

    `followers`: returns the states after each byte. `minimal`: states with the same continuations are merged;
    `Dfa.states` has the first of them. `leaves_out`: `followers` may refuse bytes that the grammar allows, so
    that some states reach no end. Cost: about 3 us for each pair of a state and a byte that may follow,
    then 0.1 us for each byte of the vocabulary, and 5 ns and 8 bytes for each pair of a state and a different
    effect of tokens. A minimal automaton often has ten times fewer states when tokens are read.

    Raises LimitError where there are more than `max_states`. States from which every document needs more than
    `depth` open brackets are counted too, and dropped later. Raises UnsatisfiableSchema where no document is
    left.
    """
    checks.check_whole("max_states", max_states, 1)
    if depth is not None:
        checks.check_whole("depth", depth, 0)
    numbers, table = _by_bytes(compiled, followers, max_states, depth)
    accepting = np.fromiter(map(compiled.may_end, numbers), np.bool_, len(numbers))
    if depth is not None or leaves_out:
        is_live = steps_to(table, accepting) < FAR
        if not is_live[0] and depth is None:
            raise UnsatisfiableSchema(
                "Every document has a key that the schema does not name, in an object of which it "
                "names keys.",
                where="named_keys",
                cure="Name the keys that are needed.",
            )
        if not is_live[0]:
            raise UnsatisfiableSchema(
                f"Every document has more than {depth} brackets open at some point.",
                where="depth",
                cure="Increase depth.",
            )
        # a kept state is reached through kept states only: every predecessor of a live state is live
        live_states = np.flatnonzero(is_live).astype(np.int32)
        table, outcomes = renumber_states(table, accepting.astype(np.int32), live_states)
        accepting = outcomes > 0
        numbers = [number for number, live in zip(numbers, is_live.tolist(), strict=True) if live]
    if minimal:
        first_states, blocks = first_of_blocks(equivalent_states(table, accepting))
        # The last entry stands for "refused": DEAD is -1, and the index -1 is the last one.
        block_or_dead = np.append(blocks, DEAD).astype(np.int32)
        table = block_or_dead[table[first_states]]
        accepting = accepting[first_states]
        numbers = [numbers[state] for state in first_states.tolist()]
    transitions, token_class = _by_tokens(table, compiled.tokenizer)
    for array in (transitions, token_class, accepting):
        array.flags.writeable = False
    return Dfa(0, transitions, token_class, accepting, tuple(State(compiled, number) for number in numbers))


def _by_bytes(
    compiled: CompiledGrammar, followers: Followers, max_states: int, depth: int | None
) -> tuple[list[int], Int32Array]:
    """Return the states that bytes reach, and int32[states, 256]: the index of the state after each byte.

    States are found breadth first. A state with more than `depth` open brackets becomes DEAD; `depth` None:
    there is no bound. Raises LimitError where there are more than `max_states` states.
    """
    start = compiled.start.index
    numbers = [start]
    known_states = {start: 0}
    rows: list[Int32Array] = []
    for number in numbers:  # the list grows meanwhile: it is the queue, too
        states = followers(number)
        row = np.full(256, DEAD, np.int32)
        for byte, after in enumerate(states.tolist()):
            if after < 0:
                continue
            known_state = known_states.get(after)
            if known_state is None and depth is not None and compiled.depth_of(after) > depth:
                known_state = known_states[after] = DEAD
            if known_state is None:
                if len(numbers) >= max_states:
                    raise LimitError(
                        f"The automaton has more than {max_states:,} states.",
                        limit="max_states",
                        cure="Increase max_states, set a depth, or bound the grammar: keys that "
                        "the schema does not name need infinitely many states, because a key "
                        "cannot be repeated.",
                    )
                known_state = known_states[after] = len(numbers)
                numbers.append(after)
            row[byte] = known_state
        rows.append(row)
    return numbers, np.stack(rows)


def equivalent_states(table: Int32Array, accepting: BoolArray | Int32Array) -> Int32Array:
    """Return int32[states]: the number of each state's equivalence class. Cost: that of `find_equivalent`.

    `table`: int32[states, 256], the state after each byte. `accepting`: for each state, whether a text may
    end there, or a number: the outcome of a text that ends there.
    """
    columns = np.unique(table.T, axis=0)  # many bytes have the same column
    _, outcomes = np.unique(accepting, return_inverse=True)
    transitions = np.ascontiguousarray(columns.T)
    return find_equivalent(transitions, outcomes.reshape(-1).astype(np.int32))


def _by_tokens(table: Int32Array, tokenizer: Tokenizer) -> tuple[Int32Array, Int32Array]:
    """Return int32[states, classes], the state after each class of tokens, and int32[V], the tokens' classes.

    `table`: int32[states, 256], the state after each byte. The class -1 has the tokens that every state
    refuses, the end tokens, and the tokens without bytes.
    """
    state_count = len(table)
    # Bytes with the same column are one class. Each column gets one more entry for the refused state: DEAD is
    # -1, and so is an index of the last entry.
    columns, byte_classes = np.unique(table.T, axis=0, return_inverse=True)
    dead_state = np.full((len(columns), 1), DEAD, np.int32)
    columns = np.concatenate((columns, dead_state), axis=1)
    column_of = byte_classes.reshape(-1).tolist()
    # The effects that were met, by number. Number 0 is the effect of the empty string: each state stays.
    effects = [np.arange(state_count, dtype=np.int32)]
    effect_numbers = {effects[0].tobytes(): 0}
    products: dict[tuple[int, int], int] = {}
    ends = set(tokenizer.eos_token_ids)
    effect_of = np.full(len(tokenizer.token_bytes), DEAD, np.int32)
    for token, text in enumerate(tokenizer.token_bytes):
        if not text or token in ends:
            continue
        effect = 0
        for byte in text:
            column = column_of[byte]
            pair = (effect, column)
            after = products.get(pair)
            if after is None:
                # one look-up for all states at once: where the byte leads from each state of the effect
                targets = columns[column][effects[effect]]
                after = DEAD
                if targets.max() >= 0:
                    after = effect_numbers.setdefault(targets.tobytes(), len(effects))
                    if after == len(effects):  # it is new
                        effects.append(targets)
                products[pair] = after
            effect = after
            if effect < 0:
                break
        effect_of[token] = effect
    # Effects that no whole token has are dropped: the numbers of the others close up.
    used_effects, ranks = np.unique(effect_of, return_inverse=True)
    dead_count = int(used_effects[0] == DEAD)  # DEAD is the smallest, and its class becomes -1
    used_effects = used_effects[dead_count:]
    token_class = (ranks.reshape(-1) - dead_count).astype(np.int32)
    if len(used_effects) == 0:
        return np.ascontiguousarray(table[:, :0]), token_class
    transitions = np.stack([effects[effect] for effect in used_effects], axis=1)
    return np.ascontiguousarray(transitions), token_class
