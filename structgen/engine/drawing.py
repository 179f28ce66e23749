"""The choice of a token for each row of logits, compiled, for logits that lie in the memory of the CPU.

What `choice` says of penalties, filters and noise is done here in a pass or two over a row: the sums of the
exponentials of all tokens and of the allowed ones, the likeliest of either, and the draw. Noise costs a
logarithm of a logarithm; a token is asked for it only where a bound on what its noise can be (the leading
ones of its uniform number) lets it still win.
"""

from __future__ import annotations

import math

import numpy as np

from structgen.jit import entry, jit

LOGPROB, CONSTRAINED, REMOVED = range(3)
"""Columns of the figures that come out."""
TOKEN, ALLOWED, WANTED, FAULTY, CHOSEN_AT = range(5)
"""Columns of the numbers that come out; the last is the row of the logits."""
PLACE, LINE, WHICH, NODE, FIRST, LAST = range(6)
"""Columns of a text: its rows of the logits, of the masks and of the penalised logits (-1: none); the number
of the node of its draft where it stands (0: the root), and which of all guesses are its own."""
STREAM, POSITION = range(2)
"""Columns of the noise of a text: `noise.sample_key`, and the place of the next token."""
GUESS, PARENT, READY = range(3)
"""Columns of a guess: the token, its parent among the text's guesses (-1: the root), whether its mask is
there."""
TEMPERATURE, TOP_P, MIN_P, TOP_K = range(4)
"""Columns of the options of a row."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LN2 = math.log(2.0)
_EVERY = np.int32(-1)
_WORD = 32
_FEW = 8
"""Bits of a word below which each is looked for."""
_LANES = 256
"""Candidates whose noise is bounded at once."""
_SLACK = 1e-9
"""More than the error of a bound."""
_FAINT = 1e-25
"""A share below which the sum of single-precision exponentials says nothing; it is then made anew."""


@jit
def exponentials(row, start, count, top, out):
    """Write e^(row - top) of `count` numbers from `start` on to `out`, to seven digits; what is below e^-87
    counts as e^-87. A polynomial after powers of two (Cephes' expf), so that it runs in lanes."""
    for i in range(count):
        x = np.float32(row[start + i] - top)
        if x < np.float32(-87.0):
            x = np.float32(-87.0)
        n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
        r = np.float32(x - n * np.float32(0.693359375))
        r = np.float32(r - n * np.float32(-2.12194440e-4))
        y = np.float32(1.9875691500e-4)
        y = np.float32(y * r + np.float32(1.3981999507e-3))
        y = np.float32(y * r + np.float32(8.3334519073e-3))
        y = np.float32(y * r + np.float32(4.1665795894e-2))
        y = np.float32(y * r + np.float32(1.6666665459e-1))
        y = np.float32(y * r + np.float32(5.0000001201e-1))
        y = np.float32(y * r * r + r + np.float32(1.0))
        bits = np.int32((np.int32(n) + np.int32(127)) << np.int32(23))
        out[i] = np.float32(y * bits.view(np.float32))


@jit
def highest(row):
    """Return the greatest number of a row; what is no number is passed over."""
    a = b = c = d = np.float32(-np.inf)
    whole = len(row) & ~3
    for i in range(0, whole, 4):
        a = row[i] if row[i] > a else a
        b = row[i + 1] if row[i + 1] > b else b
        c = row[i + 2] if row[i + 2] > c else c
        d = row[i + 3] if row[i + 3] > d else d
    for i in range(whole, len(row)):
        a = row[i] if row[i] > a else a
    return max(max(a, b), max(c, d))


@jit
def total(values, count):
    """Return the sum of the first `count` numbers."""
    a = b = c = d = 0.0
    whole = count & ~3
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(whole, count):
        a += values[i]
    return (a + b) + (c + d)


@jit
def mixed(word):
    """Return SplitMix64's mix of a word."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@jit
def uniform_of(key, token):
    """Return the uniform number of a token, of 53 bits, between 0 and 1; `noise` says what of."""
    word = mixed(key + np.uint64(token + 1) * _GOLDEN)
    return (np.float64(np.int64(word >> np.uint64(11))) + 0.5) * 2.0**-53


@jit
def first_highest(scores, count):
    """Return where the first of the highest of `count` scores is."""
    at = 0
    for i in range(1, count):
        if scores[i] > scores[at]:
            at = i
    return at


@jit
def bounds(key, ids, scores, start, count, uniforms, most):
    """Write the uniform numbers of `count` candidates from `start` on, and the most that each one's score and
    noise can come to: noise is at most -log(1 - uniform), and that at most as many ln 2 as 1 - uniform has
    leading zeros. No branches: it runs in lanes."""
    for i in range(count):
        uniform = uniform_of(key, ids[start + i])
        gap = np.float64(1.0 - uniform)
        uniforms[i] = uniform
        most[i] = scores[start + i] + np.float64(1023 - (gap.view(np.int64) >> 52)) * _LN2 + _SLACK


@jit
def drawn(key, ids, scores, count):
    """Return the token whose score plus Gumbel noise is the greatest; of equals the smallest."""
    first = first_highest(scores, count)
    token = ids[first]
    best = scores[first] - math.log(-math.log(uniform_of(key, token)))
    uniforms, most = np.empty(_LANES), np.empty(_LANES)
    for start in range(0, count, _LANES):
        length = min(_LANES, count - start)
        bounds(key, ids, scores, start, length, uniforms, most)
        for i in range(length):
            if most[i] < best:
                continue
            noisy = scores[start + i] - math.log(-math.log(uniforms[i]))
            if noisy > best or (noisy == best and ids[start + i] < token):
                best, token = noisy, ids[start + i]
    return token


@jit
def filtered(how, ids, scores, count):
    """Keep of candidates those that top-k, top-p and min-p leave, in front; returns how many."""
    top = scores[0]
    for i in range(1, count):
        top = max(top, scores[i])
    most, nucleus, least = np.int64(how[TOP_K]), how[TOP_P], how[MIN_P]
    if most == 0 and nucleus >= 1.0:
        kept = 0
        for i in range(count):
            if math.exp(scores[i] - top) >= least:
                ids[kept], scores[kept] = ids[i], scores[i]
                kept += 1
        return kept
    shares = np.empty(count, np.float32)
    exponentials(scores, 0, count, top, shares)
    whole = total(shares, count) if most == 0 else 0.0
    if most == 0:
        most = count
    # a part of the likeliest is sorted, which holds whatever is kept; mostly the first is enough
    reach = 2.0
    part = np.empty(count, np.int64)
    while True:
        reach *= 2.0
        found, mass = 0, 0.0
        for i in range(count):
            if scores[i] >= top - reach or reach > 64.0:
                part[found] = i
                found += 1
                mass += shares[i]
        if reach > 64.0 or found >= most or (whole > 0.0 and mass > nucleus * whole):
            break
    order = part[:found][np.argsort(-scores[part[:found]], kind="mergesort")][:most]
    if whole == 0.0:
        for i in order:
            whole += shares[i]
    kept, mass = 0, 0.0
    new_ids, new_scores = ids[order], scores[order]
    for i in range(len(order)):
        # the token that reaches the mass is kept
        if kept > 0 and (mass >= nucleus * whole or math.exp(new_scores[i] - top) < least):
            break
        mass += shares[order[i]]
        ids[i], scores[i] = new_ids[i], new_scores[i]
        kept += 1
    return kept


@jit
def bits_of(words, word):
    """Return a word of a mask: all tokens where there is none, no tokens beyond its end."""
    if len(words) == 0:
        return _EVERY
    return words[word] if word < len(words) else np.int32(0)


@jit
def is_allowed(words, token):
    """Return whether a mask allows a token."""
    return bits_of(words, token >> 5) & np.int32(1 << (token & 31)) != 0


@jit
def exact_total(row, words, top):
    """Return the sum of e^(row - top) over the allowed tokens, in double precision."""
    found = 0.0
    for token in range(len(row)):
        if is_allowed(words, token):
            found += math.exp(np.float64(row[token]) - top)
    return found


@jit
def within(bits, length):
    """Return a word without the bits past the first `length`: there are no such tokens."""
    return bits if length == _WORD else bits & np.int32((1 << length) - 1)


@jit
def ones(bits):
    """Return how many bits of a word are set."""
    n = np.int64(bits) & np.int64(0xFFFFFFFF)
    n -= (n >> 1) & np.int64(0x55555555)
    n = (n & np.int64(0x33333333)) + ((n >> 2) & np.int64(0x33333333))
    n = (n + (n >> 4)) & np.int64(0x0F0F0F0F)
    return ((n * np.int64(0x01010101)) >> 24) & np.int64(0xFF)


@jit
def lowest(bits):
    """Return which is the lowest bit that is set, of a word as an int64: the exponent of its value."""
    return (np.float64(bits & -bits).view(np.int64) >> 52) - 1023


@jit
def sum_of_allowed(bits, values, count):
    """Return the sum of those of the first `count` numbers whose bits are set; the others become 0. Few are
    added one by one, many without branches: of a mask half full, half would be foreseen wrongly."""
    if ones(bits) < _FEW:
        found = 0.0
        left = np.int64(bits) & np.int64(0xFFFFFFFF)
        while left != 0:
            found += values[lowest(left)]
            left &= left - 1
        return found
    for i in range(count):
        values[i] *= np.float32((bits >> np.int32(i)) & np.int32(1))
    return total(values, count)


@jit
def sums_of(raw, words, part, top):
    """Return the sums of e^(raw - top) over all tokens and over the allowed, and how many are allowed."""
    size = len(raw)
    every = some = 0.0
    count = 0
    for word in range((size + _WORD - 1) // _WORD):
        start = word * _WORD
        length = min(_WORD, size - start)
        exponentials(raw, start, length, top, part)
        block = total(part, length)
        every += block
        bits = bits_of(words, word)
        if bits == _EVERY and length == _WORD:
            some += block
            count += _WORD
        elif bits != 0:
            bits = within(bits, length)
            some += sum_of_allowed(bits, part, length)
            count += ones(bits)
    return every, some, count


@jit
def candidates(raw, words, scores, has_scores, ids, out):
    """List the allowed tokens and their scores (raw logits where there are no others); return how many."""
    size, count = len(raw), 0
    for word in range((size + _WORD - 1) // _WORD):
        bits = bits_of(words, word)
        if bits == 0:
            continue
        start = word * _WORD
        length = min(_WORD, size - start)
        bits = within(bits, length)
        if ones(bits) < _FEW:
            left = np.int64(bits) & np.int64(0xFFFFFFFF)
            while left != 0:
                token = start + lowest(left)
                left &= left - 1
                ids[count] = token
                out[count] = scores[token] if has_scores else np.float64(raw[token])
                count += 1
            continue
        if bits == _EVERY:
            for i in range(_WORD):
                ids[count + i] = start + i
                out[count + i] = scores[start + i] if has_scores else np.float64(raw[start + i])
            count += _WORD
            continue
        # all are written, and the next one over those that are not allowed
        for i in range(length):
            token = start + i
            ids[count] = token
            out[count] = scores[token] if has_scores else np.float64(raw[token])
            count += (bits >> np.int32(i)) & np.int32(1)
    return count


@jit
def draw_row(raw, words, scores_of, has_scores, key, how, part, ids, scores, numbers, figures):
    """Choose a token of a row of logits, write what became of its probabilities, and return it.

    `words` is its mask, `scores_of` its logits after penalties if it `has_scores`, `key` that of its noise,
    `how` its options; `part`, `ids` and `scores` are room to work in, `numbers` and `figures` what is
    written.
    """
    size = len(raw)
    top = highest(raw)
    every, some, count = sums_of(raw, words, part, top)
    wanted = 0
    while wanted < size - 1 and raw[wanted] != top:
        wanted += 1
    faulty = not math.isfinite(every) or count == 0
    found = 0
    if how[TEMPERATURE] > 0.0 or has_scores or not is_allowed(words, wanted) or some <= _FAINT * every:
        found = candidates(raw, words, scores_of, has_scores, ids, scores)
    token, whole, left, removed = wanted, np.nan, np.nan, np.nan
    if not faulty:
        whole = np.float64(top) + math.log(every)
        if len(words) == 0:
            left, removed = whole, 0.0
        elif some > _FAINT * every:
            left, removed = np.float64(top) + math.log(some), max(0.0, 1.0 - some / every)
        else:
            high = -np.inf
            for i in range(found):
                high = max(high, np.float64(raw[ids[i]]))
            left = high + math.log(exact_total(raw, words, high))
            removed = 1.0
            faulty = not math.isfinite(left)
    if not faulty:
        if how[TEMPERATURE] == 0.0:
            if found > 0:
                token = ids[first_highest(scores, found)]
        else:
            if how[TEMPERATURE] != 1.0:
                for i in range(found):
                    scores[i] /= how[TEMPERATURE]
            if how[TOP_K] > 0.0 or how[TOP_P] < 1.0 or how[MIN_P] > 0.0:
                found = filtered(how, ids, scores, found)
            token = drawn(key, ids, scores, found)
    numbers[TOKEN], numbers[ALLOWED] = token, count
    numbers[WANTED], numbers[FAULTY] = wanted, faulty
    figures[LOGPROB], figures[CONSTRAINED] = raw[token] - whole, raw[token] - left
    figures[REMOVED] = removed
    return token


@jit
def child_of(guesses, first, last, node, token):
    """Return the number of the node that is a token behind a node of a text's draft, and has a mask; -1 where
    there is none. The draft is guesses[first:last]."""
    for i in range(first, last):
        if guesses[i, PARENT] == node - 1 and guesses[i, GUESS] == token:
            return i - first + 1 if guesses[i, READY] != 0 else -1
    return -1


@entry(
    "void(float32[:, ::1], int32[:, ::1], int64[:, ::1], uint64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " int32[:, ::1], int64[:, ::1], float64[:, ::1], int64[::1])"
)
def draw_along(logits, masks, texts, noise, options, penalised, guesses, numbers, figures, ends):
    """Choose a token for each text; and where it is a guess of the text's draft, whose logits and mask lie
    ready, the next one too, and so on.

    `texts`, `noise`, `options` (one row for each text) and `guesses` have the columns above; `masks` has no
    columns where all tokens are allowed; `penalised` has the logits of texts with penalties, which depend on
    what the text holds: of those one token is chosen. The answers of a text go to the next rows of `numbers`
    and `figures`, `ends` says how many there are up to its last one. Cost: 2 ns a token of the vocabulary
    on one core, and for a draw some more for each allowed one.
    """
    size = logits.shape[1]
    part = np.empty(_WORD, np.float32)
    ids, scores = np.empty(size, np.int64), np.empty(size, np.float64)
    at = 0
    for text in range(len(texts)):
        place, line, node = texts[text, PLACE], texts[text, LINE], texts[text, NODE]
        first, last = texts[text, FIRST], texts[text, LAST]
        which = texts[text, WHICH]
        position = noise[text, POSITION]
        while True:
            words = masks[line] if masks.shape[1] > 0 else masks[0]
            key = mixed(noise[text, STREAM] + position + _GOLDEN)
            numbers[at, CHOSEN_AT] = place
            token = draw_row(
                logits[place], words, penalised[max(which, 0)], which >= 0, key, options[text],
                part, ids, scores, numbers[at], figures[at],
            )  # fmt: skip
            at += 1
            if which >= 0 or numbers[at - 1, FAULTY] != 0:
                break
            after = child_of(guesses, first, last, node, token)
            if after < 0:
                break
            place, line = place + after - node, line + after - node
            node, position = after, position + np.uint64(1)
        ends[text] = at
