"""The definition of every kernel's result, in plain torch. Tests compare with it, and it is used without
Triton.

**Noise.** The noise of a draw is a function of a key and an index. The key is that of one position of one
sample; SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) turns key and
index into a 64-bit word, its upper 53 bits into a uniform number, and that into Gumbel noise.

**The draw.** Adding Gumbel noise to every score and taking the greatest draws from the softmax of the
scores, but two logarithms for each of 128,000 tokens cost ten times what reading them costs. So a draw
has two levels. The vocabulary is cut into tiles of TILE tokens. First a tile is drawn: its score is the
logarithm of the sum of its tokens' exponentials, plus the noise of index -(tile + 1). Then a token of
that tile is drawn: its score is its logit over the temperature, plus the noise of index token + 1. Noise
is thus made for V / TILE tiles and TILE tokens, not for V tokens. Scores and noise are added in float64;
of equal ones the first wins.

    scores   | tile 0         | tile 1         | tile 2         | ...
               log-sum-exp      log-sum-exp      log-sum-exp
               + Gumbel         + Gumbel (max)   + Gumbel
                                | token, token, token, ... | each + Gumbel: the greatest is drawn
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

TILE = 1024
"""Tokens of a tile of the draw. It is part of the definition: with another number other tokens are drawn."""

COLDEST, HOTTEST = 1e-30, 1e30
"""Bounds of temperatures. A lower one counts as 0 (take the likeliest token), a higher one as the upper
bound."""

GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The constants of SplitMix64."""

FIGURES = 6
"""Numbers that `Sampled` has for each row."""
NEVER = float("-inf")
_WORD = (1 << 64) - 1
_TOGETHER = 32
"""Rows whose scores are computed together: about 50 bytes for each of their tokens."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The result of `masked_sample` for n rows. A row is faulty if a logit is NaN or plus infinity."""

    figures: Tensor
    """int64 [6, n], in one tensor so that one copy brings all to main memory: the six properties that follow
    are its rows, in this order; of those of floats it has the bits."""

    @property
    def tokens(self) -> Tensor:
        """int64 [n]: the drawn token; -1 if no token is possible, or the row is faulty."""
        return self.figures[0]

    @property
    def log_z(self) -> Tensor:
        """float64 [n]: the log-sum-exp of all logits, at temperature 1; NaN if the row is faulty."""
        return self.figures[1].view(torch.float64)

    @property
    def log_z_allowed(self) -> Tensor:
        """float64 [n]: the same over the allowed tokens, before filters; minus infinity if none is
        possible."""
        return self.figures[2].view(torch.float64)

    @property
    def log_probs(self) -> Tensor:
        """float64 [n]: the drawn token's log-probability among all tokens, which is its logit minus `log_z`.
        Minus infinity if no token is possible, NaN if the row is faulty."""
        return self.figures[3].view(torch.float64)

    @property
    def allowed(self) -> Tensor:
        """int64 [n]: how many tokens the mask allows, whatever their logits are."""
        return self.figures[4]

    @property
    def likeliest(self) -> Tensor:
        """int64 [n]: the token with the greatest logit, allowed or not, of equal ones the smallest; -1 if the
        row is faulty, or all its logits are minus infinity."""
        return self.figures[5]

    @property
    def log_probs_allowed(self) -> Tensor:
        """float64 [n]: the log-probability of the drawn token among the allowed ones; equal to `log_probs` if
        there is no token. Cost: a few operations on n numbers."""
        among = self.log_probs + (self.log_z - self.log_z_allowed)
        return torch.where(self.tokens < 0, self.log_probs, among)


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of `verify` for R trees."""

    paths: Tensor
    """int32 [R, most nodes]: the accepted nodes, from the first node on; -1 after the last."""
    lengths: Tensor
    """int32 [R]: the number of accepted nodes, the first one included."""
    tokens: Tensor
    """int64 [R]: the token chosen after the last accepted node; -1 if none was possible."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The result of `advance`."""

    states: Tensor
    """int32, shaped like the tokens: the state after each token; -1 if it is not allowed."""
    indices: Tensor | None
    """int32 [*tokens, K]: the rows of the mask store for each state; all -1 for a dead one."""


