"""Remembers results that hold for many places of the parser, in compiled code.

A *place* is the parser between two lexemes: a stack, the widths of open blocks, and the open brackets. A
*unit* of work, such as a walk or a whole mask, reads only the topmost cells of the stack. Its result holds
for each place that agrees in these cells, in the widths and in the brackets. So the result is stored under
the number of cells that were read and a hash of them.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.grammars.lark_grammars.machine.lark_layout import (
    MOST_DEPTHS,
    PROOF_KEY,
    RESULT_KEY,
    UNIT_KEY,
    UNPROVED,
    WHOLE_MASK,
    LarkContext,
)
from structgen.grammars.lark_grammars.machine.parser import reduce_stack, row_of, top_of
from structgen.machines.machine_core.interning import find_row, intern_row, note_question
from structgen.machines.machine_core.layout import ASKED
from structgen.machines.machine_core.lexeme_layout import ASK_CLASS, ASK_PROOF


@jit
def letter_lives(c: LarkContext, place: int, letter: int) -> int:
    """Return 1 if after a letter some text goes on, 0 if none does, ASKED if that is to be proved."""
    terminal = c.letter_terminal[letter]
    boundary = c.letter_boundary[letter]
    is_open = 0
    if c.newline >= 0:
        is_open = 1 if c.places[place].brackets > 0 else 0
    if c.is_ignored[terminal] or (is_open and terminal == c.newline):
        # The parser stays where it is; the boundary of a line counts only where the newline is read.
        top = top_of(c, place)
        boundary = c.letter_kind[letter]
    else:
        # A newline is of any width: the blocks that open or close after it are letters of the boundary.
        top, _top_before, _below = reduce_stack(c, c.places[place].stack, terminal)
        if top < 0:
            return ASKED if top == ASKED else 0
        if terminal == c.newline and c.keeps_column:
            return ASKED
        # Is a bracket open after the terminal?
        bracket = c.brackets[terminal]
        if bracket != 0:
            open_brackets = c.places[place].brackets + (1 if bracket == 1 else -1)
            if open_brackets < 0:
                return 0
            is_open = 1 if open_brackets > 0 else 0
    return 1 if c.certain[2 * (top * c.boundaries + boundary) + is_open] else ASKED


@jit
def lexeme_lives(c: LarkContext, place: int, lexeme: int, column: int) -> int:
    """Return 1 if some text goes on in a reading, 0 if none does, or ASKED. The reading is a `place`, a state
    of the lexer `lexeme`, and a `column`; `lexeme_lives(c, place, lexeme, 0)` is one outside of newlines.
    `c`: the block."""
    end_class = c.end_class[lexeme]
    if not 0 <= end_class < c.class_count:  # not known, or not told yet
        note_question(c, ASK_CLASS, lexeme, 0, 0)
        return ASKED
    return class_lives(c, place, end_class, column)


@jit
def class_lives(c: LarkContext, place: int, end_class: int, column: int) -> int:
    """Return 1 if some text goes on at a `place` after a class of endings `end_class`, 0 if none does, or
    ASKED. `column`: of a newline so far, as in `class_lives(c, place, end_class, 0)` where there is none.
    `c`: the block."""
    low = c.low
    is_asked = False
    c.low = min(low, c.places[place].stack)
    for i in range(c.class_at[end_class], c.class_at[end_class + 1]):
        code = letter_lives(c, place, c.class_letters[i])
        if code == 1:
            return 1
        is_asked = is_asked or code == ASKED
    if not is_asked:
        return 0
    # Not certain: proved once, and remembered.
    c.low = low
    number = intern_row(c, c.proofs, PROOF_KEY, row_of(c, place, end_class, column, UNPROVED))
    if number < 0:
        return ASKED
    proof = c.proofs[number]
    if proof.answer == UNPROVED:
        note_question(c, ASK_PROOF, place, end_class, column)
        return ASKED
    c.low = 0  # the whole stack was read
    return proof.answer


@entry("int64(int64, int64, int64, int64)")
def find_proof(address: int, place: int, end_class: int, column: int) -> int:
    """Return the row of a proof that was asked for; `place`, `end_class` and `column` are those of the
    question, as in `find_proof(address, *question)`. `address`: of the block."""
    c = LarkContext(address)
    return find_row(c.proofs, PROOF_KEY, row_of(c, place, end_class, column, UNPROVED))


@jit
def hash_of(c: LarkContext, place: int, depth: int) -> int:
    """Return a hash of the topmost cells of a place, its widths and its brackets."""
    here = c.places[place]
    cells = c.cells
    cell = here.stack
    # Results are compared by this hash alone. It has 63 bits: among a million results a collision, which
    # would be a wrong mask, has a chance of 10**-7.
    hash_bits = uint64((here.widths << 32) ^ here.brackets) * uint64(0x9E3779B97F4A7C15)
    hash_bits ^= hash_bits >> uint64(32)
    for _ in range(depth):
        hash_bits = (hash_bits ^ uint64(cells[cell].top)) * uint64(0xFF51AFD7ED558CCD)
        hash_bits ^= hash_bits >> uint64(32)
        cell = cells[cell].below
        if cell < 0:
            break
    return int64(hash_bits >> uint64(1))  # type: ignore[no-any-return]  # not below 0


@jit
def unit_of(c: LarkContext, trie: int, lexeme: int, column: int) -> int:
    """Return the number of a unit of work, below 0 where there is no room. The work is on a `trie`, or on the
    whole mask, in a state of the lexer `lexeme` with a `column`: `unit_of(c, WHOLE_MASK, lexeme, 0)`.
    `c`: the block."""
    return intern_row(c, c.units, UNIT_KEY, row_of(c, trie, lexeme, column, 0))


@jit
def recall_result(c: LarkContext, unit: int, place: int) -> int:
    """Return what a unit has found for places that agree with this one, or -1; and note what it has read."""
    work = c.units[unit]
    for i in range(work.depths):
        depth = work.depth[i]
        row = row_of(c, unit, depth, hash_of(c, place, depth), 0)
        result_number = find_row(c.results, RESULT_KEY, row)
        if result_number >= 0:
            # The lowest cell that the unit read, counted down from the top of this stack.
            cells = c.cells
            cell = c.places[place].stack
            for _ in range(depth - 1):
                if cells[cell].below < 0:
                    break
                cell = cells[cell].below
            if depth:
                c.low = min(c.low, cell)
            return c.results[result_number].outcome
    return -1


@jit
def remember_result(c: LarkContext, unit: int, place: int, outcome: int) -> int:
    """Keep what a `unit` has found, the `outcome`, by what was read of the `place` since `low` was reset.
    Return 0, or ASKED where there is no room. The outcome is a number for `recall_result`, say of a state
    whose mask is known. `c`: the block."""
    work = c.units[unit]
    cells = c.cells
    depth = 0
    cell = c.places[place].stack
    # Below a cell are only cells with smaller numbers, so `low` says how deep the stack was read.
    while cell >= 0 and cell >= c.low:
        depth += 1
        cell = cells[cell].below
    at = 0
    while at < work.depths and work.depth[at] != depth:
        at += 1
    if at == work.depths:
        if at == MOST_DEPTHS:  # it is not remembered: nothing but time is lost
            return 0
        work.depth[at] = depth
        work.depths = at + 1
    row = row_of(c, unit, depth, hash_of(c, place, depth), outcome)
    return 0 if intern_row(c, c.results, RESULT_KEY, row) >= 0 else ASKED


@jit
def copy_equal_mask(c: LarkContext, index: int) -> bool:
    """Take over a state's mask from one with one reading, whose place agrees in what the mask has read;
    return whether there is one."""
    state = c.nodes[index].registers
    if state.others >= 0:
        return False
    unit = unit_of(c, WHOLE_MASK, state.lexeme, state.column)
    if unit < 0 or c.units[unit].depths == 0:
        return False
    known_node = recall_result(c, unit, state.place)
    if known_node < 0 or c.nodes[known_node].token_list < 0:
        return False
    c.nodes[index].dense_row = c.nodes[known_node].dense_row
    c.nodes[index].token_list = c.nodes[known_node].token_list
    return True
