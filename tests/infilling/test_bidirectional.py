"""The forward pass of masked models in Llama's layout: which positions it reads, alone and among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from structgen.errors import OptionError, StructgenError, TokenError
from structgen.infilling.bidirectional import BidirectionalLlama, BlockCached
from structgen.infilling.masked_model import MaskedModel

MASK, WORDS = 2, 40
CONFIG: dict[str, Any] = {
    "architectures": ["StructgenInfill"],
    "is_causal": False,
    "mask_token_id": MASK,
    "pad_token_id": 0,
    "logits_shift": 1,
    "max_position_embeddings": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "head_dim": 8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
}


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """Return random weights of the sizes in CONFIG, large enough that positions feel each other."""
    chance = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return chance.normal(0.0, 0.4, shape).astype(np.float32)

    found = {"model.embed_tokens.weight": drawn(WORDS, 16), "model.norm.weight": 1 + drawn(16)}
    for layer in range(CONFIG["num_hidden_layers"]):
        shapes = {
            "self_attn.q_proj": (16, 16),
            "self_attn.k_proj": (16, 16),
            "self_attn.v_proj": (16, 16),
            "self_attn.o_proj": (16, 16),
            "mlp.gate_proj": (24, 16),
            "mlp.up_proj": (24, 16),
            "mlp.down_proj": (16, 24),
        }
        for name, shape in shapes.items():
            found[f"model.layers.{layer}.{name}.weight"] = drawn(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"model.layers.{layer}.{name}.weight"] = 1 + drawn(16)
    return found


@pytest.fixture(scope="module")
def model() -> BidirectionalLlama:
    return BidirectionalLlama(CONFIG, tensors())


def canvas(length: int, masked: int, seed: int = 1) -> np.ndarray:
    """Return random ids whose last `masked` slots are masks."""
    ids = np.random.default_rng(seed).integers(3, WORDS, length)
    ids[length - masked :] = MASK
    return ids


def plainly(weights: dict[str, np.ndarray], ids: np.ndarray, *, causal_prefix: bool = False) -> np.ndarray:
    """Return the logits, position by position and head by head, in float64: the definition, written out."""
    masked = np.flatnonzero(ids == MASK)
    first = int(masked[0]) if len(masked) else len(ids)
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    head, heads, length = CONFIG["head_dim"], CONFIG["num_attention_heads"], len(ids)

    def norm(row: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return row / np.sqrt((row**2).mean() + CONFIG["rms_norm_eps"]) * weight

    def turned(row: np.ndarray, place: int) -> np.ndarray:
        half, out = head // 2, np.empty(head)
        for i in range(half):
            angle = place * CONFIG["rope_theta"] ** (-2 * i / head)
            out[i] = row[i] * np.cos(angle) - row[i + half] * np.sin(angle)
            out[i + half] = row[i + half] * np.cos(angle) + row[i] * np.sin(angle)
        return out

    x = w["model.embed_tokens.weight"][ids]
    for layer in range(CONFIG["num_hidden_layers"]):
        own = {k.removeprefix(f"model.layers.{layer}."): v for k, v in w.items() if f"layers.{layer}." in k}
        normed = [norm(row, own["input_layernorm.weight"]) for row in x]
        q, k, v = (
            np.array([own[f"self_attn.{kind}_proj.weight"] @ row for row in normed]).reshape(
                length, heads, head
            )
            for kind in "qkv"
        )
        read = np.zeros((length, heads, head))
        for i in range(length):
            for h in range(heads):
                seen = i + 1 if causal_prefix and (i < first - 1 or first == length) else length
                scores = [turned(q[i, h], i) @ turned(k[j, h], j) / np.sqrt(head) for j in range(seen)]
                shares = np.exp(scores) / np.exp(scores).sum()
                read[i, h] = shares @ v[:seen, h]
        x = x + np.array([own["self_attn.o_proj.weight"] @ row.ravel() for row in read])
        for i in range(length):
            row = norm(x[i], own["post_attention_layernorm.weight"])
            gate, up = own["mlp.gate_proj.weight"] @ row, own["mlp.up_proj.weight"] @ row
            x[i] = x[i] + own["mlp.down_proj.weight"] @ (gate / (1 + np.exp(-gate)) * up)
    return np.array([w["model.embed_tokens.weight"] @ norm(row, w["model.norm.weight"]) for row in x])


def test_the_logits_are_those_of_the_definition_written_out(model: BidirectionalLlama) -> None:
    ids = canvas(11, 5)
    wanted = plainly(tensors(), ids)
    found = model.forward(ids)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


CAUSAL = CONFIG | {"causal_prefix": True}


@pytest.mark.parametrize(("length", "masked"), [(11, 5), (9, 9), (9, 8), (12, 0), (50, 9)])
def test_the_prefix_reads_only_what_is_on_its_left(length: int, masked: int) -> None:
    ids = canvas(length, masked)
    wanted = plainly(tensors(), ids, causal_prefix=True)
    found = BidirectionalLlama(CAUSAL, tensors()).forward(ids)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_rows_that_are_asked_for_are_those_of_the_whole_pass() -> None:
    model, ids = BidirectionalLlama(CAUSAL, tensors()), canvas(50, 9)
    whole = model.forward(ids)
    for rows in ([40, 41, 49], [49], [3, 45], []):
        found = model.forward_rows(ids, rows)
        np.testing.assert_allclose(found, whole[rows], atol=1e-5 * np.abs(whole).max())
    with pytest.raises(OptionError, match="each from 0 to"):
        model.forward_rows(ids, [50])


def test_logits_do_not_depend_on_the_prefixes_that_were_read_before() -> None:
    model = BidirectionalLlama(CAUSAL, tensors())
    other = canvas(60, 4)
    changed = canvas(60, 20)
    changed[33] = 5 if changed[33] != 5 else 6
    for ids in (canvas(60, 20), other, canvas(60, 20), changed, canvas(60, 26), canvas(40, 4, seed=3), other):
        rows = np.arange(len(ids) - 4, len(ids)) - 1
        fresh = BidirectionalLlama(CAUSAL, tensors())
        assert np.array_equal(model.forward_rows(ids, rows), fresh.forward_rows(ids, rows))


def test_a_known_prefix_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = BidirectionalLlama(CAUSAL, tensors()), []
    states = BidirectionalLlama._states

    def counted(self: Any, ids: Any, start: int, stop: int, *rest: Any) -> Any:
        read.append((start, stop))
        return states(self, ids, start, stop, *rest)

    monkeypatch.setattr(BidirectionalLlama, "_states", counted)
    model.forward_rows(canvas(60, 20), [50])
    model.forward_rows(canvas(60, 20), [51])
    assert read == [(0, 32), (32, 60), (32, 60)]


def test_it_is_a_masked_model(model: BidirectionalLlama) -> None:
    assert isinstance(model, MaskedModel)
    assert isinstance(BlockCached(model, 4), MaskedModel)
    assert (model.mask_id, model.shift, model.vocab_size, model.context) == (MASK, True, WORDS, 64)


def test_a_canvas_gets_the_same_logits_alone_and_among_others(model: BidirectionalLlama) -> None:
    canvases = [canvas(length, 4, seed=length) for length in (9, 20, 14)]
    for ids, logits in zip(canvases, model.forward_many(canvases), strict=True):
        assert np.array_equal(logits, model.forward(ids))


def test_a_window_is_exact_where_nothing_changed_since_the_whole_pass(model: BidirectionalLlama) -> None:
    ids = canvas(20, 12)
    kept = model.whole(ids)
    assert np.array_equal(kept.logits, model.forward(ids))
    found = model.window(ids, 5, 13, kept)
    np.testing.assert_allclose(found, kept.logits[5:13], atol=1e-5 * np.abs(kept.logits).max())


def test_a_window_reads_its_own_changes(model: BidirectionalLlama) -> None:
    ids = canvas(20, 12)
    kept = model.whole(ids)
    changed = ids.copy()
    changed[10] = 7
    found = model.window(changed, 8, 12, kept)
    assert np.abs(found - kept.logits[8:12]).max(1).min() > 1e-3
    # With one layer nothing but the embedding of the others is behind their keys: the window is exact.
    shallow = BidirectionalLlama(CONFIG | {"num_hidden_layers": 1}, tensors())
    exact = shallow.forward(changed)
    found = shallow.window(changed, 8, 12, shallow.whole(ids))
    np.testing.assert_allclose(found, exact[8:12], atol=1e-5 * np.abs(exact).max())


def filled_from_the_left(model: MaskedModel, ids: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fill the masks one by one with arbitrary tokens; return each canvas with the logits for it."""
    ids, found = ids.copy(), []
    while (ids == MASK).any():
        found.append((ids.copy(), model.forward(ids)))
        at = int(np.flatnonzero(ids == MASK)[0])
        ids[at] = 3 + at % (WORDS - 3)
    return found


