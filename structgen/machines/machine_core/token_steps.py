"""Steps over bytes and tokens, for every kind of grammar; a machine brings the step over one byte
(`ByteSteps`).

A *spot* is a place in the machine's working memory that holds one state while a text is read. A call gets the
address of a grammar's block, and a state by its number (`index`). It returns the number of a state. Below 0
it returns a code: REFUSED; ASKED: questions were noted; UNKNOWN: Python must find the state; or a code of the
machine's own.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import call2, call3, call4
from structgen.base.native.typed_blocks import Bytes, Int32s, Int64s, address_of_block, skip
from structgen.machines.machine_core.interning import edge_key, intern_row
from structgen.machines.machine_core.layout import ASKED, REFUSED, Core
from structgen.machines.machine_core.lexeme_layout import UNKNOWN
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of


@jit
def read_bytes(c: Core, index: int, data: Bytes, count: int) -> int:
    """Return the state after the bytes data[0:count], from the state `index` on.

    For a grammar of JSON, `read_bytes(c, start, data, 1)` with the byte `[` is the state inside an array.
    """
    at = address_of_block(c)
    spot = 0
    code: int = call3(c.byte_steps.begin, at, index, spot)
    if code < 0 or count == 0:
        return min(code, index)
    # Two spots are enough for a text without branches: each byte is read from one into the other.
    for i in range(count):
        code = call4(c.byte_steps.step, at, spot, 1 - spot, data[i])
        if code < 0:
            return code
        spot = 1 - spot
    return call2(c.byte_steps.target, at, spot)


@jit
def after_token(c: Core, index: int, token: int) -> int:
    """Return the state after a token that is not an end token."""
    if c.byte_steps.take != 0:
        after: int = call3(c.byte_steps.take, address_of_block(c), index, token)
        return after
    if c.byte_steps.begin == 0:
        return UNKNOWN
    if c.vocabulary.slot[token] < 0:
        return REFUSED  # a token without bytes
    first, last = c.vocabulary.token_offset[token], c.vocabulary.token_offset[token + 1]
    return read_bytes(c, index, skip(c.vocabulary.token_data, first), last - first)


@jit
def ends_in(c: Core, index: int) -> int:
    """Return 1 or more if the text may end in a state, else 0; ASKED: questions were noted."""
    at = address_of_block(c)
    if call3(c.byte_steps.begin, at, index, 0) < 0:
        return 0  # No text goes on after an end token.
    return call2(c.byte_steps.ends, at, 0)


@jit
def after_any(c: Core, index: int, token: int) -> int:
    """Return the state after a token, which may be an end token."""
    for i in range(c.end_count):
        if c.ends[i] == token:
            code = UNKNOWN if c.byte_steps.begin == 0 else ends_in(c, index)
            if code <= 0:
                return REFUSED if code == 0 else code
            return c.finished_state if c.finished_state >= 0 else UNKNOWN
    return after_token(c, index, token)


@entry("int64(int64, int64, int64, int64)")
def take_bytes(context: int, index: int, data: int, count: int) -> int:
    """Return the state after `count` bytes at the address `data`; REFUSED, or ASKED.

    For example, `take_bytes(grammar.address, start, address_of(array), len(array))`.
    """
    return read_bytes(Core(context), index, Bytes(data), count)


@entry("int64(int64, int64, int64, int64)")
def take_ascii(context: int, index: int, data: int, target: int) -> int:
    """Write the states after each of 128 bytes to target[0:128] (int64); below 0: the byte is refused.

    `data`: the address of the bytes, for example `BYTE_AT[0]`. `target`: the address of the states. Returns
    0; ASKED: questions were noted.
    """
    c = Core(context)
    code = 0
    for i in range(128):
        Int64s(target)[i] = read_bytes(c, index, Bytes(data + i), 1)
        code = min(code, ASKED if Int64s(target)[i] == ASKED else 0)
    return code


@entry("int64(int64, int64, int64)")
def take_token(context: int, index: int, token: int) -> int:
    """Return the state after a token that is not an end token."""
    return after_token(Core(context), index, token)


@entry("int64(int64, int64, int64)")
def left_to_python(context: int, index: int, token: int) -> int:
    """Return UNKNOWN. It is the `ByteSteps.take` of a grammar whose tokens Python reads."""
    return UNKNOWN


@entry("int64(int64, int64)")
def may_end(context: int, index: int) -> int:
    """Return 1 or more if the text may end in a state, else 0; ASKED: questions were noted."""
    return ends_in(Core(context), index)


@entry("int64(int64, int64, int64, int64, int64)")
def take_each(context: int, index: int, tokens_address: int, count: int, target_address: int) -> int:
    """Write the state after each of `count` tokens (int32), none of them an end token, to an array (int64).

    For example, `take_each(address, index, address_of(tokens), len(tokens), address_of(states))`. Returns 0;
    ASKED: questions were noted; or a code of the machine's own.
    """
    c = Core(context)
    tokens = Int32s(tokens_address)
    target = Int64s(target_address)
    code = 0
    for i in range(count):
        if c.byte_steps.each != 0:
            target[i] = call3(c.byte_steps.each, context, index, tokens[i])
        else:
            target[i] = after_token(c, index, tokens[i])
        if target[i] <= ASKED:
            code = min(code, target[i])
    return code


@entry("int64(int64, int64, int64, int64, int64)")
def ends_below(context: int, index: int, nodes_address: int, end: int, target_address: int) -> int:
    """Write the wanted nodes after whose bytes the text may end to an array (int32); return their number.

    `nodes_address`: the address of `wanted_nodes.TargetNodes.trie`. `end`: what `ByteSteps.ends` must answer
    there. ASKED: questions were noted. A code of the machine's own may be returned, too.
    """
    c = Core(context)
    node_words = Int64s(nodes_address)
    target = Int32s(target_address)
    count = node_words[0]
    nodes = skip(node_words, 1)
    node = 0
    ended_count = 0
    worst = 0
    if call3(c.byte_steps.begin, context, index, 0) < 0:
        return 0
    # Each depth of the trie has a spot of its own, so a sibling goes on from its parent's spot.
    while node < count:
        word = nodes[node]
        depth = depth_of(word)
        code = call4(c.byte_steps.step, context, depth - 1, depth, byte_of(word))
        worst = min(worst, code)  # A question does not stop the walk: the others are noted, too.
        if code < 0:
            node = end_of(word)
            continue
        code = call2(c.byte_steps.ends, context, depth) if slot_of(word) != 0 else 0
        worst = min(worst, code)
        if code == end:
            target[ended_count] = nodes[count + node]  # the number of the node in the whole trie
            ended_count += 1
        node += 1
    return worst if worst <= ASKED else ended_count


@entry("int64(int64, int64, int64, int64, int64)")
def put_edge(context: int, first: int, second: int, third: int, target: int) -> int:
    """Write an edge (`layout.Edge`), for which the caller has made room. Returns 0.

    For example, `put_edge(address, residue, key, outcome, after)`.
    """
    c = Core(context)
    row = edge_key(c, first, second, third)
    row.target = target
    intern_row(c, c.edges, 3, row)
    return 0
