"""Draft trees in compiled code: how a batch of them is laid out, and what is done for one of its nodes.

A draft is a tree of guessed tokens behind a state. Its places are the root (that state) and its nodes, in an
order in which parents come first. A batch is a block that says where the arrays of all drafts lie, and a job
for each draft. Each machine has an entry point `walk_drafts`, which goes over the nodes of many jobs: it
finds the state of a node by its own step, and `settle_place` does the rest here.

Only what is known is done: no question is noted, and no mask is worked out. A place that needs either is left
(NOT_YET), with all that is below it.
"""

from __future__ import annotations

from structgen.machine_core.layout import FINISHED, REFUSED, Core
from structgen.machine_core.masks import copy_mask
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Block, Bytes, Int32s, address_of_block, skip, words_of


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
    """The address of the mask; 0: none is written."""
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
    finished: int
    """The state after an end token; -1: not made yet."""
    specials: int
    """1: the grammar has special tokens."""
    spare: int


BATCH_WORDS, JOB_WORDS = words_of(Batch), words_of(Job)
NOT_YET, LIMITED = -9, -2
"""Codes in place of a state, beside REFUSED: it must be asked for; a limit was reached."""
ROW_KNOWN, ROW_FREE, ROW_FINISHED, ROW_LIMIT, ROW_REFUSED = range(5)
"""The statuses (`batch.RowStatus`)."""
ROW_LEFT = -1
"""As the status of a place: its mask is not written yet."""


@jit
def job_at(jobs: int, index: int) -> Job:
    """Return one of the jobs at an address."""
    return skip(Job(jobs), index)


@jit
def state_above(batch: Batch, job: Job, node: int) -> int:
    """Return the state of a node's parent, or a code."""
    return batch.states[job.place + 1 + batch.parents[job.node + node]]


@jit
def token_of(batch: Batch, job: Job, node: int) -> int:
    """Return a node's token, REFUSED where it is none of the vocabulary."""
    token = batch.tokens[job.node + node]
    size = batch.vocabulary if job.context == 0 else Core(job.context).vocabulary.size
    return token if 0 <= token < size else REFUSED


@jit
def is_end(c: Core, token: int) -> bool:
    """Return whether a token ends a text."""
    ends = c.ends
    for i in range(c.end_count):
        if ends[i] == token:
            return True
    return False


@jit
def state_or_left(code: int) -> int:
    """Return a state that a step has answered, or REFUSED; NOT_YET for any other answer."""
    return code if code >= REFUSED else NOT_YET


@jit
def settle_place(batch: Batch, job: Job, place: int, state: int) -> int:
    """Note the state of a place, or the code in its stead, and write its mask, if there is a mask and it is
    known. Returns 1 where something is left to do, else 0."""
    at = job.place + place
    batch.states[at] = state
    if state == NOT_YET or batch.mask == 0:
        return 1 if state == NOT_YET else 0
    words, row = batch.words, at
    if address_of_block(batch.rows) != 0:
        row = batch.rows[at]
    target = batch.mask + 4 * words * row
    status, written = ROW_REFUSED, 0
    if state >= 0:
        if job.context == 0:
            status, written = ROW_FREE, words
            allow_all(Int32s(target), words, batch.vocabulary)
        else:
            c = Core(job.context)
            node = c.nodes[state]
            if copy_mask(c, node, target) == 0:
                status, written = ROW_KNOWN, c.vocabulary.mask_words
            elif node.registers.mode == FINISHED:
                status = ROW_FINISHED
            else:
                return 1
    for i in range(written, words):
        Int32s(target)[i] = 0
    batch.statuses[at] = status
    return 0


@jit
def allow_all(target: Int32s, words: int, vocabulary: int) -> None:
    """Allow every token in a row."""
    whole, rest = vocabulary >> 5, vocabulary & 31
    for i in range(words):
        target[i] = -1 if i < whole else 0
    if rest != 0:
        target[whole] = (1 << rest) - 1


@entry("int64(int64, int64, int64)")
def walk_free(batch_address: int, jobs: int, count: int) -> int:
    """Write the masks of drafts of free texts: every token may come behind every other. Returns 0."""
    batch = Batch(batch_address)
    for i in range(count):
        job = job_at(jobs, i)
        settle_place(batch, job, 0, 0)
        for node in range(job.count):
            above, token = state_above(batch, job, node), token_of(batch, job, node)
            settle_place(batch, job, 1 + node, 0 if above >= 0 and token >= 0 else REFUSED)
    return 0


@entry("int64(int64, int64, int64)")
def walk_roots(batch_address: int, jobs: int, count: int) -> int:
    """Do the roots of drafts, for a machine that Python steps; return how many places are left."""
    batch, left = Batch(batch_address), 0
    for i in range(count):
        job = job_at(jobs, i)
        left += job.count + settle_place(batch, job, 0, job.state)
    return left


@entry("int64(int64, int64, int64)")
def misplaced(parents_address: int, counts_address: int, drafts: int) -> int:
    """Return the first node (over all drafts) whose parent does not come before it, or -1; `counts` (int32):
    the nodes of each draft."""
    parents, counts, first = Int32s(parents_address), Int32s(counts_address), 0
    for i in range(drafts):
        for node in range(counts[i]):
            parent = parents[first + node]
            if parent < -1 or parent >= node:
                return first + node
        first += counts[i]
    return -1