def test_each_block_begins_with_an_exact_pass(model: BidirectionalLlama) -> None:
    cached = BlockCached(model, 4)
    steps = filled_from_the_left(cached, canvas(20, 11))
    for number, (ids, logits) in enumerate(steps):
        if number % 4 == 0:
            assert np.array_equal(logits, model.forward(ids)), number
    # Blocks of 4, 4 and 3 slots behind 9 positions; with shifted logits a block's window has a row more.
    assert cached.whole_passes == 3
    assert cached.positions_read == 3 * 20 + 3 * 5 + 3 * 5 + 2 * 4


def test_within_a_block_the_window_is_read_and_nothing_else(model: BidirectionalLlama) -> None:
    for suffix, stop in (("kept", 13), ("fresh", 20)):
        cached = BlockCached(model, 4, suffix=suffix)  # type: ignore[arg-type]
        (first, whole), (second, logits), *_ = filled_from_the_left(cached, canvas(20, 11))
        # Row 8 predicts slot 9, the block's first.
        wanted = model.window(second, 8, stop, model.whole(first))
        assert np.array_equal(logits[8:stop], wanted)
        assert np.array_equal(logits[:8], whole[:8])
        assert np.array_equal(logits[stop:], whole[stop:])


def test_a_change_outside_the_block_is_read_at_once(model: BidirectionalLlama) -> None:
    cached, ids = BlockCached(model, 4), canvas(20, 11)
    cached.forward(ids)
    for at in (18, 3, 19):
        ids[at] = 9
        assert np.array_equal(cached.forward(ids), model.forward(ids)), at
    assert cached.whole_passes == 4


