"""What the engine asks of a model, and how one is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getattr_static
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from structgen.errors import OptionError, StructgenError, TokenizerError
from structgen.system.resources import embedded_model
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor


class Cache(Protocol):
    """What a model has read of one text: keys and values, or whatever it keeps."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        ...

    def copy(self) -> Cache:
        """Return another that goes on from here by itself."""
        ...


@runtime_checkable
class Released(Protocol):
    """What a cache may have besides, where a model has room for few of them."""

    def release(self) -> None:
        """Give the room back; the cache is not used any more."""
        ...


class Model(Protocol):
    """A causal language model, one forward pass a step. Anything with these members serves.

    A cache belongs to one text; the engine hands it back and never looks inside. Rows of a batch come and go
    between calls, in any order.
    """

    @property
    def vocab_size(self) -> int:
        """Width of the logits; at least the tokenizer's vocabulary."""
        ...

    @property
    def context(self) -> int:
        """The most tokens of a text, prompt included."""
        ...

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, Any]:
        """Return the logits [V] behind a prompt of at least one token, and its cache."""
        ...

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] behind one more token of each text; the caches then hold it."""
        ...


@runtime_checkable
class ReadsMany(Protocol):
    """What a model may have besides, so that prompts that come together are read in one pass."""

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> Sequence[tuple[Tensor, Any]]:
        """Return for each prompt what `prefill` does."""
        ...


@runtime_checkable
class TakesBack(Protocol):
    """What a model may have besides, so that it reads tokens before it is certain that they are taken."""

    keeps_logits: bool
    """Whether the logits of a step lie in memory that stays, with room for the next power of two of rows.
    They are then overwritten by the step after the next one."""

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """As `Model.decode`."""
        ...

    def decode_instead(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] behind other tokens in place of the last one of each text. Those of the
        last step stay as they are."""
        ...


@dataclass(frozen=True, slots=True)
class DraftSupport:
    """Which drafts a model verifies in one pass, and why not more."""

    shape: Literal["tree", "chain", "none"]
    """`chain`: drafts in which each node has one child."""
    reason: str = ""
    """Why it is no tree; empty for `tree`."""


@runtime_checkable
class VerifiesDrafts(Protocol):
    """What a model may have besides, so that drafts are verified: many tokens of each text in one pass."""

    @property
    def draft_support(self) -> DraftSupport:
        """Which drafts it verifies."""
        ...

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[Any],
    ) -> Tensor:
        """Return the logits [sum(counts), V] behind each node of a tree of tokens for each text.

        Text i has the next `counts[i]` (at least 1) of `tokens` and `parents`. Its first token is decided,
        and its parent is -1. Each other token is a guess behind the node `parents[j]`: numbers count within
        the text's own nodes from 0, and a parent's is smaller. Siblings are different tokens. The logits of
        a node are those that `decode` gives when it reads the tokens from the first one to the node, one by
        one.

        The caches hold none of the nodes until `keep` says which are read. A cache for which `keep` is not
        called is as it was; `decode`, `decode_tree` and `copy` may be called for it.
        """
        ...

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[Any]) -> None:
        """Have each cache hold the nodes of a path of its last tree: the first node, a child of it, a child
        of that one, and so on. Called at most once after each `decode_tree`, with some or all of its
        caches."""
        ...


def verifier_of(model: Model) -> VerifiesDrafts | None:
    """Return the model where it has what verifies drafts. `draft_support` is not asked where the model
    defines it: to say what it verifies may take a model some passes."""
    missing = object()
    for name in ("draft_support", "decode_tree", "keep"):
        if getattr_static(model, name, missing) is missing and not hasattr(model, name):
            return None
    return cast(VerifiesDrafts, model)


def draft_support_of(model: Model) -> DraftSupport:
    """Return which drafts a model verifies: none where it does not say. Cost: what the model takes to say."""
    verifier = verifier_of(model)
    if verifier is not None:
        return verifier.draft_support
    return DraftSupport("none", f"a {type(model).__name__} verifies no drafts: it has no decode_tree")


