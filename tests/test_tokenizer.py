"""Tokenizers as bytes: what every kind of file means, what encode promises, what is refused."""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from hypothesis import example, given
from hypothesis import strategies as st

from structgen.errors import TokenError, TokenizerError
from structgen.tokens.tokenizer import Tokenizer

BPE = Path(__file__).parent / "data" / "bpe"
SINGLE = [bytes([b]) for b in range(256)]
TEXTS = [
    "",
    " ",
    '{"name": "Łódź", "list": [1, 2.5e-3, true]}',
    "  two blanks, a tab\tand a line\r\n",
    "日本語 🙂 ½ \u0000 \uffff",
    "e\u0301 is not é",  # a normaliser would make one character of the first two
    "▁ is a character too",
    "<|end|>, <|endoftext|>, </s> and <0x41> are text here",
]

vocabularies = st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=20)


# --- from_bytes ---------------------------------------------------------------------------------------------


def test_fields_say_what_was_given() -> None:
    made = Tokenizer.from_bytes([b"a", None, b"", b"a", b"\xff\xfe", b"</s>"], eos_token_id=[5, 1])
    assert made.vocab_size == 6
    assert made.token_bytes == (b"a", None, b"", b"a", b"\xff\xfe", None)
    assert made.eos_token_ids == (1, 5)
    assert made.special_ids == (1, 5)


def test_bytes_that_no_token_writes_are_named() -> None:
    made = Tokenizer.from_bytes([*SINGLE[:65], *SINGLE[66:255], b"A\xff", None], eos_token_id=256 - 1)
    assert made.missing_bytes == (65, 255)
    assert Tokenizer.from_bytes([*SINGLE, None], eos_token_id=256).missing_bytes == ()


def test_bytes_that_stand_in_no_token_are_told_from_those_inside_longer_ones() -> None:
    made = Tokenizer.from_bytes([*SINGLE[:65], *SINGLE[67:255], b"A\xfe", None], eos_token_id=254)
    assert made.missing_bytes == (65, 66, 255)
    assert made.absent_bytes == (66, 255)


def test_other_byte_strings_and_integers_of_other_kinds_are_taken() -> None:
    import numpy as np

    made = Tokenizer.from_bytes([bytearray(b"a"), memoryview(b"b"), None], eos_token_id=np.int64(2))  # type: ignore[list-item, arg-type]
    assert made == Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)