def test_another_canvas_begins_anew(model: BidirectionalLlama) -> None:
    cached = BlockCached(model, 4)
    filled_from_the_left(cached, canvas(20, 11))
    for ids in (canvas(20, 11), canvas(20, 6, seed=4), canvas(17, 5)):
        assert np.array_equal(cached.forward(ids), model.forward(ids))
    # Its blocks begin where its own first mask is: 8 slots are two blocks of 4.
    filled_from_the_left(cached, canvas(20, 11))
    before = cached.whole_passes
    filled_from_the_left(cached, canvas(20, 8, seed=4))
    assert cached.whole_passes - before == 2


@pytest.mark.parametrize(
    ("ids", "kind", "said"),
    [
        ([[3, 4]], OptionError, "one canvas"),
        ([0.5], OptionError, "one canvas"),
        ([], OptionError, "one canvas|Shorten"),
        ([3] * 65, OptionError, "65 positions; the model reads 1 to 64. Shorten"),
        ([3, 40], TokenError, r"ids\[1\]: 40 is no token id"),
        ([-1], TokenError, "own tokenizer"),
    ],
)
def test_bad_ids_are_refused(
    model: BidirectionalLlama, ids: list[Any], kind: type[StructgenError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        model.forward(ids)


def test_bad_windows_and_blocks_are_refused(model: BidirectionalLlama) -> None:
    kept = model.whole(canvas(10, 4))
    with pytest.raises(OptionError, match="Choose 0 <= start"):
        model.window(canvas(10, 4), 6, 6, kept)
    with pytest.raises(OptionError, match="whole"):
        model.window(canvas(12, 4), 2, 6, kept)
    with pytest.raises(OptionError, match="Use 1 or more"):
        BlockCached(model, 0)
    with pytest.raises(OptionError, match='"kept" or "fresh"'):
        BlockCached(model, 4, suffix="none")  # type: ignore[arg-type]


def test_other_architectures_and_missing_weights_are_refused() -> None:
    with pytest.raises(StructgenError, match="LlamaForCausalLM"):
        BidirectionalLlama(CONFIG | {"architectures": ["LlamaForCausalLM"]}, tensors())
    few = {name: value for name, value in tensors().items() if "o_proj" not in name}
    with pytest.raises(StructgenError, match="o_proj"):
        BidirectionalLlama(CONFIG, few)
