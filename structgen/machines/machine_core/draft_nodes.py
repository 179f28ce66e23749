"""Draft trees in compiled code: the layout of a batch of them, and the work for one of its nodes.

A draft is a tree of guessed tokens after a state. Its places are the root (that state) and its nodes, in an
order in which parents come first. A batch is a block that says where the arrays of all drafts lie, and a job
for each draft. `walk_drafts` goes over the nodes of many jobs, of any kinds of grammars (`token_steps`).

Only known states and masks are used: no question is noted, and no mask is worked out. A place that needs
either is left (NOT_YET), with all that is below it.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Block, Bytes, Int32s, address_of_block, skip, words_of
from structgen.machines.machine_core.layout import FINISHED, MOST_QUESTIONS, REFUSED, Core
from structgen.machines.machine_core.masks import copy_mask
from structgen.machines.machine_core.token_steps import after_any


class Batch(Block):
    """Where the arrays of all drafts lie."""

    tokens: Int32s
    """Of all nodes."""
    parents: Int32s
    states: Int32s
    """Of all places."""
    statuses: Bytes
    rows: Int32s
    """The mask rows of all places; 0: they are 0, 1, ..."""
    mask: int
    """The address of the mask."""
    words: int
    """Of a mask row."""
    vocabulary: int
    """Tokens that the mask is for."""


class Job(Block):
    """A draft."""

    context: int
    """Of its grammar; 0: the text is free."""
    state: int
    """Of the root."""
    node: int
    """The first of its nodes in the arrays."""
    place: int
    """The first of its places."""
    count: int
    """Nodes."""


BATCH_WORDS, JOB_WORDS = words_of(Batch), words_of(Job)
NOT_YET, LIMITED = -9, -2
"""Codes in place of a state, besides REFUSED: it must be asked for; a limit was reached."""
ROW_KNOWN, ROW_FREE, ROW_FINISHED, ROW_LIMIT, ROW_REFUSED = range(5)
"""The statuses (`batch.RowStatus`)."""
ROW_LEFT = -1
"""The status of a place whose mask is not written yet."""


@jit
def job_at(jobs: int, index: int) -> Job:
    """Return one of the jobs at an address."""
    return skip(Job(jobs), index)


@jit
def state_of(batch: Batch, job: Job, node: int) -> int:
    """Return the state of a node, or the code in its stead."""
    # place 0 of a draft is its root, and parent -1 is the root, too
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
    """Note the state of a place, or the code in its stead, and write its mask, if it is known. Returns 1
    where something is left to do, else 0. `place`: 0 is the root of the job's draft, 1 its first node; for
    example `finish_place(batch, job, 0, job.state)`."""
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
    # The row may be wider than the vocabulary; of a state without a mask all of it is 0.
    for i in range(count, words):
        Int32s(target)[i] = 0
    batch.statuses[at] = status
    return 0


@jit
def allow_all(target: Int32s, words: int, vocabulary: int) -> None:
    """Allow every token in a row."""
    full_words = vocabulary >> 5
    bits_left = vocabulary & 31
    for i in range(words):
        target[i] = -1 if i < full_words else 0
    if bits_left != 0:
        target[full_words] = (1 << bits_left) - 1


@entry("int64(int64, int64, int64)")
def walk_drafts(batch_address: int, jobs: int, count: int) -> int:
    """Find the known states and masks of the drafts of many jobs. Returns how many places are left."""
    batch = Batch(batch_address)
    left_count = 0
    for i in range(count):
        job = job_at(jobs, i)
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
    """Return the first node (over all drafts) whose parent does not come before it, or -1; `counts` (int32):
    the nodes of each draft."""
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