@pytest.mark.parametrize(
    ("tokens", "ends", "message"),
    [
        ([b"a", "b", None], 2, "token 1: A token must be bytes or None, got str"),
        ([b"a", 7, None], 2, "token 1: A token must be bytes or None, got int"),
        ([b"a", None], [], "the end token is missing"),
        ([b"a", None], 2, r"end token 2 is out of range. Ids are 0 to 1"),
        ([b"a", None], -1, r"end token -1 is out of range"),
        ([b"a", None], [1, 9], r"end token 9 is out of range"),
        ([], 0, r"end token 0 is out of range"),
        ([b"a", None], None, "neither a token id"),
        ([b"a", None], 1.0, "neither a token id"),
        ([b"a", None], "</s>", "the token '</s>' does not exist"),
    ],
)
def test_what_is_no_vocabulary_is_refused(tokens: Any, ends: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_bytes(tokens, eos_token_id=ends)


# --- identity -----------------------------------------------------------------------------------------------


def test_equal_content_is_an_equal_tokenizer() -> None:
    one, other = (Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != "tokenizer"


def test_every_difference_shows_in_the_fingerprint() -> None:
    made = [
        Tokenizer.from_bytes([b"ab", b"c", None], eos_token_id=2),
        Tokenizer.from_bytes([b"a", b"bc", None], eos_token_id=2),
        Tokenizer.from_bytes([b"c", b"ab", None], eos_token_id=2),
        Tokenizer.from_bytes([b"ab", b"c", None, None], eos_token_id=2),
        Tokenizer.from_bytes([b"ab", b"c", None, None], eos_token_id=3),
        Tokenizer.from_bytes([b"ab", b"c", None, None], eos_token_id=[2, 3]),
        Tokenizer.from_bytes([b"ab", b"c", None, b""], eos_token_id=2),
        Tokenizer.from_bytes([b"", b"abc", None], eos_token_id=2),
    ]
    assert len({one.fingerprint for one in made}) == len(set(made)) == len(made)


def test_the_fingerprint_is_the_same_in_every_process_and_version() -> None:
    # A change of this number makes every file in every cache folder useless: change it knowingly.
    made = Tokenizer.from_bytes([b"a", b"\xff", None, b""], eos_token_id=2)
    assert made.fingerprint == "c8da63e3826795eee8ff8f145766f7229e0e8639"
    script = "import sys, structgen as t; print(t.Tokenizer.from_huggingface(sys.argv[1]).fingerprint)"
    said = subprocess.run(
        [sys.executable, "-c", script, str(BPE)], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == Tokenizer.from_huggingface(BPE).fingerprint


def test_a_tokenizer_does_not_change() -> None:
    made = Tokenizer.from_bytes([b"a", None], eos_token_id=1)
    with pytest.raises(AttributeError):
        made.vocab_size = 3
    with pytest.raises(AttributeError):
        del made.token_bytes


def byte_tokenizer() -> Tokenizer:
    return Tokenizer.from_bytes([*SINGLE, b"", None, b"the ", None, b"the "], eos_token_id=257)


def bpe_tokenizer() -> Tokenizer:
    return Tokenizer.from_huggingface(BPE)


def tiktoken_tokenizer() -> Tokenizer:
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {token: i for i, token in enumerate([*SINGLE, b" t", b"he", b" the", b'":', b"\xc3\xa9"])}
    encoding = tiktoken.Encoding(
        "small",
        pat_str=r"\s?\p{L}+|\s+|[^\s\p{L}]+",
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 270},
    )
    return Tokenizer.from_tiktoken(encoding)


KINDS = [byte_tokenizer, bpe_tokenizer, tiktoken_tokenizer]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_tokenizer_comes_back_whole(kind: Callable[[], Tokenizer]) -> None:
    made = kind()
    again = pickle.loads(pickle.dumps(made))
    fields = ("token_bytes", "vocab_size", "eos_token_ids", "special_ids", "fingerprint")
    fields += ("missing_bytes", "absent_bytes")
    assert [getattr(again, name) for name in fields] == [getattr(made, name) for name in fields]
    assert [again.encode(text.encode()) for text in TEXTS] == [made.encode(text.encode()) for text in TEXTS]


# --- encode and decode --------------------------------------------------------------------------------------


def fewest(tokens: list[bytes], data: bytes) -> list[int] | None:
    """Slow twin: all sequences of tokens, the fewest; ties by longest token, then smallest id."""
    for count in range(len(data) + 1):
        fits = []
        for ids in itertools.product(range(len(tokens)), repeat=count):
            if b"".join(tokens[i] for i in ids) == data:
                fits.append(ids)
        if fits:
            return list(min(fits, key=lambda ids: [(-len(tokens[i]), i) for i in ids]))
    return None


@given(
    st.lists(st.text("ab", min_size=1, max_size=3).map(str.encode), min_size=1, max_size=4),
    st.text("ab", max_size=5).map(str.encode),
)
def test_tokens_from_bytes_encode_by_fewest_tokens(tokens: list[bytes], data: bytes) -> None:
    made = Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    expected = fewest(tokens, data)
    if expected is None:
        with pytest.raises(TokenizerError):
            made.encode(data)
    else:
        assert made.encode(data) == expected


@given(vocabularies, st.data())
def test_fewest_tokens_write_what_tokens_wrote(tokens: list[bytes], data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=20))
    made = Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    text = made.decode(ids)
    found = made.encode(text)
    assert made.decode(found) == text
    assert len(found) <= len(ids)


def test_bytes_that_cannot_be_written_are_named_with_their_place() -> None:
    made = Tokenizer.from_bytes([b"a", b"ab", b"cd", None], eos_token_id=3)
    with pytest.raises(TokenizerError, match="byte 3: the tokens cannot write the byte 0x63"):
        made.encode(b"abac")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.text().map(str.encode) | st.binary() | st.sampled_from(TEXTS).map(str.encode))
@example(data=TEXTS[-1].encode())
def test_what_is_encoded_is_what_was_given(kind: Callable[[], Tokenizer], data: bytes) -> None:
    made = made_once(kind)
    ids = made.encode(data)
    assert made.decode(ids) == data
    assert not set(ids) & set(made.special_ids)


