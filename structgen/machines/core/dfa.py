"""Explicit automata: all states of a compiled grammar, if they are few enough, over classes of tokens.

First the states are explored byte by byte, breadth first. Then each token is read from all states at once:
the effect of a string of bytes is one vector, the state after it for each state. There are few different
vectors, and the product of a vector and a class of bytes is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.automata import first_of_blocks, renumber_states, steps_to
from structgen.automata.strings.kernels import FAR, find_equivalent
from structgen.base.errors import LimitError, UnsatisfiableSchema
from structgen.base.language import checks
from structgen.base.language.ir import DEAD
from structgen.machines.core.compiled import CompiledGrammar, Dfa, State

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


__all__ = ["Dfa", "equivalent_states", "explicit_automaton", "explicit_of_parser"]


Numbers = npt.NDArray[np.int32]
"""States, classes of bytes or of tokens, outcomes: by their numbers."""
Followers: TypeAlias = "Callable[[int], npt.NDArray[np.int64]]"
"""Returns int64[256] for a state, by its number: the state after each byte, -1 where the byte is refused."""


def explicit_of_parser(
    compiled: CompiledGrammar, byte_classes: bytes, max_states: int, depth: int | None, minimal: bool
) -> Dfa:
    """Return the explicit automaton of a grammar that is not JSON (`explicit_automaton`). The places of a
    parser's stack count as brackets. `byte_classes`: the class of each byte; one byte of each class is
    read."""
    classes = np.frombuffer(byte_classes, np.uint8)
    _, first_bytes, class_of_byte = np.unique(classes, return_index=True, return_inverse=True)

    def successors(index: int) -> npt.NDArray[np.int64]:
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
    minimal: bool = False,
    *,
    leaves_out: bool = False,
) -> Dfa:
    """Return the explicit automaton of a grammar from its start on. With `minimal`, states with the same
    continuations are one; `Dfa.states` has the first of them. `leaves_out`: `followers` leaves texts out, and
    there may be states from which none ends.

    The caller holds the grammar's lock. Cost: about 3 us for each pair of a state and a byte that may follow,
    then 0.1 us for each byte of the vocabulary, and 5 ns and 8 bytes for each pair of a state and a different
    effect of tokens. A minimal automaton has fewer states when tokens are read, often by ten times.

    Raises LimitError past `max_states`, counted before the states are dropped from which every document needs
    more than `depth` brackets; UnsatisfiableSchema where every document does, or is left out.
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
                "Every document has a key that the schema does not name in an object of which it names keys.",
                where="named_keys",
                cure="Name the keys that are needed.",
            )
        if not is_live[0]:
            raise UnsatisfiableSchema(
                f"Every document has more than {depth} brackets open at some point.",
                where="depth",
                cure="Raise depth.",
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
) -> tuple[list[int], Numbers]:
    """Return the states that bytes reach, and int32[states, 256]: the index of the state after each byte.

    States are found breadth first. One with more than `depth` brackets is DEAD (`None`: there is no bound).
    Raises LimitError where there are more than `max_states`.
    """
    start = compiled.start.index
    numbers = [start]
    known_states = {start: 0}
    rows: list[Numbers] = []
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
                        cure="Raise max_states, give a depth, or bound the grammar: keys that the schema "
                        "does not name make endlessly many states, for none may come twice.",
                    )
                known_state = known_states[after] = len(numbers)
                numbers.append(after)
            row[byte] = known_state
        rows.append(row)
    return numbers, np.stack(rows)


def equivalent_states(table: Numbers, accepting: npt.NDArray[np.bool_] | Numbers) -> Numbers:
    """Return int32[states]: the number of each state's equivalence class. `accepting` may also be a number
    for each state: the outcome of a text that ends there. Cost: that of `find_equivalent`."""
    columns = np.unique(table.T, axis=0)  # many bytes have the same column
    _, outcomes = np.unique(accepting, return_inverse=True)
    transitions = np.ascontiguousarray(columns.T)
    return find_equivalent(transitions, outcomes.reshape(-1).astype(np.int32))


def _by_tokens(table: Numbers, tokenizer: Tokenizer) -> tuple[Numbers, Numbers]:
    """Return int32[states, classes] and int32[V]: tokens with the same effect in every state are one
    class."""
    state_count = len(table)
    # Bytes with the same column are one class. Each column gets one more state, the dead one, at index -1.
    columns, byte_classes = np.unique(table.T, axis=0, return_inverse=True)
    dead_state = np.full((len(columns), 1), DEAD, np.int32)
    columns = np.concatenate((columns, dead_state), axis=1)
    column_of = byte_classes.reshape(-1).tolist()
    # the effects of strings: the state after it for each state; number 0 is that of the empty string
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
                    if after == len(effects):
                        effects.append(targets)
                products[pair] = after
            effect = after
            if effect < 0:
                break
        effect_of[token] = effect
    # Effects of beginnings of tokens alone are left out: the numbers of the others close up.
    used_effects, ranks = np.unique(effect_of, return_inverse=True)
    dead_count = int(used_effects[0] == DEAD)  # DEAD is the smallest, and its class becomes -1
    used_effects = used_effects[dead_count:]
    token_class = (ranks.reshape(-1) - dead_count).astype(np.int32)
    if len(used_effects) == 0:
        return np.ascontiguousarray(table[:, :0]), token_class
    transitions = np.stack([effects[effect] for effect in used_effects], axis=1)
    return np.ascontiguousarray(transitions), token_class