# --- noise ------------------------------------------------------------------------------------------------


def signed(word: int) -> int:
    """Return the signed integer with the bits of a 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


def shifted(word: Tensor, bits: int) -> Tensor:
    """Return int64 words shifted to the right logically; torch's own shift copies the sign."""
    return (word >> bits) & ((1 << (64 - bits)) - 1)


def mixed(word: Tensor) -> Tensor:
    """Return SplitMix64's mix of int64 words."""
    word = (word ^ shifted(word, 30)) * signed(FIRST)
    word = (word ^ shifted(word, 27)) * signed(SECOND)
    return word ^ shifted(word, 31)


def sample_key(seed: int, sample: int = 0) -> int:
    """Return the 64-bit key of one sample's noise, as a signed integer: the `seed` of `masked_sample`."""
    key = 0
    for part in (seed, sample):
        key = (key + (part & _WORD) + GOLDEN) & _WORD
        key = ((key ^ (key >> 30)) * FIRST) & _WORD
        key = ((key ^ (key >> 27)) * SECOND) & _WORD
        key ^= key >> 31
    return signed(key)


def position_keys(seeds: Tensor, positions: Tensor) -> Tensor:
    """Return the int64 keys of the noise at positions of samples whose keys are given."""
    return mixed(seeds + positions + signed(GOLDEN))


def words(keys: Tensor, index: Tensor) -> Tensor:
    """Return the 64-bit words, as int64, of keys and indices (token + 1, or -(tile + 1))."""
    return mixed(keys + index * signed(GOLDEN))