@cache
def made_once(kind: Callable[[], Tokenizer]) -> Tokenizer:
    """One tokenizer of a kind for all examples of a property."""
    return kind()


def test_special_tokens_decode_to_nothing() -> None:
    assert byte_tokenizer().decode([97, 257, 256, 98, 259]) == b"ab"


@pytest.mark.parametrize("token", [-1, 261, 10**9])
def test_an_id_out_of_range_is_refused(token: int) -> None:
    with pytest.raises(TokenError, match="0 to 260"):
        byte_tokenizer().decode([97, token])


def test_text_is_to_be_encoded_first() -> None:
    with pytest.raises(TokenizerError, match="utf-8"):
        byte_tokenizer().encode("text")  # type: ignore[arg-type]


# --- Hugging Face -------------------------------------------------------------------------------------------


def written(tokenizer: Any, folder: Path, **files: object) -> Path:
    """The folder, holding a tokenizer.json and the other files as JSON."""
    (folder / "tokenizer.json").write_text(
        tokenizer if isinstance(tokenizer, str) else tokenizer.to_str(), "utf-8"
    )
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return folder


def sentencepiece(kind: str = "BPE", **options: Any) -> dict[str, Any]:
    """A tokenizer.json as converted from SentencePiece (Llama 2, T5): byte fallback, dummy prefix."""
    library = pytest.importorskip("tokenizers")
    decoders, normalizers = library.decoders, library.normalizers
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    pieces += ["▁", "a", "b", "▁a", "▁▁", "▁ab", "ab", '"', "▁{", "{", "é", "日本", "日", "本", "aba"]
    if kind == "BPE":
        merges = [("▁", "a"), ("a", "b"), ("▁", "▁"), ("▁a", "b"), ("▁", "{"), ("日", "本")]
        vocab = {piece: i for i, piece in enumerate(pieces)}
        model = library.models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
        made = library.Tokenizer(model)
        steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        made.normalizer = normalizers.Sequence(steps)
        back = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        made.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)])
    else:
        scores = [0.0] * 259 + [-float(i) for i in range(1, len(pieces) - 258)]
        scored = list(zip(pieces, scores, strict=True))
        made = library.Tokenizer(library.models.Unigram(scored, unk_id=0, byte_fallback=True))
        made.pre_tokenizer = library.pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return {**json.loads(made.to_str()), **options}


def test_byte_level_tokens_are_what_the_library_decodes() -> None:
    library = pytest.importorskip("tokenizers").Tokenizer.from_file(str(BPE / "tokenizer.json"))
    made = bpe_tokenizer()
    assert made.vocab_size == library.get_vocab_size() == 1536
    for i, token in enumerate(made.token_bytes):
        expected = library.decode([i], skip_special_tokens=False)
        assert (token or library.id_to_token(i).encode()).decode("utf-8", "replace") == expected


def test_byte_level_tokens_together_are_the_text_that_the_library_encodes() -> None:
    library = pytest.importorskip("tokenizers").Tokenizer.from_file(str(BPE / "tokenizer.json"))
    made = bpe_tokenizer()
    for text in TEXTS[:-1]:
        ids = library.encode(text).ids
        assert made.decode(ids) == text.encode()
        assert made.encode(text.encode()) == ids


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
def test_sentencepiece_marks_are_blanks_and_bytes(kind: str, tmp_path: Path) -> None:
    made = Tokenizer.from_huggingface(written(json.dumps(sentencepiece(kind)), tmp_path) / "tokenizer.json")
    assert made.token_bytes[3 + 0xAB] == b"\xab"
    assert made.token_bytes[259:265] == (b" ", b"a", b"b", b" a", b"  ", b" ab")
    assert made.token_bytes[270] == "日本".encode()
    assert made.special_ids == (0, 1, 2)
    assert made.eos_token_ids == (2,)
    assert made.missing_bytes == ()


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
@given(text=st.text('ab {"é日本▁\n', max_size=12))
def test_sentencepiece_puts_no_blank_before_the_text(kind: str, text: str) -> None:
    pytest.importorskip("tokenizers")
    made = made_once(SENTENCEPIECE[kind])
    assert made.decode(made.encode(text.encode())) == text.encode()


SENTENCEPIECE: dict[str, Callable[[], Tokenizer]] = {
    kind: partial(lambda kind: Tokenizer.from_huggingface(_Backend(json.dumps(sentencepiece(kind)))), kind)
    for kind in ("BPE", "Unigram")
}


