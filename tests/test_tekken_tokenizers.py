"""Mistral's tekken.json as a tokenizer, held to the encoder and the decoder of mistral_common."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from structgen import Tokenizer
from structgen.errors import TokenizerError
from structgen.tokens.tekken import read_tekken

tekken = pytest.importorskip("mistral_common.tokens.tokenizers.tekken")

PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
MERGED = [
    *'th|the| the|{"|":| t| th|\n\n|  |ok|an|and| b|or|é'.encode().split(b"|"),
    *(b"\xe6\x97", b"\xe6\x97\xa5", b"\xf0\x9f", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b'",'),
]
CUT = [b"cut", b"off"]
"""Tokens that the file holds beyond its size."""
SPECIAL = 24


def file(**config: Any) -> dict[str, Any]:
    """A small tekken.json."""
    tokens = [*(bytes([byte]) for byte in range(256)), *MERGED, *CUT]
    return {
        "config": {
            "pattern": PATTERN,
            "num_vocab_tokens": len(tokens),
            "default_vocab_size": SPECIAL + 256 + len(MERGED),
            "default_num_special_tokens": SPECIAL,
            "version": "v3",
            **config,
        },
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
            for rank, token in enumerate(tokens)
        ],
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tekken") / "tekken.json"
    path.write_text(json.dumps(file()), "utf-8")
    return path


@cache
def both(path: Path) -> tuple[Tokenizer, Any]:
    """Our tokenizer of a file, and mistral_common's."""
    return Tokenizer.from_tekken(path), tekken.Tekkenizer.from_file(path)


TEXTS = st.text(st.sampled_from("the ok and\n\r\t\0{\":,é日\u0301😀1'<>[]"), max_size=16) | st.text(
    max_size=8
)


def test_each_token_is_the_bytes_that_the_own_library_names(path: Path) -> None:
    made, own = both(path)
    assert made.vocab_size == own.n_words == SPECIAL + 256 + len(MERGED)
    assert made.special_ids == tuple(sorted(own.special_ids)) == tuple(range(SPECIAL))
    assert made.eos_token_ids == (own.eos_id,)
    assert made.missing_bytes == ()
    for i in range(SPECIAL, made.vocab_size):
        assert made.token_bytes[i] == own.id_to_byte_piece(i, "ignore")


@given(text=TEXTS)
def test_a_text_is_encoded_as_the_own_library_does(path: Path, text: str) -> None:
    made, own = both(path)
    ids = made.encode(text.encode())
    assert ids == own.encode(text, bos=False, eos=False)
    assert own.decode(ids, "ignore") == text
    assert made.decode(ids) == text.encode()


def test_a_special_text_is_text(path: Path) -> None:
    made, _ = both(path)
    assert not set(made.encode(b"</s>[INST]")) & set(made.special_ids)


def test_end_tokens_go_by_text_too(path: Path) -> None:
    made = Tokenizer.from_tekken(path, eos_token_id=["[/INST]", "<SPECIAL_22>"], vocab_size=400)
    assert (made.eos_token_ids, made.vocab_size) == ((4, 22), 400)


def test_special_tokens_of_newer_versions_are_named_in_the_file(tmp_path: Path) -> None:
    named = ["<unk>", "</s>", "<s>", *(f"[{i}]" for i in range(7))]
    content = file(version="v11") | {
        "special_tokens": [
            {"rank": rank, "token_str": text, "is_control": True} for rank, text in enumerate(named)
        ]
    }
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(content), "utf-8")
    made, own = both(path)
    assert made.eos_token_ids == (own.eos_id,) == (1,)
    assert made.special_ids == tuple(sorted(own.special_ids))
    assert made.encode(b"the ok") == own.encode("the ok", bos=False, eos=False)


def test_a_file_is_the_same_tokenizer_however_it_is_handed_over(path: Path) -> None:
    made, own = both(path)
    others = [
        Tokenizer.from_huggingface(path),
        Tokenizer.from_huggingface(path.parent),
        Tokenizer.from_huggingface(own),
        pickle.loads(pickle.dumps(made)),
    ]
    for other in others:
        assert other.fingerprint == made.fingerprint
        assert other.encode(b'the "ok"\n') == made.encode(b'the "ok"\n')


class Backend:
    """As much as is read of transformers' MistralCommonBackend, which wants a later mistral_common."""

    eos_token_id = 2
    all_special_ids = (1, 2)

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer


def test_a_tokenizer_of_transformers_around_mistral_common_is_read(path: Path) -> None:
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    made, own = both(path)
    whole = MistralTokenizer.from_file(str(path))
    for handed_over in (whole, Backend(whole)):
        other = Tokenizer.from_huggingface(handed_over)
        assert other.fingerprint == made.fingerprint
        assert own.decode(other.encode("the ok 日".encode()), "ignore") == "the ok 日"


# --- what is refused ----------------------------------------------------------------------------------------


def changed(place: str, value: object) -> Any:
    """The small file with another value at a place; None takes the member away."""
    content = copy.deepcopy(file())
    *folders, name = place.split("/")
    holder: Any = content
    for step in folders:
        holder = holder[int(step) if isinstance(holder, list) else step]
    if value is None:
        del holder[name]
    else:
        holder[int(name) if isinstance(holder, list) else name] = value
    return content