def gumbel(word: Tensor) -> Tensor:
    """Return float64 Gumbel noise of 64-bit words."""
    uniform = (shifted(word, 11).to(torch.float64) + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


# --- masks ------------------------------------------------------------------------------------------------


def allowed_of(mask: Tensor, width: int) -> Tensor:
    """Return bool [rows, width] of a mask's bits, int32 [rows, words]; False past its end."""
    bits = torch.arange(32, dtype=torch.int32, device=mask.device)
    allowed = ((mask.unsqueeze(-1) >> bits) & 1).ne(0).flatten(1)[:, :width]
    return torch.nn.functional.pad(allowed, (0, width - allowed.shape[1]))


def united(store: Tensor, indices: Tensor, overlays: Tensor | None) -> Tensor:
    """Return the masks int32 [n, words] that are unions of rows of a store and its overlays."""
    rows = store if overlays is None else torch.cat((store, overlays))
    # an added row allows nothing: an index that names no row is mapped to it
    rows = torch.cat((rows, rows.new_zeros(1, rows.shape[1])))
    none = rows.shape[0] - 1
    index = indices.long()
    index = torch.where((index < 0) | (index >= none), none, index)
    union = rows[index[:, 0]]
    for k in range(1, index.shape[1]):
        union = union | rows[index[:, k]]
    return union


def apply_mask_(logits: Tensor, mask: Tensor, rows: Tensor | None = None) -> Tensor:
    """Write minus infinity where a mask does not allow a token; see `masking.apply_mask_`."""
    allowed = allowed_of(mask, logits.shape[1])
    if rows is None:
        return logits.masked_fill_(~allowed, NEVER)
    if logits.shape[0] == 0:
        return logits
    rows = rows.long()
    there = (rows >= 0) & (rows < logits.shape[0])
    at = rows[there]
    logits[at] = logits[at].masked_fill(~allowed[there], NEVER)
    return logits


def apply_store_mask_(
    logits: Tensor, store: Tensor, indices: Tensor, overlays: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """Write minus infinity where no row that is named allows a token; see `masking.apply_store_mask_`."""
    return apply_mask_(logits, united(store, indices, overlays), rows)


# --- the draw ---------------------------------------------------------------------------------------------


def masked_sample(
    logits: Tensor,
    mask: Tensor | None,
    rows: Tensor | None,
    temperature: Tensor,
    top_k: Tensor,
    top_p: Tensor,
    min_p: Tensor,
    seed: Tensor,
    position: Tensor,
) -> Sampled:
    """Return a token for each line, and the figures of `Sampled`; see `sampling.masked_sample`. Every option
    is a tensor [lines]."""
    count, device = len(temperature), logits.device
    found = Sampled(torch.empty((FIGURES, count), dtype=torch.int64, device=device))
    tokens, allowed, likeliest = found.tokens, found.allowed, found.likeliest
    whole, left, log_probs = found.log_z, found.log_z_allowed, found.log_probs
    chosen = torch.arange(count, device=device) if rows is None else rows.long()
    for start in range(0, count, _TOGETHER):
        part = slice(start, min(start + _TOGETHER, count))
        is_row = (chosen[part] >= 0) & (chosen[part] < logits.shape[0])
        raw = logits[torch.where(is_row, chosen[part], 0)].float().double()
        faulty = ~is_row | (raw.isnan() | (raw == float("inf"))).any(-1)
        raw = raw.masked_fill(faulty[:, None], NEVER)
        is_allowed = torch.ones_like(raw, dtype=torch.bool)
        if mask is not None:
            is_allowed = allowed_of(mask[part], raw.shape[1])
        masked = raw.masked_fill(~is_allowed, NEVER)
        kept = filtered(masked, temperature[part], top_k[part], top_p[part], min_p[part])
        drawn = draw(kept, temperature[part], position_keys(seed[part], position[part]))
        is_none = kept.isinf().all(-1)
        nan = torch.full_like(whole[part], float("nan"))
        sums = torch.logsumexp(raw, -1)
        logit = raw.gather(1, drawn[:, None]).squeeze(1)
        tokens[part] = torch.where(is_none, -1, drawn)
        whole[part] = torch.where(faulty, nan, sums)
        left[part] = torch.where(faulty, nan, torch.logsumexp(masked, -1))
        log_probs[part] = torch.where(faulty, nan, torch.where(is_none, NEVER, logit - sums))
        allowed[part] = is_allowed.sum(-1)
        likeliest[part] = torch.where(raw.isinf().all(-1), -1, raw.argmax(-1))
    return found


def draw(scores: Tensor, temperature: Tensor, keys: Tensor) -> Tensor:
    """Return the int64 tokens [n] drawn from float64 logits [n, V] in two levels, as the module says; at
    temperature 0 the greatest. Logits of minus infinity are never drawn, if there are others."""
    width = scores.shape[1]
    is_greedy = ~(temperature >= COLDEST)
    heat = torch.where(is_greedy, 1.0, temperature.double().clamp(max=HOTTEST))[:, None]
    tiles = -(-width // TILE)
    tiled = torch.nn.functional.pad(scores / heat, (0, tiles * TILE - width), value=NEVER)
    tiled = tiled.unflatten(1, (tiles, TILE))
    noise = gumbel(words(keys[:, None], -1 - torch.arange(tiles, device=keys.device)))
    levels = torch.logsumexp(tiled, -1) + noise
    tile = torch.where(is_greedy[:, None], tiled.amax(-1), levels).argmax(-1)
    within = tiled.gather(1, tile[:, None, None].expand(-1, 1, TILE)).squeeze(1)
    token = tile[:, None] * TILE + torch.arange(TILE, device=keys.device)
    noisy = within + gumbel(words(keys[:, None], token + 1))
    best = torch.where(is_greedy[:, None], within, noisy).argmax(-1)
    return token.gather(1, best[:, None]).squeeze(1)


def filtered(scores: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor:
    """Return float64 logits [n, V] with minus infinity where top-k, top-p and min-p leave a token out.

    Top-k keeps the k greatest (of equal ones the smallest ids); of these, in descending order, top-p keeps
    those before which less than `top_p` of the mass stands; min-p keeps those at least `min_p` times as
    likely as the likeliest. The likeliest is always kept. A temperature of 0, which takes the likeliest, is
    not filtered.
    """
    is_greedy = ~(temperature >= COLDEST)
    is_plain = is_greedy | ((top_k <= 0) & (top_p >= 1) & (min_p <= 0))
    if bool(is_plain.all()):
        return scores
    heat = torch.where(is_greedy, 1.0, temperature.double().clamp(max=HOTTEST))[:, None]
    best, order = scores.sort(dim=-1, descending=True, stable=True)
    places = torch.arange(scores.shape[1], device=scores.device)
    k = top_k[:, None]
    best = best.masked_fill((k > 0) & (places >= k), NEVER)
    top = best[:, :1]
    share = torch.exp((best - torch.where(top.isinf(), 0.0, top)) / heat)
    before = share.cumsum(-1) - share
    whole = share.sum(-1, keepdim=True)
    is_kept = (before < top_p.double()[:, None] * whole) | (top_p >= 1)[:, None]
    is_kept &= share >= min_p.double()[:, None]
    is_kept[:, 0] = True
    kept = torch.full_like(scores, NEVER).scatter(1, order, best.masked_fill(~is_kept, NEVER))
    return torch.where(is_plain[:, None], scores, kept)


# --- drafts and automata ----------------------------------------------------------------------------------


def placed(parents: Tensor, starts: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return the tree of each node and its depth below the first node; see `trees.sample_tree`. For nodes
    past the first `most` of a tree, and for nodes of no tree, the depth is 0."""
    owners, depths = (
        torch.zeros(len(parents), dtype=torch.int64),
        torch.zeros(len(parents), dtype=torch.int64),
    )
    behind, bounds = parents.tolist(), starts.tolist()
    for tree, (start, end) in enumerate(pairwise(bounds)):
        for node in range(min(end - start, most, len(parents) - start)):
            # a parent comes before its children
            above = behind[start + node]
            depth = int(depths[start + above]) + 1 if 0 <= above < node else 0
            owners[start + node], depths[start + node] = tree, depth
    return owners.to(parents.device), depths.to(parents.device)


def verify(sampled: Tensor, tokens: Tensor, parents: Tensor, starts: Tensor, most: int) -> Verified:
    """Return the accepted paths of draft trees, node by node; see `trees.verify`."""
    trees = len(starts) - 1
    paths = torch.full((trees, most), -1, dtype=torch.int32)
    lengths = torch.zeros(trees, dtype=torch.int32)
    last = torch.full((trees,), -1, dtype=torch.int64)
    chosen, guessed, behind, bounds = (t.tolist() for t in (sampled, tokens, parents, starts))
    for tree in range(trees):
        start, end = bounds[tree], min(bounds[tree + 1], bounds[tree] + most, len(sampled))
        node: int | None = 0 if start < end else None
        while node is not None:
            paths[tree, lengths[tree]] = node
            lengths[tree] += 1
            want = last[tree] = chosen[start + node]
            children = (
                i
                for i in range(node + 1, end - start)
                if want >= 0 and behind[start + i] == node and guessed[start + i] == want
            )
            node = next(children, None)
    device = sampled.device
    return Verified(paths.to(device), lengths.to(device), last.to(device))


def advance(
    states: Tensor,
    tokens: Tensor,
    transitions: Tensor,
    token_class: Tensor,
    automata: Tensor | None,
    state_rows: Tensor | None,
) -> Advanced:
    """Return the states of automata after tokens [n, L]; see `automata.advance`."""
    which = torch.zeros_like(states) if automata is None else automata
    state = states.long()
    after = torch.empty(tokens.shape, dtype=torch.int32, device=tokens.device)
    for step in range(tokens.shape[1]):
        token = tokens[:, step].long()
        is_alive = (state >= 0) & (state < transitions.shape[0])
        is_alive &= (token >= 0) & (token < token_class.shape[1])
        is_alive &= (which >= 0) & (which < token_class.shape[0])
        column = token_class[torch.where(is_alive, which, 0).long(), torch.where(is_alive, token, 0)].long()
        is_alive &= (column >= 0) & (column < transitions.shape[1])
        following = transitions[torch.where(is_alive, state, 0), torch.where(is_alive, column, 0)].long()
        state = torch.where(is_alive, following, -1)
        after[:, step] = state
    if state_rows is None:
        return Advanced(after, None)
    index = after.long()
    is_there = (index >= 0) & (index < state_rows.shape[0])
    indices = state_rows[torch.where(is_there, index, 0)].to(torch.int32)
    return Advanced(after, torch.where(is_there[..., None], indices, -1))