class _Backend:
    """As much of a tokenizers.Tokenizer as is read."""

    def __init__(self, text: str, **more: object) -> None:
        self.text = text
        self.__dict__.update(more)

    def to_str(self) -> str:
        return self.text


def test_sentencepiece_encodes_with_its_own_merges() -> None:
    pytest.importorskip("tokenizers")
    made = SENTENCEPIECE["BPE"]()
    library = pytest.importorskip("tokenizers").Tokenizer.from_str(json.dumps(sentencepiece()))
    assert library.encode("ab {").ids == [264, 267]  # with the blank that it puts before the text
    assert made.encode(b"ab {") == [265, 267]
    assert made.encode(b" ab {") == [264, 267]
    assert made.encode(b"aba") == [265, 260]  # no merge leads to the piece "aba"


def test_a_unigram_model_encodes_by_its_own_scores() -> None:
    pytest.importorskip("tokenizers")
    assert SENTENCEPIECE["Unigram"]().encode(b"aba") == [
        260,
        261,
        260,
    ]  # the likeliest split, not the shortest


def test_a_byte_level_prefix_blank_is_not_put_before_the_text() -> None:
    pytest.importorskip("tokenizers")
    file = json.loads((BPE / "tokenizer.json").read_text("utf-8"))
    file["pre_tokenizer"]["add_prefix_space"] = True
    made = Tokenizer.from_huggingface(_Backend(json.dumps(file)))
    text = b"several words of a text, and [numbers 12, 345]"
    assert made.encode(text) == bpe_tokenizer().encode(text)


def test_a_text_changed_by_a_normaliser_is_written_all_the_same(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    file = json.loads((BPE / "tokenizer.json").read_text("utf-8")) | {"normalizer": {"type": "NFC"}}
    made = Tokenizer.from_huggingface(written(json.dumps(file), tmp_path) / "tokenizer.json")
    assert made.decode(made.encode("e\u0301".encode())) == "e\u0301".encode()


def test_added_tokens_that_are_not_special_are_text(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    library = tokenizers.Tokenizer.from_file(str(BPE / "tokenizer.json"))
    library.add_tokens(["<tool_call>", "two words"])
    library.add_special_tokens(["<|think|>"])
    made = Tokenizer.from_huggingface(library)
    assert made.token_bytes[1536:] == (b"<tool_call>", b"two words", None)
    assert made.decode(library.encode("<tool_call>two words").ids) == b"<tool_call>two words"
    assert made.encode(b"<tool_call>") == [1536]


def test_ids_that_no_token_has_are_special(tmp_path: Path) -> None:
    file = json.loads((BPE / "tokenizer.json").read_text("utf-8"))
    file["added_tokens"].append(file["added_tokens"][0] | {"id": 1540, "content": "<|eot_id|>"})
    made = Tokenizer.from_huggingface(_Backend(json.dumps(file)))
    assert made.vocab_size == 1541
    assert set(range(1536, 1541)) <= set(made.special_ids)
    assert made.eos_token_ids == (1, 1540)


def test_a_padded_width_adds_special_ids() -> None:
    assert Tokenizer.from_huggingface(BPE, vocab_size=1600).special_ids[-64:] == tuple(range(1536, 1600))
    with pytest.raises(TokenizerError, match="1500 is less than"):
        Tokenizer.from_huggingface(BPE, vocab_size=1500)


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({"tokenizer_config": {"eos_token": "<|user|>"}}, (2,)),
        ({"tokenizer_config": {"eos_token": {"content": "<|user|>", "lstrip": False}}}, (2,)),
        ({"special_tokens_map": {"eos_token": "<|pad|>"}}, (0,)),
        ({"generation_config": {"eos_token_id": [3, 2]}, "config": {"eos_token_id": 1}}, (1, 2, 3)),
        ({"config": {"eos_token_id": None}}, (1,)),
        ({}, (1,)),
    ],
)
def test_a_folder_says_which_tokens_end(
    files: dict[str, object], ends: tuple[int, ...], tmp_path: Path
) -> None:
    folder = written((BPE / "tokenizer.json").read_text("utf-8"), tmp_path, **files)
    assert Tokenizer.from_huggingface(folder).eos_token_ids == ends
    assert Tokenizer.from_huggingface(folder, eos_token_id=["<|pad|>", 3]).eos_token_ids == (0, 3)


