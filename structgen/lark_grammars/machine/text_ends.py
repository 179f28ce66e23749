"""Where the text may end inside tokens: what a grammar of which this one is a part asks of it."""

from __future__ import annotations

from structgen.lark_grammars.machine.lark_layout import READING, WALK_WORDS, LarkContext
from structgen.lark_grammars.machine.steps import may_end_here, read_node
from structgen.machine_core.layout import ASKED
from structgen.machine_core.lexeme_layout import FULL
from structgen.native.jit import entry
from structgen.native.typed_blocks import Int32s, Int64s, skip
from structgen.tokens.trie_nodes import depth_of, end_of, slot_of


@entry("int64(int64, int64, int64, int64)")
def ends_below(address: int, index: int, wanted_at: int, target_at: int) -> int:
    """Write to `target` (int32) the nodes of a trie (`WantedNodes.trie`) with a slot whose bytes lead from a
    state to one in which the text may end. Returns how many; ASKED, or FULL."""
    c = LarkContext(address)
    wanted, target, room = Int64s(wanted_at), Int32s(target_at), c.walks
    count, nodes = wanted[0], skip(wanted, 1)
    if c.nodes[index].registers.mode != READING:
        return 0
    room[0], at = 0, index
    while at >= 0:
        known, to = c.nodes[at].registers, skip(room, 1 + 3 * room[0])
        to[0], to[1], to[2] = known.place, known.lexeme, known.column
        room[0] += 1
        at = known.others
    found, node, is_asked = 0, 0, False
    while node < count:
        word = nodes[node]
        made = read_node(c, word)
        if made == FULL:
            return FULL
        is_asked = is_asked or made == ASKED
        if made <= 0:
            node = end_of(word)
            continue
        there, ends = skip(room, WALK_WORDS * depth_of(word)), 0
        for i in range(made if slot_of(word) else 0):
            one = skip(there, 1 + 3 * i)
            if ends != 1:
                code = may_end_here(c, one[0], one[1], one[2])
                ends = code if code != 0 else ends
        is_asked = is_asked or ends == ASKED
        if ends == 1:
            target[found] = nodes[count + node]
            found += 1
        node += 1
    return ASKED if is_asked else found