def load_model(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    fixed_rows: int = 0,
    tokenizer: Tokenizer | None = None,
) -> tuple[Model, Tokenizer]:
    """Return a model and its tokenizer: `structgen/extract` and the other embedded ones, or a local folder
    that transformers' AutoModelForCausalLM reads.

    `device` as torch spells it (default: cuda where there is one, else cpu); `dtype` float32 or bfloat16
    (default: float32 on a CPU, bfloat16 elsewhere). With `fixed_rows` it is a `FixedLlama` of so many rows,
    for CUDA graphs. `tokenizer` takes the place of the folder's own, which is then not read. Nothing is
    downloaded. Errors: `StructgenError` where the folder is missing or is no model, where torch or
    transformers is not installed; `TokenizerError`.
    """
    try:
        import torch
    except ImportError as error:
        raise StructgenError("The engine needs torch.", where=str(name), cure="pip install torch") from error
    try:
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError, TypeError) as error:  # as torch says that there is none
        told = str(error).partition("\n")[0]
        raise StructgenError(
            f"torch has no device {device!r} here: {told.rstrip('.')}.",
            where="device",
            cure="Use cpu, or leave it out.",
        ) from error
    wanted = dtype or ("float32" if where.type == "cpu" else "bfloat16")
    if wanted not in ("float32", "bfloat16"):
        raise StructgenError(f"dtype={wanted!r}.", where="dtype", cure="Use float32 or bfloat16.")
    kind: torch.dtype = getattr(torch, wanted)
    if str(name).startswith("structgen/"):
        from structgen.engine.llama import Llama

        folder = embedded_model(str(name))
        if not fixed_rows:
            return Llama.read(folder, where, kind), tokenizer or Tokenizer.from_huggingface(str(folder))
    else:
        folder = Path(name)
    check_folder(name)
    if fixed_rows:
        from structgen.engine.forward_pass.fixed_pass import FixedLlama

        return FixedLlama.read(folder, where, kind, fixed_rows), tokenizer or _folder_tokenizer(folder)
    from structgen.engine.huggingface import HuggingFace

    own = tokenizer or _folder_tokenizer(folder)
    return HuggingFace.read(folder, where, kind), own


def check_folder(name: str | Path) -> None:
    """Raise StructgenError where a name is not that of a local folder with a model, with what to do about a
    name of the Hugging Face hub."""
    folder, named = Path(name), str(name)
    if (folder / "config.json").is_file():
        return
    if folder.exists():
        raise StructgenError(
            f"{named!r} is not the folder of a model: it has no config.json.",
            where="model",
            cure="Name the folder that save_pretrained(...) wrote, or structgen/extract.",
        )
    raise StructgenError(
        f"There is no folder {named!r}, and structgen downloads nothing.",
        where="model",
        cure=f"Download the model (hf download {named} --local-dir FOLDER) and name the folder; or pass the "
        "objects of transformers, sg.Engine(model, tokenizer); or use structgen/extract, which is included."
        if _HUB_NAME.fullmatch(named)
        else "Check the path; structgen/extract is a small model that is included.",
    )


_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""Names as the Hugging Face hub has them: NAME, or OWNER/NAME."""


def _folder_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a model's folder. Raises TokenizerError with the cure for folders that hold
    their tokenizer in another form (vocab.json and merges.txt, vocab.txt)."""
    try:
        return Tokenizer.from_huggingface(str(folder))
    except TokenizerError as error:
        raise TokenizerError(
            error.what,
            where=error.where or str(folder),
            cure="Pass the tokenizer: sg.Engine(folder, AutoTokenizer.from_pretrained(folder)); or write a "
            "tokenizer.json once with AutoTokenizer.from_pretrained(folder).save_pretrained(folder).",
        ) from error


def given_model(
    model: Any, tokenizer: Any, *, device: str | None = None, dtype: str | None = None
) -> tuple[Model, Tokenizer]:
    """Return a model that was handed over as an object, behind the engine's protocol, and its tokenizer.

    Raises OptionError where the object is no causal model, where there is no tokenizer, and for a device or a
    dtype, which are only for a model that is loaded by its name.
    """
    for name, value in (("device", device), ("dtype", dtype)):
        if value is not None:
            raise OptionError(
                f"{name}={value!r} is for a model that is loaded by its name.",
                where=name,
                cure=f"Leave it out; move the model before it is handed over: model.to({value!r}).",
            )
    lacking = [name for name in _MEMBERS if not hasattr(model, name)]
    of_transformers = bool(lacking) and hasattr(model, "get_output_embeddings") and hasattr(model, "config")
    if lacking and not of_transformers:
        raise OptionError(
            f"A {type(model).__name__} is no model: it has no {' and no '.join(lacking)}.",
            where="model",
            cure="Pass a name, a folder, a causal model of transformers, or what has all these.",
        )
    if tokenizer is None:
        raise OptionError(
            "A model of your own needs its tokenizer.",
            where="tokenizer",
            cure="Pass AutoTokenizer.from_pretrained(...), or an sg.Tokenizer.",
        )
    if not of_transformers:
        given: Model = model
        return given, tokenizer_of(tokenizer)
    from structgen.engine.huggingface import HuggingFace

    return HuggingFace(model), tokenizer_of(tokenizer, model)


_MEMBERS = ("vocab_size", "context", "prefill", "decode")
"""What every `Model` has."""


def tokenizer_of(tokenizer: Any, model: Any = None) -> Tokenizer:
    """Return our tokenizer of anything that `Tokenizer.from_huggingface` takes; ours itself as it is.

    Special tokens that the generation_config of a model of transformers names are end tokens besides: a chat
    model's end of turn often stands there alone.
    """
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    made = Tokenizer.from_huggingface(tokenizer)
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = [] if named is None else [named] if isinstance(named, int) else list(named)
    ends = {end for end in several if 0 <= end < made.vocab_size and made.token_bytes[end] is None}
    if ends <= set(made.eos_token_ids):
        return made
    return Tokenizer.from_huggingface(tokenizer, eos_token_id=sorted(ends | set(made.eos_token_ids)))
