"""Compiled code finds the states and the known masks of draft trees.

- A *draft* is a tree of guessed tokens after a state. A *node* is one guessed token.
- A *place* is the root of a draft (the state itself) or one of its nodes. Parents come before children. A
  draft of 2 nodes has 3 places: 0 is the root, 1 and 2 are the nodes.
- A *job* is one draft, a *batch* all drafts of a call (`Job`, `Batch`): their arrays lie one after another.
- A *context* is the block of a compiled grammar, by its address; 0: any text is allowed.

`walk_drafts` uses only states and masks that are known already. It notes no question and works out no mask. A
place that needs either gets the code NOT_YET, as do all places below it.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Block, Bytes, Int32s, address_of_block, skip, words_of
from structgen.machines.machine_core.layout import FINISHED, MOST_QUESTIONS, REFUSED, Core
from structgen.machines.machine_core.masks import copy_mask
from structgen.machines.machine_core.token_steps import after_any


class Batch(Block):
    """A batch: the addresses of the arrays of all drafts, and of the mask."""

    tokens: Int32s
    """The token of each node."""
    parents: Int32s
    """The parent of each node: a node of the same draft, by its number there; -1: the root."""
    states: Int32s
    """The state of each place, or a code below 0 (NOT_YET, LIMITED, REFUSED); written here."""
    statuses: Bytes
    """The status of each place (ROW_...); written here."""
    rows: Int32s
    """The row of the mask for each place. The address 0: place p has row p."""
    mask: int
    """The address of the mask."""
    words: int
    """The number of 32-bit words of a row of the mask."""
    vocabulary: int
    """The number of tokens that the mask is for."""


class Job(Block):
    """One draft of a batch."""

    context: int
    """The address of the block of its grammar; 0: any text is allowed."""
    state: int
    """The state of the root."""
    node: int
    """The position of its first node in the arrays of nodes."""
    place: int
    """The position of its root in the arrays of places."""
    count: int
    """The number of its nodes."""


BATCH_WORDS, JOB_WORDS = words_of(Batch), words_of(Job)
NOT_YET, LIMITED = -9, -2
"""Codes in place of a state, besides REFUSED (-1). NOT_YET: the state must be asked for. LIMITED: a limit of
the grammar was reached."""
ROW_KNOWN, ROW_FREE, ROW_FINISHED, ROW_LIMIT, ROW_REFUSED = range(5)
"""The statuses of a place whose row is written, with the numbers of `batch.RowStatus`."""
ROW_LEFT = -1
"""The status of a place whose mask is not written yet."""


@jit
def state_of(batch: Batch, job: Job, node: int) -> int:
    """Return the state after a node's token, or a code below 0; `node`: its number within the draft.

    The place of the parent must be finished. The code of a parent without a state is handed on.
    """
    # The root is place 0 and parent -1, so the place of a parent is its number plus 1.
    parent_state = batch.states[job.place + 1 + batch.parents[job.node + node]]
    token = batch.tokens[job.node + node]
    size = batch.vocabulary if job.context == 0 else Core(job.context).vocabulary.size
    if parent_state < 0:
        return parent_state
    if not 0 <= token < size:
        return REFUSED
    code = 0 if job.context == 0 else after_any(Core(job.context), parent_state, token)
    return code if code >= REFUSED else NOT_YET


@jit
def finish_place(batch: Batch, job: Job, place: int, state: int) -> int:
    """Write the state of a place, and its mask and status if they are known. Returns 1 if not, else 0.

    `place`: the number within the draft: 0 is the root, 1 the first node. `state`: the state, or a code below
    0. For example, `finish_place(batch, job, 0, job.state)` finishes the root.
    """
    at = job.place + place
    batch.states[at] = state
    if state == NOT_YET:
        return 1
    words = batch.words
    row = at
    if address_of_block(batch.rows) != 0:
        row = batch.rows[at]
    target = batch.mask + 4 * words * row
    status = ROW_REFUSED
    count = 0
    if state >= 0:
        if job.context == 0:
            status, count = ROW_FREE, words
            allow_all(Int32s(target), words, batch.vocabulary)
        else:
            c = Core(job.context)
            node = c.nodes[state]
            if copy_mask(c, node, target) == 0:
                status = ROW_KNOWN
                count = c.vocabulary.mask_words
            elif node.registers.mode == FINISHED:
                status = ROW_FINISHED
            else:
                return 1
    # The other words are 0. The row may be wider than the vocabulary; a state without a mask allows nothing.
    for i in range(count, words):
        Int32s(target)[i] = 0
    batch.statuses[at] = status
    return 0


@jit
def allow_all(target: Int32s, words: int, vocabulary: int) -> None:
    """Set a bit for every token in a row. `words`: the words of the row; `vocabulary`: the tokens."""
    # 32 tokens to a word; -1 has all 32 bits set
    full_words = vocabulary >> 5
    bits_left = vocabulary & 31
    for i in range(words):
        target[i] = -1 if i < full_words else 0
    if bits_left != 0:
        target[full_words] = (1 << bits_left) - 1


@entry("int64(int64, int64, int64)")
def walk_drafts(batch_address: int, jobs: int, count: int) -> int:
    """Find the known states and masks of many drafts. Returns how many places are not finished.

    `batch_address`: the address of a `Batch`; `jobs`: that of the first of `count` jobs (`Job`).
    """
    batch = Batch(batch_address)
    left_count = 0
    for i in range(count):
        job = skip(Job(jobs), i)
        question_count = 0
        if job.context != 0:
            question_count = Core(job.context).questions.count
            # The buffer is said to be full, so that no question is noted: Python asks its own later.
            Core(job.context).questions.count = MOST_QUESTIONS
        left_count += finish_place(batch, job, 0, job.state)
        for node in range(job.count):
            left_count += finish_place(batch, job, 1 + node, state_of(batch, job, node))
        if job.context != 0:
            Core(job.context).questions.count = question_count
    return left_count


@entry("int64(int64, int64, int64)")
def find_misplaced(parents_address: int, counts_address: int, drafts: int) -> int:
    """Return the first node, counted over all drafts, whose parent does not come before it; -1: none.

    `parents_address`: int32, the parent of each node within its draft; `counts_address`: int32, the number of
    nodes of each draft.
    """
    parents = Int32s(parents_address)
    counts = Int32s(counts_address)
    first = 0
    for i in range(drafts):
        for node in range(counts[i]):
            parent = parents[first + node]
            if parent < -1 or parent >= node:
                return first + node
        first += counts[i]
    return -1
