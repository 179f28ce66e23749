"""States and the steps between them: entry points as in `mask_filling`."""

from __future__ import annotations

from typing import Final

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Bytes, Int32s, Int64s, copy_block, skip
from structgen.machines.json_machine.steps.byte_step import is_accepting, step_byte
from structgen.machines.json_machine.steps.keys_and_items import all_names
from structgen.machines.json_machine.tables.json_blocks import (
    BLUR,
    CAPTURE,
    M_DOC,
    M_KEY,
    M_KEYS,
    M_OBJECT,
    NO_FRAME,
    NO_STATE,
    JsonContext,
    JsonState,
)
from structgen.machines.json_machine.tables.lookups import set_structural
from structgen.machines.machine_core.interning import intern_row
from structgen.machines.machine_core.layout import ASK, ASKED, NO, REFUSED, VAGUE, YES


@jit
def intern_node(c: JsonContext, d: JsonState) -> int:
    """Return the state with these registers, -1 when room must be made."""
    t = c.work.node
    copy_block(d, t.registers)
    t.dense_row = -1
    t.token_list = -1
    return intern_row(c, c.nodes, 8, t)


# --- how texts are read (`layout.ByteSteps`): the registers of a spot ---------------------------------------


@entry("int64(int64, int64, int64)")
def load_state(context: int, index: int, spot: int) -> int:
    """Have a state stand at a spot. Returns 0."""
    c = JsonContext(context)
    c.precise = 1  # states that texts reach have the text of their extra keys
    copy_block(c.nodes[index].registers, c.scratch[spot])
    return 0


@entry("int64(int64, int64, int64, int64)")
def step_on(context: int, spot: int, target_spot: int, byte: int) -> int:
    """Have the state after a byte stand at another spot: `step_on(context, 0, 1, 91)` reads a bracket from
    spot 0 to spot 1. Returns 0, REFUSED, or ASKED."""
    c = JsonContext(context)
    code = step_byte(c, c.scratch[spot], c.scratch[target_spot], byte)
    if code == YES:
        return 0
    return REFUSED if code == NO else ASKED


@entry("int64(int64, int64)")
def may_end_at(context: int, spot: int) -> int:
    """Return 1 where the document may end at a spot, else 0."""
    c = JsonContext(context)
    return 1 if is_accepting(c, c.scratch[spot]) else 0


@entry("int64(int64, int64)")
def state_at(context: int, spot: int) -> int:
    """Return the state that stands at a spot, or ASKED when room must be made."""
    c = JsonContext(context)
    code = intern_node(c, c.scratch[spot])
    return ASKED if code < 0 else code


BYTE_STEPS: Final = (load_state, step_on, may_end_at, state_at)


@entry("int64(int64)")
def start_node(context: int) -> int:
    """Return the state before the first byte, or ASKED when room must be made."""
    c = JsonContext(context)
    d = c.scratch[0]
    d.text = 0
    set_structural(d, M_DOC, 0, 0, NO_FRAME)
    code = intern_node(c, d)
    return ASKED if code < 0 else code


@entry("int64(int64, int64, int64)")
def next_bytes(context: int, index: int, target_address: int) -> int:
    """Write 1 at target[b] (uint8) for each byte b that may come next, 2 where that must be asked.
    Returns ASKED if any."""
    c = JsonContext(context)
    target = Bytes(target_address)
    c.precise = 0  # no state is kept, so no text has to be followed
    s = c.nodes[index].registers
    d = c.scratch[0]
    has_questions = False
    for byte in range(256):
        code = step_byte(c, s, d, byte)
        has_questions = has_questions or code == ASK
        target[byte] = 1 if code == YES else 0
    c.precise = 1
    return ASKED if has_questions else 0