def test_an_object_says_which_tokens_end_and_are_special() -> None:
    text = (BPE / "tokenizer.json").read_text("utf-8")
    made = Tokenizer.from_huggingface(
        _Backend("", backend_tokenizer=_Backend(text), eos_token_id=3, all_special_ids=[3, 20])
    )
    assert made.eos_token_ids == (3,)
    assert made.special_ids == (0, 1, 2, 3, 20)


REFUSED = {
    "WordPiece": ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "WordPiece"),
    "WordLevel": ({"model": {"type": "WordLevel", "vocab": {"a": 0}}}, "WordLevel"),
    "no vocabulary": ({"model": {"type": "BPE"}}, "/model/vocab: the vocabulary is missing"),
    "no model": ({"model": None}, "the vocabulary is missing"),
    "suffix": ({"model": {"type": "BPE", "vocab": {"a": 0}, "end_of_word_suffix": "</w>"}}, "'</w>' marks"),
    "the decoder, which": ({"decoder": None}, "the decoder, which"),
    "other decoder": ({"decoder": {"type": "CTC"}}, "'CTC'"),
    "early strip": ({"decoder": {"type": "Strip", "content": " ", "start": 1, "stop": 0}}, "'Strip'"),
    "no end": ({"added_tokens": []}, "eos_token_id="),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_serve_is_refused_by_what_it_holds(case: str) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_huggingface(_Backend(json.dumps(sentencepiece(**changes))))


DAMAGED: dict[str, tuple[str, dict[str, Any], str]] = {
    "id of text": ("BPE", {"vocab": {"a": "0"}}, "/model/vocab/'a': '0' is not an id"),
    "negative id": ("BPE", {"vocab": {"a": -1}}, "/model/vocab/'a': -1 is not an id"),
    "endless id": ("BPE", {"vocab": {"a": 10**12}}, "/model/vocab/'a': 1000000000000 is not an id"),
    "list as id": ("BPE", {"vocab": {"a": []}}, r"/model/vocab/'a': \[\] is not an id"),
    "score alone": ("Unigram", {"vocab": [["a", 0.0], 7]}, "/model/vocab/1 must be a piece"),
    "number as piece": ("Unigram", {"vocab": [[7, 0.0]]}, "/model/vocab/0 must be a piece"),
    "no content": ("", {"added_tokens": [{"id": 0}]}, "/added_tokens/0 must be a token"),
    "no id": ("", {"added_tokens": [{"content": "a"}]}, "/added_tokens/0 must be a token"),
    "token as text": ("", {"added_tokens": ["a"]}, "/added_tokens/0 must be a token"),
    "added object": ("", {"added_tokens": {"a": 1}}, "/added_tokens must be an array"),
    "decoder as text": ("", {"decoder": "ByteLevel"}, "'ByteLevel' is not a step"),
    "steps as number": ("", {"decoder": {"type": "Sequence", "decoders": 7}}, "is not a step"),
    "step without type": ("", {"normalizer": {"typ": "NFC"}}, "is not a step"),
    "mark as number": ("", {"decoder": {"type": "Metaspace", "replacement": 7}}, "step 'Metaspace' does not"),
}


@for_each("case", DAMAGED)
def test_a_damaged_tokenizer_json_is_refused_by_place(case: str) -> None:
    kind, changes, message = DAMAGED[case]
    file = sentencepiece(kind or "BPE")
    (file["model"] if kind else file).update(changes)
    with pytest.raises(TokenizerError, match=f"tokenizer.json.*{message}"):
        Tokenizer.from_huggingface(_Backend(json.dumps(file)))


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "[" * 100_000])
def test_what_is_no_tokenizer_json_is_refused(text: str) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer.from_huggingface(_Backend(text))


def test_a_path_that_is_not_there_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"does not download files.*from_pretrained"):
        Tokenizer.from_huggingface("organisation/model")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: the file does not exist"):
        Tokenizer.from_huggingface(tmp_path)


def test_a_config_that_is_not_json_is_named(tmp_path: Path) -> None:
    folder = written((BPE / "tokenizer.json").read_text("utf-8"), tmp_path)
    (folder / "config.json").write_text("{", "utf-8")
    with pytest.raises(TokenizerError, match=r"config\.json: not JSON"):
        Tokenizer.from_huggingface(folder)


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(TokenizerError, match="int has no backend"):
        Tokenizer.from_huggingface(7)


