"""Which tokens a slot may hold under a token pushdown: `token_chart` in Booleans, 64 frames a word.

What is said of frames there (in which state they are, which ones are popped, which ones called a frame) is
a set of frames here: a row of bits. A union ends where it has all that older frames could add, and what is
ahead of a frame is not looked at again once it is whole: a hole that allows nearly everything costs little
more than one that allows nearly nothing. Cost: slots^2 * frames * remainders / 64 words at most.
"""

from __future__ import annotations

import numba
import numpy as np

from methods.token_pushdown import Plan, TokenPushdown

Array = np.ndarray
_ONE = np.uint64(1)


def allowed(t: TokenPushdown, tried: Array) -> Array:
    """Return which token classes each slot holds in some text, and whether it may stay empty. `tried`: which
    ones it may be tried with. Both: bool [slots, classes + 1]."""
    ends = np.append(np.logical_and.accumulate(tried[::-1, -1])[::-1], True)  # all slots behind are empty
    return _allowed(t.plan, tried, ends)  # type: ignore[no-any-return]


@numba.njit
def _members(some: Array, found: Array) -> int:
    """Put the frames of a set, but for the text's, into `found`, the newest first; return how many."""
    count = 0
    for v in range(len(some) - 1, -1, -1):
        word, x = some[v], 64 * v + 63
        while word:
            if word >> np.uint64(63) and x:
                found[count] = x
                count += 1
            word <<= _ONE
            x -= 1
    return count


@numba.njit
def _allowed(plan: Plan, tried: Array, ends: Array) -> Array:
    moves, edges, calls, ways, returns, sizes = plan
    states, kinds, backs, begins, most = sizes
    slots = len(tried)
    words = (slots * begins) // 64 + 1  # frame 0 is the text's
    inside = np.zeros((slots + 1, states + kinds, words), np.uint64)
    popped = np.zeros((slots, most, kinds, words), np.uint64)
    share = np.zeros((slots, most, len(ways), words), np.uint64)
    called = np.zeros((backs, 64 * words, words), np.uint64)  # the frame called, the frames that called it
    ever = np.zeros((backs, 64 * words, words), np.uint64)  # those that called it or one before it
    is_called = np.zeros((backs, words), np.uint64)
    frame, is_open = np.zeros((slots, begins), np.int64), np.zeros((slots, len(moves)), np.bool_)
    used, stages, members = np.zeros((3, max(slots, 64 * words)), np.int64)  # used: words
    found, is_text = np.zeros(tried.shape, np.bool_), False
    inside[0, 0, 0], frames = _ONE, 1
    for k in range(slots):
        known = frames
        for call, back, begin, number in calls:
            if inside[k, call].any():
                if not frame[k, number]:
                    frame[k, number], frames = frames, frames + 1
                x = frame[k, number]
                inside[k, begin, x >> 6] |= _ONE << np.uint64(x & 63)
                is_called[back, x >> 6] |= _ONE << np.uint64(x & 63)
                called[back, x] |= inside[k, call]
        found[k, -1] = is_text  # a slot is empty in texts that end before it
        used[k] = (frames + 63) // 64
        for x in range(known, frames):
            ever[:, x] = ever[:, x - 1] | called[:, x]
        for i in range(len(edges)):
            is_open[k, edges[i, 0]] |= tried[k, edges[i, 1]]
        for m in range(len(moves)):
            if is_open[k, m]:
                for w in range(used[k]):
                    inside[k + 1, moves[m, 1], w] |= inside[k, moves[m, 0], w]
        while True:
            stage, is_left = stages[k], False
            popped[k, stage] = inside[k + 1, states:]
            inside[k + 1, states:] = 0
            is_text |= ends[k + 1] and bool(popped[k, stage, 0, 0] & _ONE)
            for i in range(len(ways)):
                back, u = ways[i]
                for n in range(_members(popped[k, stage, u], members)):
                    x, is_left, is_missing = members[n], True, False
                    for w in range(used[k]):
                        share[k, stage, i, w] |= called[back, x, w]
                        is_missing |= (ever[back, x, w] & ~share[k, stage, i, w]) != 0
                    if not is_missing:
                        break
            if not is_left:
                break
            for way, after in returns:
                inside[k + 1, after] |= share[k, stage, way]
            stages[k] += 1
    outside = np.zeros(
        (states + kinds, words), np.uint64
    )  # of the frames inside, those from which a text ends
    goes_on = np.zeros(called.shape, np.uint64)  # of the frames that called one, those from which a text ends
    is_whole = np.zeros((backs, words), np.uint64)  # all that called it
    some, then, hit = (
        np.zeros(words, np.uint64),
        np.zeros((len(ways), words), np.uint64),
        np.zeros(len(moves), np.bool_),
    )
    for k in range(slots - 1, -1, -1):
        outside[states, 0] = ends[k + 1]
        for stage in range(stages[k] - 1, -1, -1):
            then[:] = 0
            for way, after in returns:
                then[way] |= share[k, stage, way] & outside[after]
            outside[states:] = 0
            outside[states, 0] = ends[k + 1]
            for i in range(len(ways)):
                back, u = ways[i]
                is_all = True
                for w in range(used[k]):
                    is_all &= then[i, w] == share[k, stage, i, w]
                if is_all:
                    for w in range(used[k]):
                        some[w] = popped[k, stage, u, w] & is_called[back, w]
                        outside[states + u, w] |= some[w]
                        some[w] &= ~is_whole[back, w]
                        is_whole[back, w] |= some[w]
                    for n in range(_members(some, members)):
                        goes_on[back, members[n]] = called[back, members[n]]
                elif then[i].any():
                    for n in range(_members(popped[k, stage, u], members)):
                        x, is_left = members[n], False
                        for w in range(used[k]):
                            both = called[back, x, w] & then[i, w]
                            is_left |= both != 0
                            goes_on[back, x, w] |= both
                        if is_left:
                            outside[states + u, x >> 6] |= _ONE << np.uint64(x & 63)
        earlier = np.zeros((states + kinds, words), np.uint64)
        for m in range(len(moves)):
            hit[m] = False
            if is_open[k, m]:
                for w in range(used[k]):
                    both = inside[k, moves[m, 0], w] & outside[moves[m, 1], w]
                    earlier[moves[m, 0], w] |= both
                    hit[m] |= both != 0
        for i in range(len(edges)):
            found[k, edges[i, 1]] |= tried[k, edges[i, 1]] and hit[edges[i, 0]]
        for call, back, _, number in calls:
            earlier[call] |= goes_on[back, frame[k, number]] & inside[k, call]
        outside = earlier
    return found