SMALL = base64.b64encode(b"the").decode()
WRONG: list[tuple[str, object, str]] = [
    ("config", None, "config: the configuration is missing"),
    ("config/pattern", None, "config/pattern: the pattern that splits a text is missing"),
    ("config/pattern", 7, "config/pattern: the pattern that splits a text is missing"),
    ("config/default_vocab_size", None, "default_vocab_size: None is not a number"),
    ("config/default_vocab_size", "300", "default_vocab_size: '300' is not a number"),
    ("config/default_vocab_size", 9_999, "default_vocab_size: the file declares 9,999 tokens"),
    ("config/default_vocab_size", 20, "default_vocab_size: the file declares 20 tokens"),
    ("config/default_vocab_size", 200, "the file has 176 tokens, but the first 256"),
    ("config/default_num_special_tokens", None, "default_num_special_tokens: None is not a number"),
    ("config/default_num_special_tokens", True, "default_num_special_tokens: True is not a number"),
    ("config/default_num_special_tokens", 10**12, "tokens: 1000000000000 is not a number"),
    ("config/version", "v13", "special_tokens: a file of version 'v13' must name"),
    ("vocab", None, "vocab: the vocabulary is missing"),
    ("vocab", {"a": 0}, "vocab: the vocabulary is missing"),
    ("vocab/258/rank", 257, "vocab/258/rank: the rank must be 258, got 257"),
    ("vocab/258", "the", "vocab/258/rank: the rank must be .*, got None"),
    ("vocab/258/token_bytes", None, "vocab/258/token_bytes: the bytes in base64 are missing"),
    ("vocab/258/token_bytes", "?", "vocab/258/token_bytes: the bytes in base64 are missing"),
    (
        "vocab/258/token_bytes",
        SMALL,
        "vocab/258/token_bytes: the token has the same bytes as the token of rank 257",
    ),
    ("vocab/65/token_bytes", SMALL, "vocab/65/token_bytes: the token must be a single byte, .*got b'the'"),
    ("special_tokens", {}, "special_tokens must be an array"),
    ("special_tokens", [{"rank": 24, "token_str": "</s>"}], "special_tokens/0/rank: 24 is not a unique rank"),
    ("special_tokens", [{"rank": 0}], "special_tokens/0/token_str: None is not a unique text"),
    (
        "special_tokens",
        [{"rank": 0, "token_str": "</s>"}] * 2,
        "special_tokens/1/rank: 0 is not a unique rank",
    ),
]


@for_each(("place", "value", "message"), WRONG)
def test_a_file_with_a_fault_is_refused_by_place(place: str, value: object, message: str) -> None:
    with pytest.raises(TokenizerError, match=f"^tekken.json: /.*{message}"):
        read_tekken(changed(place, value))


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"model": {}}'])
def test_what_is_no_tekken_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(content)
    with pytest.raises(TokenizerError, match=r"tekken\.json: (not JSON|/config)"):
        Tokenizer.from_tekken(path)
    with pytest.raises(TokenizerError, match=r"tekken\.json: (not JSON|/config)"):
        Tokenizer.from_huggingface(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path, path: Path) -> None:
    data = path.read_bytes()
    short = tmp_path / "tekken.json"
    for end in range(0, len(data), 97):
        short.write_bytes(data[:end])
        with pytest.raises(TokenizerError, match="not JSON"):
            Tokenizer.from_huggingface(short)


def test_a_pattern_that_cannot_be_read_is_refused_when_a_text_is_encoded(tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(file(pattern="(")))
    with pytest.raises(TokenizerError, match=r"pattern: tiktoken cannot read"):
        Tokenizer.from_tekken(path).encode(b"the")


# --- the published ones -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tekken_240911.json", "tokenizer.model.v1", "mistral_instruct_tokenizer_241114.model.v7"]
)
def test_mistrals_own_vocabularies_encode_as_their_library_does(name: str) -> None:
    import mistral_common
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    path = Path(mistral_common.__file__).parent / "data" / name
    made, own = Tokenizer.from_huggingface(path), MistralTokenizer.from_file(str(path))
    assert Tokenizer.from_huggingface(own) == made
    inner = own.instruct_tokenizer.tokenizer
    assert (made.vocab_size, made.eos_token_ids) == (inner.n_words, (inner.eos_id,))
    license = (Path(__file__).parents[1] / "LICENSE").read_text("utf-8").strip()
    for text in (license, 'é日本 \U0001f600\u0301 {"a": [1, 2.5e3]}\n\n\tend ', "\0\x7f"):
        ids = made.encode(text.encode())
        assert made.decode(ids) == text.encode()
        assert inner.decode(ids, "ignore") == text
        if name.startswith("tekken"):
            assert ids == inner.encode(text, bos=False, eos=False)
        else:  # the model's own encoder puts a blank before the text
            assert made.encode(f" {text}".encode()) == inner.encode(text, bos=False, eos=False)
