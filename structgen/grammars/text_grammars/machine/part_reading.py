"""Compiled calls that read a text grammar as a part of another one, and look for the ends of parts.

The free text of triggered tags is shared by grammars: compiled code of one of them follows the steps that are
known, notes nothing, and so needs no lock.
"""

from __future__ import annotations

from structgen.base.native.jit import entry
from structgen.base.native.typed_blocks import Bytes, Int32s, Int64s, address_of_block, skip
from structgen.grammars.text_grammars.machine.stepping import UNKNOWN, WORD, TextContext
from structgen.machines.machine_core.growing_tables import DEEPEST
from structgen.machines.machine_core.layout import ASKED, BELOW, REFUSED
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of


@entry("int64(int64, int64, int64)")
def peek_token(context: int, index: int, token: int) -> int:
    """Return the state after a token that has a text, REFUSED, or another code where a step is not known;
    nothing is noted, and no lock is needed. Of a grammar without parts and counts of tokens."""
    c = TextContext(context)
    if c.vocabulary.slot[token] < 0:
        return REFUSED
    offsets = c.vocabulary.token_offset
    data = c.vocabulary.token_data
    for offset in range(offsets[token], offsets[token + 1]):
        index = c.cells[index * c.class_count + c.classes[data[offset]]]
        if index < 0:
            break
    return index


@entry("int64(int64, int64)")
def text_status(context: int, index: int) -> int:
    """Return how the text stands in a state (NEVER, STOPS, WORD and larger ones)."""
    return int(TextContext(context).may_end[index])


@entry("int64(int64, int64, int64, int64, int64)")
def find_crossings(context: int, index: int, wanted_address: int, end: int, target_address: int) -> int:
    """Write to `target` (int32) those of some nodes (`TargetNodes.trie`) whose bytes lead from a state to one
    in which the text ends, and does not go on (`end`: of no use). Returns how many, or ASKED; nothing is
    noted, and no lock is needed. Memory for a walk lies after the target."""
    c = TextContext(context)
    node_words = Int64s(wanted_address)
    target = Int32s(target_address)
    count = node_words[0]
    nodes = skip(node_words, 1)
    found_count = 0
    node = 0
    has_questions = False
    # for each depth the state there; the memory lies after BELOW numbers of 4 bytes, in words of 8
    stack = skip(Int64s(target_address), BELOW // 2)
    stack[0] = index
    while node < count:
        word = nodes[node]
        depth = depth_of(word)
        column = c.classes[byte_of(word)]
        after = c.cells[stack[depth - 1] * c.class_count + column]
        has_questions = has_questions or after <= UNKNOWN
        if after < 0:
            node = end_of(word)
            continue
        stack[depth] = after
        # a slot marks the nodes that are examined, the others are on the way; their numbers follow all nodes
        if slot_of(word) != 0 and c.may_end[after] > WORD:
            target[found_count] = nodes[count + node]
            found_count += 1
        node += 1
    return ASKED if has_questions else found_count


@entry("int64(int64, int64, int64, int64, int64)")
def mark_wanted(context: int, last_at: int, first_at: int, nodes_at: int, slots_at: int) -> int:
    """Write to `nodes` (uint8 for each node of the trie, zeros) 2 where a node's bytes may be the end of a
    part and a child's byte is among some (`first`, uint8[256]), 1 on the way to such nodes; and to `slots`
    (uint8 for each slot, zeros) 1 for those below such children. `last` (uint8[256]): 1 for bytes with which
    a part ends, 2 for those that may follow them. Returns 0."""
    c = TextContext(context)
    last = Bytes(last_at)
    first = Bytes(first_at)
    marks = Bytes(nodes_at)
    slots = Bytes(slots_at)
    nodes = c.vocabulary.trie
    # for each depth of the node that is visited: the node there, and whether a part may end there
    path = Int64s(address_of_block(c.scratch))
    may_end = skip(path, DEEPEST)
    may_end[0] = 1
    leaving_end = 0
    for node in range(c.vocabulary.trie_count):
        word = nodes[node]
        depth = depth_of(word)
        path[depth] = node
        kind = last[byte_of(word)]
        may_end[depth] = may_end[depth - 1] if kind == 2 else kind
        if depth >= 2 and first[byte_of(word)] != 0 and may_end[depth - 1] != 0:
            # the subtree of this node has the tokens that leave the part: it goes up to this number
            leaving_end = max(leaving_end, end_of(word))
            marks[path[depth - 1]] = 2
            depth -= 2
            while depth >= 1 and marks[path[depth]] == 0:
                marks[path[depth]] = 1
                depth -= 1
        if node < leaving_end and slot_of(word) != 0:
            slots[slot_of(word) - 1] = 1
    return 0