# --- tiktoken -----------------------------------------------------------------------------------------------


def test_tiktoken_encodes_as_the_library_does() -> None:
    made = tiktoken_tokenizer()
    assert made.encode(b'a the "the": \xc3\xa9') == [97, 258, 32, 34, 116, 257, 259, 32, 260]
    assert (made.vocab_size, made.eos_token_ids) == (271, (270,))
    assert made.special_ids == tuple(range(261, 271))


def test_very_long_runs_do_not_overflow_tiktoken() -> None:
    made = tiktoken_tokenizer()
    for data in (b" " * 1_000_000, b"x" * 60_000, b"a " * 30_000):
        assert made.decode(made.encode(data)) == data


def test_end_tokens_of_tiktoken_go_by_id_or_text() -> None:
    tiktoken = pytest.importorskip("tiktoken")
    encoding = tiktoken.Encoding(
        "x",
        pat_str=".",
        mergeable_ranks={token: i for i, token in enumerate(SINGLE)},
        special_tokens={"<e>": 256, "<f>": 257},
    )
    assert Tokenizer.from_tiktoken(encoding, "<e>").eos_token_ids == (256,)
    assert Tokenizer.from_tiktoken(encoding, [257, "<e>"]).eos_token_ids == (256, 257)
    with pytest.raises(TokenizerError, match="the end token is missing"):
        Tokenizer.from_tiktoken(encoding)
    with pytest.raises(TokenizerError, match="the token '<g>' does not exist"):
        Tokenizer.from_tiktoken(encoding, "<g>")


def test_what_is_no_encoding_is_refused() -> None:
    pytest.importorskip("tiktoken")
    with pytest.raises(TokenizerError, match=r"int is not a tiktoken\.Encoding"):
        Tokenizer.from_tiktoken(7)
    with pytest.raises(TokenizerError, match="no encoding 'o200k_nothing'"):
        Tokenizer.from_tiktoken("o200k_nothing")


def test_a_file_of_ranks_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    ranks = {b"a": 0, b"\xff": 1, b" a": 3}
    path.write_bytes(
        b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()) + b"\n"
    )
    made = Tokenizer.from_tiktoken_file(path, "<e>", special_tokens={"<e>": 4})
    assert made.token_bytes == (b"a", b"\xff", None, b" a", None)
    assert made.encode(b"\xff a") == [1, 3]
    path.write_bytes(path.read_bytes() + b"YQ== x\n")
    with pytest.raises(TokenizerError, match=r"tokenizer\.model, line 5: not a token"):
        Tokenizer.from_tiktoken_file(path, 4)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Yg== 0", "rank 0: b'a' and b'b' have the same rank"),
        ("Yg== -1", "ranks: -1 is not a token id"),
        ("Yg== 99999999999", "ranks: 99999999999 is not a token id"),
    ],
)
def test_ranks_that_are_no_ids_of_their_own_are_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_text(f"YQ== 0\n{line}\n")
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_tiktoken_file(path, 0)


# --- what is not needed -------------------------------------------------------------------------------------


def test_reading_needs_none_of_the_libraries() -> None:
    script = """
import sys
for name in ("tokenizers", "tiktoken", "transformers", "numpy", "numba"):
    sys.modules[name] = None
from structgen.errors import TokenizerError
from structgen.tokens.tokenizer import Tokenizer
made = Tokenizer.from_huggingface(sys.argv[1])
assert made.vocab_size == 1536
try:
    made.encode(b"x")
except TokenizerError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", script, str(BPE)], capture_output=True, text=True, check=True
    )
    assert "tokenizers, which are not installed" in said.stdout and "[tokenizers]" in said.stdout


# --- real vocabularies --------------------------------------------------------------------------------------


@pytest.mark.real_tokenizer
@pytest.mark.parametrize(("name", "size"), [("llama3", 128_256), ("qwen", 151_851)])
def test_real_vocabularies_write_every_text(name: str, size: int) -> None:
    sys.path.insert(0, str(BPE.parents[2] / "bench"))
    from vocabularies import load

    made = load(name)
    assert (made.vocab_size, made.missing_bytes) == (size, ())
    for text in TEXTS:
        assert made.decode(made.encode(text.encode())) == text.encode()