@entry("int64(int64, int64, int64, int64, int64, int64)")
def after_each(
    context: int, index: int, filter_address: int, forgets: int, refuses_extra: int, target_address: int
) -> int:
    """Write to target[b] (int64[256]) the state after each byte b, or -1 where it is refused, or filter[b]
    (uint8) is 0.

    `forgets`: 1 drops from these states which extra keys the innermost object holds, and what is written of
    one that is not complete, so that the same key may come again. (In an item whose value matters to later
    ones keys are kept.) `refuses_extra`: 1 refuses the extra keys of objects of which the schema names keys;
    states from which no text ends may be left. Returns 0, or ASKED with questions noted.
    Cost: 256 steps, most of which end at once.
    """
    c = JsonContext(context)
    byte_filter, target = Bytes(filter_address), Int64s(target_address)
    c.precise = 1
    has_questions = False
    for byte in range(256):
        target[byte] = -1
        if byte_filter[byte] == 0:
            continue
        d = c.scratch[0]
        code = step_byte(c, c.nodes[index].registers, d, byte)
        if code == YES:
            mode = d.mode
            if refuses_extra and mode == M_KEY and all_names(c, d.residue) >= 0:
                if d.position < 0:
                    continue  # no name goes on so: the key would be an extra one
                d.lexeme = d.lexeme | NO_STATE
                d.side_node = 0
                d.text = 0
            if forgets and d.text & CAPTURE == 0:
                if mode == M_KEY:
                    d.side_node = 0
                    d.text = 0
                # the modes of an object: between its tokens, and in a key
                if mode == M_KEY or (mode >= M_OBJECT and mode <= M_KEYS):
                    d.extras = 0
            state_after = intern_node(c, d)
            has_questions = has_questions or state_after < 0
            target[byte] = state_after
        elif code == ASK:
            has_questions = True
    return ASKED if has_questions else 0


@entry("int64(int64, int64, int64, int64, int64)")
def after_tokens(context: int, index: int, tokens_address: int, count: int, target_address: int) -> int:
    """Write to target[0:count] (int64) the states after each of some allowed tokens (int32), as in
    `after_tokens(context, index, address_of(tokens), len(tokens), address_of(states))`.

    The text of an extra key, or of an item whose value matters, that a token leaves open is not followed: all
    such states that differ in it alone are one, which is none of them. Returns 0, or ASKED with questions
    noted. Cost: the tokens' bytes.
    """
    c = JsonContext(context)
    tokens = Int32s(tokens_address)
    target = Int64s(target_address)
    offsets = c.vocabulary.token_offset
    registers_before = c.nodes[index].registers
    has_questions = False
    for i in range(count):
        token = tokens[i]
        data = skip(c.vocabulary.token_data, offsets[token])
        size = offsets[token + 1] - offsets[token]
        state = -1
        code = YES
        # The first turn follows no text. The second does, where a key or an item was closed on the way.
        for turn in range(2):
            c.precise = turn
            s = c.scratch[0]
            copy_block(registers_before, s)
            is_blurred = registers_before.text & CAPTURE != 0
            stays = True
            for at in range(size):
                d = c.scratch[1 - (at & 1)]
                code = step_byte(c, s, d, data[at])
                if code != YES:
                    break
                s = d
                # `stays`: all bytes so far are of the string, key or numeral in which the token began
                is_blurred = is_blurred or s.text & CAPTURE != 0
                stays = stays and s.mode == registers_before.mode
                if s.extras & BLUR != 0:
                    # a key was closed: only the walk that follows its text knows which
                    is_blurred = True
                    break
            if turn == 1 or not is_blurred or (code != YES and code != VAGUE):
                break
            if code == YES and stays and s.extras & BLUR == 0 and s.frame == registers_before.frame:
                break  # in the same string, key or numeral of the item
        c.precise = 1
        if code == YES:
            state = intern_node(c, s)
            has_questions = has_questions or state < 0
        has_questions = has_questions or code == ASK
        target[i] = state
    return ASKED if has_questions else 0


@entry("int64(int64, int64)")
def text_kinds(context: int, target_address: int) -> int:
    """Write to target[t] (int64) what a token t does inside a free string, from between two characters.

    That is its characters, and from bit 16 on the bytes of one that it breaks off; -1 where it has a quote or
    a backslash, or cannot stand there. Returns 0. Cost: the bytes of the vocabulary.
    """
    c = JsonContext(context)
    target = Int64s(target_address)
    offsets, data = c.vocabulary.token_offset, c.vocabulary.token_data
    for token in range(c.vocabulary.size):
        count = 0
        tail = 0
        missing = 0
        start, end = offsets[token], offsets[token + 1]
        for at in range(start, end):
            byte = data[at]
            # a quote, a backslash, a control character; or a continuation byte where none may stand
            if byte == 34 or byte == 92 or byte < 32 or (byte & 0xC0 == 0x80) != (missing > 0):
                count = -1
                break
            if missing > 0:
                missing -= 1
                tail = (tail << 8) | byte if missing > 0 else 0
                continue
            count += 1
            if byte >= 0xC0:
                missing = 1
                if byte >= 0xE0:
                    missing = 2 if byte < 0xF0 else 3
                tail = byte
        target[token] = -1 if count <= 0 else count | (tail << 16)
    return 0
