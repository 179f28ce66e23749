"""Which tokens a slot may hold under a token pushdown: `token_chart` in Booleans, 64 frames a word.

What is said of frames there (in which state they are, which ones are popped, which ones called a frame) is
a set of frames here: a row of bits. Cost: slots^2 * frames * remainders / 64 words.
"""

from __future__ import annotations

import numba
import numpy as np

from methods.token_pushdown import TokenPushdown

Array = np.ndarray
_ONE = np.uint64(1)


def allowed(t: TokenPushdown, weights: Array, tails: Array) -> tuple[Array, Array]:
    """Return whether there is a text of each length [slots + 1], and whether each class may stand in each
    slot [slots, classes]. `weights`: bool, which classes a slot may be tried with [slots, classes]; `tails`:
    bool, whether all slots from each one on may stay empty [slots + 1]."""
    backs, back_of_call = np.unique(t.calls[:, 1], return_inverse=True)
    begins, begin_of_call = np.unique(t.calls[:, 2], return_inverse=True)
    calls = np.stack((t.calls[:, 0], back_of_call, t.calls[:, 2], begin_of_call), axis=1).astype(np.int64)
    place = np.full(t.states, -1)
    place[backs] = np.arange(len(backs))
    known = t.returns[place[t.returns[:, 0]] >= 0]
    returns = np.concatenate((place[known[:, :1]], known[:, 1:]), axis=1)
    whole = [(at, 0, 0, back) for at, back in enumerate(backs.tolist())]  # nothing is left of the token
    returns = np.concatenate((np.array(whole, np.int64).reshape(-1, 4), returns))
    sizes = t.states, t.remainders, max(len(backs), 1), max(len(begins), 1)
    return _allowed(t.edges, calls, returns, weights, tails, *sizes)


@numba.njit
def _any(some: Array) -> bool:
    for word in some:
        if word:
            return True
    return False


@numba.njit
def _allowed(
    edges: Array,
    calls: Array,
    returns: Array,
    weights: Array,
    tails: Array,
    states: int,
    kinds: int,
    backs: int,
    begins: int,
) -> tuple[Array, Array]:
    slots, classes = weights.shape
    words = (slots * begins) // 64 + 1  # frame 0 is the text's
    most = 2 + kinds  # a frame is popped with a remainder that is shorter than that of the frame above
    inside = np.zeros((slots + 1, states, words), np.uint64)
    called = np.zeros((backs, words * 64, words), np.uint64)
    popped = np.zeros((slots, most, kinds, words), np.uint64)
    share = np.zeros((slots, most, backs, kinds, words), np.uint64)
    frame = np.zeros((slots, begins), np.int64)
    stages = np.zeros(slots, np.int64)
    lengths, moved = np.zeros(slots + 1, np.bool_), np.zeros((slots, classes), np.bool_)
    inside[0, 0, 0], frames = _ONE, 1
    for k in range(slots):
        for call, back, begin, number in calls:
            if _any(inside[k, call]):
                if not frame[k, number]:
                    frame[k, number], frames = frames, frames + 1
                x = frame[k, number]
                inside[k, begin, x >> 6] |= _ONE << np.uint64(x & 63)
                called[back, x] |= inside[k, call]
        for state, column, pops, after in edges:
            if weights[k, column]:
                if pops:
                    popped[k, 0, after] |= inside[k, state]
                else:
                    inside[k + 1, after] |= inside[k, state]
        stage, is_left = 0, True
        while is_left:
            is_left = False
            lengths[k + 1] |= tails[k + 1] and bool(popped[k, stage, 0, 0] & _ONE)
            for u in range(kinds):
                if _any(popped[k, stage, u]):
                    for x in range(1, frames):
                        if popped[k, stage, u, x >> 6] >> np.uint64(x & 63) & _ONE:
                            is_left = True
                            for back in range(backs):
                                share[k, stage, back, u] |= called[
                                    back, x
                                ]  # who called; later, what is ahead
            if is_left:
                for back, u, pops, after in returns:
                    if pops:
                        popped[k, stage + 1, after] |= share[k, stage, back, u]
                    else:
                        inside[k + 1, after] |= share[k, stage, back, u]
                stage += 1
        stages[k] = stage
    outside = np.zeros((states, words), np.uint64)
    for k in range(slots - 1, -1, -1):
        ahead = np.zeros((kinds, words), np.uint64)
        for stage in range(stages[k], -1, -1):
            before = np.zeros((kinds, words), np.uint64)
            if stage < stages[k]:
                share[k, stage] = 0
                for back, u, pops, after in returns:
                    share[k, stage, back, u] |= ahead[after] if pops else outside[after]
                for u in range(kinds):
                    for x in range(1, frames):
                        if popped[k, stage, u, x >> 6] >> np.uint64(x & 63) & _ONE:
                            for back in range(backs):
                                if _any(called[back, x] & share[k, stage, back, u]):
                                    before[u, x >> 6] |= _ONE << np.uint64(x & 63)
            if tails[k + 1]:
                before[0, 0] |= _ONE
            ahead = before
        earlier = np.zeros((states, words), np.uint64)
        for state, column, pops, after in edges:
            if weights[k, column]:
                then = ahead[after] if pops else outside[after]
                earlier[state] |= then
                if not moved[k, column]:
                    moved[k, column] = _any(inside[k, state] & then)
        for call, back, _, number in calls:
            x = frame[k, number]
            if x and _any(inside[k, call]):
                for later in range(k, slots):
                    for stage in range(stages[later]):
                        for u in range(kinds):
                            if popped[later, stage, u, x >> 6] >> np.uint64(x & 63) & _ONE:
                                earlier[call] |= share[later, stage, back, u]
        outside = earlier
    return lengths, moved
