"""The forward pass of masked models in Llama's layout: which positions it reads, alone and among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from structgen.decoding.infilling.bidirectional import BidirectionalLlama
from structgen.errors import OptionError, StructgenError, TokenError

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


CAUSAL = CONFIG | {"causal_prefix": True}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "masked"), [(11, 5), (9, 9), (9, 8), (12, 0), (50, 9)])
def test_the_logits_are_those_of_the_definition_written_out(causal: bool, length: int, masked: int) -> None:
    """A causal prefix reads only what is on its left."""
    ids = canvas(length, masked)
    wanted = plainly(tensors(), ids, causal_prefix=causal)
    found = BidirectionalLlama(CAUSAL if causal else CONFIG, tensors()).forward(ids)
    assert found.dtype == np.float32
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
    states = BidirectionalLlama._run_chunk

    def counted(self: Any, ids: Any, stop: int, past: Any) -> Any:
        read.append((len(past.ids), stop))
        return states(self, ids, stop, past)

    monkeypatch.setattr(BidirectionalLlama, "_run_chunk", counted)
    model.forward_rows(canvas(60, 20), [50])
    model.forward_rows(canvas(60, 20), [51])
    assert read == [(0, 32), (32, 60), (32, 60)]


@pytest.mark.parametrize(
    ("ids", "kind", "said"),
    [
        ([[3, 4]], OptionError, "one canvas"),
        ([0.5], OptionError, "one canvas"),
        ([], OptionError, "one canvas|Shorten"),
        ([3] * 65, OptionError, "65 positions; the model reads 1 to 64. Shorten"),
        ([3, 40], TokenError, r"ids\[1\]: 40 is not a token id"),
        ([-1], TokenError, "own tokenizer"),
    ],
)
def test_bad_ids_are_refused(
    model: BidirectionalLlama, ids: list[Any], kind: type[StructgenError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        model.forward(ids)


def test_other_architectures_and_missing_weights_are_refused() -> None:
    with pytest.raises(StructgenError, match="LlamaForCausalLM"):
        BidirectionalLlama(CONFIG | {"architectures": ["LlamaForCausalLM"]}, tensors())
    few = {name: value for name, value in tensors().items() if "o_proj" not in name}
    with pytest.raises(StructgenError, match="o_proj"):
        BidirectionalLlama(CONFIG, few)
