"""Writes an embedded causal model as a GGUF file, which llama.cpp and what is built on it load.

    python models/to_gguf.py NAME FILE [--numbers bf16|f16|f32]

Needs gguf (`pip install gguf`). llama.cpp's own converter knows tokenizers by a list, in which this one is
not: it splits texts as GPT-2's does, and the file says so.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import torch
from model import Shape, load
from torch import Tensor

FOLDER = Path(__file__).parent
NUMBERS = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""What transformers calls a part of a layer, and what GGUF does."""


def interleaved(matrix: Tensor, heads: int) -> Tensor:
    """Return a matrix of queries or keys for rotary positions that turn neighbours against each other, as
    llama.cpp has them in a Llama; transformers turns the halves of a head."""
    rows, columns = matrix.shape
    return matrix.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def gguf_name(name: str) -> str:
    """Return GGUF's name of a part of the weights."""
    parts = name.removesuffix(".weight").split(".")
    if parts[1] == "layers":
        return f"blk.{parts[2]}.{_NAMES['.'.join(parts[3:])]}.weight"
    return {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[parts[1]]


def convert(folder: Path, target: Path, numbers: torch.dtype = torch.bfloat16) -> None:
    """Write a model's folder as a GGUF file; vectors are kept in single precision."""
    network = load(folder)
    writer = gguf.GGUFWriter(target, "llama")
    _describe(writer, network.shape, folder)
    heads = network.shape.width // 64
    for name, value in network.state_dict().items():
        whole = interleaved(value, heads) if name.endswith(("q_proj.weight", "k_proj.weight")) else value
        kind = torch.float32 if whole.dim() == 1 else numbers
        stored = whole.to(kind).contiguous()
        if kind is torch.bfloat16:
            raw = stored.view(torch.uint16).numpy().view("uint8")
            writer.add_tensor(gguf_name(name), raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(gguf_name(name), stored.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape, folder: Path) -> None:
    """Write what the file says of the network and of its tokenizer."""
    heads = shape.width // 64
    writer.add_name(f"structgen/{folder.name}")
    writer.add_license("apache-2.0")
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(shape.width // heads)
    writer.add_rope_freq_base(shape.theta)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    known = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    texts = sorted(known["model"]["vocab"], key=known["model"]["vocab"].__getitem__)
    special = {one["id"] for one in known["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if at in special else gguf.TokenType.NORMAL for at in range(len(texts))]
    )
    writer.add_token_merges([" ".join(pair) for pair in known["model"]["merges"]])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=("extract", "extract-draft"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--numbers", choices=list(NUMBERS), default="bf16")
    options = parser.parse_args()
    convert(FOLDER / options.name, options.file, NUMBERS[options.numbers])


if __name__ == "__main__":
    main()
