"""SentencePiece models as tokenizers, held to the encoder and the decoder of the sentencepiece package."""

from __future__ import annotations

import io
import json
import pickle
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from compiled_texts import written
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen import Tokenizer
from structgen.errors import TokenizerError

spm = pytest.importorskip("sentencepiece")

ROOT = Path(__file__).parents[1]
IDENTITY = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
KINDS: dict[str, dict[str, Any]] = {
    "bpe": {"model_type": "bpe", "byte_fallback": True},
    "bpe, identity": {"model_type": "bpe", "byte_fallback": True, **IDENTITY},
    "bpe, no prefix": {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False, **IDENTITY},
    "unigram": {
        "model_type": "unigram",
        "byte_fallback": True,
        "user_defined_symbols": ["<tool>", "\u2581of\u2581the"],
        "control_symbols": ["<pause>", "<|im_end|>"],
    },
    "unigram, suffix": {"model_type": "unigram", "byte_fallback": True, "treat_whitespace_as_suffix": True},
    "unigram, no bytes": {"model_type": "unigram"},
    "char": {"model_type": "char"},
}
WITH_BYTES = [kind for kind, options in KINDS.items() if options.get("byte_fallback")]
TEXTS = st.text(
    st.sampled_from('the License \u2581\n\t\0{"é日\u0301😀\ufb01\u200d<>'), max_size=16
) | st.text(max_size=8)


@cache
def model(kind: str) -> bytes:
    """A small model of this kind, trained on the licence's text."""
    written = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter((ROOT / "LICENSE").read_text("utf-8").splitlines()),
        model_writer=written,
        vocab_size=420,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **KINDS[kind],
    )
    return written.getvalue()


@cache
def processor(kind: str) -> Any:
    return spm.SentencePieceProcessor(model_proto=model(kind))


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer.from_sentencepiece(model(kind))


def inside(kind: str, ids: list[int]) -> str:
    """What the model's own decoder writes for tokens that stand behind another one."""
    anchor = processor(kind).piece_to_id("L")
    return processor(kind).decode([anchor, *ids])[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_each_token_is_what_the_models_own_decoder_writes(kind: str) -> None:
    own, made = processor(kind), tokenizer(kind)
    assert made.vocab_size == own.get_piece_size()
    for i, token in enumerate(made.token_bytes):
        if own.is_byte(i):
            assert token == bytes([int(own.id_to_piece(i)[3:-1], 16)])
        elif own.is_control(i) or own.is_unknown(i):
            assert token is None
        else:
            assert token == inside(kind, [i]).encode()


def test_pieces_that_users_defined_are_text_and_control_pieces_are_not() -> None:
    own, made = processor("unigram"), tokenizer("unigram")
    assert made.token_bytes[own.piece_to_id("<tool>")] == b"<tool>"
    assert made.token_bytes[own.piece_to_id("\u2581of\u2581the")] == b" of the"
    assert made.token_bytes[own.piece_to_id("<pause>")] is None
    assert made.encode(b"<tool>") == [own.piece_to_id("<tool>")]
    assert own.piece_to_id("<pause>") not in made.encode(b"<pause>")


def test_unused_pieces_are_special() -> None:
    # Fields of a protobuf message may be repeated behind its end: a piece "zebra" of the type UNUSED (5).
    piece = b"\x0a\x05zebra\x15\0\0\0\0\x18\x05"
    data = model("bpe") + b"\x0a" + bytes([len(piece)]) + piece
    own = spm.SentencePieceProcessor(model_proto=data)
    assert own.is_unused(own.piece_to_id("zebra"))
    made = Tokenizer.from_sentencepiece(data)
    assert made.token_bytes == (*tokenizer("bpe").token_bytes, None)
    assert made.decode(made.encode(b"zebra")) == b"zebra"


def test_the_end_tokens_are_the_models_own() -> None:
    own = processor("unigram")
    assert tokenizer("bpe").eos_token_ids == (2,)
    assert tokenizer("unigram").eos_token_ids == tuple(sorted({own.eos_id(), own.piece_to_id("<|im_end|>")}))
    assert Tokenizer.from_sentencepiece(model("bpe"), eos_token_id="<s>").eos_token_ids == (1,)
    assert Tokenizer.from_sentencepiece(model("bpe"), vocab_size=512).vocab_size == 512


@pytest.mark.parametrize("kind", WITH_BYTES)
@given(text=TEXTS)
def test_the_own_decoder_gives_back_what_was_encoded(kind: str, text: str) -> None:
    made = tokenizer(kind)
    ids = made.encode(text.encode())
    assert made.decode(ids) == text.encode()
    assert inside(kind, ids) == text


@pytest.mark.parametrize("kind", WITH_BYTES)
@given(text=TEXTS)
def test_at_the_start_the_own_decoder_takes_away_blanks_alone(kind: str, text: str) -> None:
    decoded = processor(kind).decode(tokenizer(kind).encode(text.encode()))
    assert text.endswith(decoded)
    assert not text[: len(text) - len(decoded)].strip(" ")


@pytest.mark.parametrize("kind", ["unigram, no bytes", "char"])
@given(text=TEXTS)
def test_without_byte_pieces_a_text_is_written_or_refused_by_place(kind: str, text: str) -> None:
    made = tokenizer(kind)
    try:
        ids = made.encode(text.encode())
    except TokenizerError as error:
        assert error.where.startswith("byte ")
    else:
        assert inside(kind, ids) == text


@given(text=TEXTS.filter(lambda text: "\u2581" not in text))
def test_a_text_is_split_as_the_model_splits_it(text: str) -> None:
    assert tokenizer("bpe, no prefix").encode(text.encode()) == processor("bpe, no prefix").encode(text)
    # With a prefix of its own the model reads what begins with that blank.
    assert tokenizer("bpe, identity").encode(f" {text}".encode()) == (
        processor("bpe, identity").encode(text) if text else tokenizer("bpe, identity").encode(b" ")
    )


def test_a_text_that_the_model_would_normalise_is_split_by_its_own_rules() -> None:
    # The model reads the line's end as a blank. Left as it stands it is a byte, and the words stay whole.
    own = processor("unigram")
    words, more = own.encode("the License"), own.encode("of the Work")
    ids = tokenizer("unigram").encode(b" the License\n of the Work")
    assert ids == [*words, own.piece_to_id("<0x0A>"), *more]


def test_a_tokenizer_json_of_the_same_pieces_is_the_same_tokenizer() -> None:
    own = processor("unigram")
    pieces = [[own.id_to_piece(i), own.get_score(i)] for i in range(own.get_piece_size())]
    step = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False}
    specials = [i for i in range(own.get_piece_size()) if own.is_control(i) or own.is_unknown(i)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    file = {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": own.id_to_piece(i), "special": True, **plain} for i in specials
        ],
        "pre_tokenizer": step,
        "decoder": step,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": True},
    }
    library = pytest.importorskip("tokenizers").Tokenizer.from_str(json.dumps(file))
    other = Tokenizer.from_huggingface(library)
    assert other.fingerprint == tokenizer("unigram").fingerprint
    text = b"the License of this Work, 2004"
    assert other.encode(text) == tokenizer("unigram").encode(text)


def test_a_model_is_the_same_tokenizer_however_it_is_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model("bpe"))
    ways: list[Callable[[], Tokenizer]] = [
        lambda: Tokenizer.from_sentencepiece(path),
        lambda: Tokenizer.from_sentencepiece(str(path)),
        lambda: Tokenizer.from_sentencepiece(processor("bpe")),
        lambda: Tokenizer.from_huggingface(processor("bpe")),
        lambda: Tokenizer.from_huggingface(path),
        lambda: Tokenizer.from_huggingface(tmp_path),
        lambda: pickle.loads(pickle.dumps(tokenizer("bpe"))),
    ]
    for way in ways:
        made = way()
        assert made == tokenizer("bpe")
        assert made.encode(b"the License") == tokenizer("bpe").encode(b"the License")


def test_a_processor_that_samples_is_encoded_without_chance() -> None:
    sampling = spm.SentencePieceProcessor(
        model_proto=model("unigram"), enable_sampling=True, alpha=0.1, nbest_size=-1
    )
    made = Tokenizer.from_sentencepiece(sampling)
    assert len({tuple(made.encode(b"the License of the Work")) for _ in range(20)}) == 1


def test_a_folder_names_its_ends_and_adds_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(model("bpe"))
    size = tokenizer("bpe").vocab_size
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<call>": size, "<|im_end|>": size + 2}))
    added = {str(size + 3): {"content": "<image>", "special": True}, "1": {"content": "<s>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|im_end|>", "added_tokens_decoder": added})
    )
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2]}))
    made = Tokenizer.from_huggingface(tmp_path)
    assert made.eos_token_ids == (2, size + 2)
    assert made.token_bytes[size:] == (b"<call>", None, None, None)
    assert made.token_bytes[:size] == tokenizer("bpe").token_bytes


# --- objects of transformers --------------------------------------------------------------------------------


def written_model(kind: str, folder: Path) -> str:
    path = folder / "spiece.model"
    path.write_bytes(model(kind))
    return str(path)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "bpe, no prefix"])
def test_a_slow_tokenizer_of_transformers_decodes_what_is_encoded(kind: str, tmp_path: Path) -> None:
    slow = pytest.importorskip("transformers").GPTSw3Tokenizer(
        written_model(kind, tmp_path), name_or_path="small"
    )
    made = Tokenizer.from_huggingface(slow)
    assert made.vocab_size == len(slow)
    assert set(made.special_ids) >= set(slow.all_special_ids)
    assert made.eos_token_ids == (slow.eos_token_id,)
    for text in ("the License", "é😀 {\n}", "Work  of\0 \u0301"):
        assert slow.decode([slow.convert_tokens_to_ids("L"), *made.encode(text.encode())]) == "L" + text


class Moved:
    """A slow tokenizer whose ids are those of the model moved by one, as fairseq's are."""

    def __init__(self, kind: str) -> None:
        self.sp_model = processor(kind)
        self.eos_token_id = 3
        self.all_special_ids = [0]
        self.added_tokens_decoder = {
            len(self) - 1: _Added("<mask>", True),
            len(self): _Added("<call>", False),
        }

    def __len__(self) -> int:
        return self.sp_model.get_piece_size() + 2

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [
            "<pad>" if i == 0 else "<mask>" if i == len(self) - 1 else self.sp_model.id_to_piece(i - 1)
            for i in ids
        ]


class _Added:
    def __init__(self, content: str, special: bool) -> None:
        self.content, self.special = content, special


def test_ids_are_those_of_the_tokenizer_and_not_those_of_its_model() -> None:
    made, base = Tokenizer.from_huggingface(Moved("bpe")), tokenizer("bpe")
    assert made.token_bytes == (None, *base.token_bytes, None, b"<call>")
    assert made.eos_token_ids == (3,)
    assert made.encode(b"the License") == [i + 1 for i in base.encode(b"the License")]
    assert made.encode(b"<call>") != [base.vocab_size + 2]
    assert made.decode(made.encode(b"<call>")) == b"<call>"


def test_a_processor_with_a_tokenizer_inside_is_that_tokenizer() -> None:
    class Processor:
        tokenizer = processor("bpe")

    assert Tokenizer.from_huggingface(Processor()) == tokenizer("bpe")


# --- masks --------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "the": {"type": "string", "maxLength": 12},
        "of": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["the"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("kind", WITH_BYTES)
def test_documents_under_a_mask_are_valid_as_the_own_decoder_writes_them(kind: str) -> None:
    made = tokenizer(kind)
    compiled = sg.compile(sg.json_schema(SCHEMA), made)
    chance = random.Random(7)
    for _ in range(10):
        ids = written(sg.Matcher(compiled), chance, 60)
        text = inside(kind, ids)
        assert text.encode() == made.decode(ids)
        jsonschema.validate(json.loads(text), SCHEMA)


# --- what is refused ----------------------------------------------------------------------------------------


def test_a_part_of_a_model_is_refused_wherever_it_ends() -> None:
    data = model("bpe, identity")
    whole = tokenizer("bpe, identity")
    chance = random.Random(3)
    for end in {*chance.sample(range(len(data) - 40), 300), *range(40)}:
        with pytest.raises(TokenizerError, match=r"part of"):
            Tokenizer.from_sentencepiece(data[:end])
    assert Tokenizer.from_sentencepiece(data) == whole


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "part of"),
        (b"\x89PNG\r\n\x1a\n", "not a SentencePiece model"),
        (b"{}", "vocabulary is missing"),
        (b'{"a"', "not JSON"),
        (b"YQ== 0\nYg== 1\n", "from_tiktoken_file"),
        (b"\xff" * 99, "not a SentencePiece model"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(data)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_huggingface(path)
    if not data.startswith(b"{"):
        with pytest.raises(TokenizerError, match=rf"tokenizer\.model: .*{message}"):
            Tokenizer.from_sentencepiece(path)


def test_a_processor_without_a_model_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"contains no model.*Load one first"):
        Tokenizer.from_sentencepiece(spm.SentencePieceProcessor())


def test_a_model_that_rewrites_what_it_decodes_is_refused(tmp_path: Path) -> None:
    rules = tmp_path / "rules.tsv"
    rules.write_text("65\t33\n")  # the decoder writes 3 for e
    written = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(["some text here"] * 9),
        model_writer=written,
        vocab_size=20,
        hard_vocab_limit=False,
        minloglevel=2,
        denormalization_rule_tsv=str(rules),
    )
    with pytest.raises(TokenizerError, match=r"token \d+: its decoder writes .*denormalization"):
        Tokenizer.from_sentencepiece(written.getvalue())


def test_a_folder_whose_ids_are_not_those_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model("bpe"))
    with pytest.raises(TokenizerError, match=r"not the model's own.*from_pretrained"):
        Tokenizer.from_huggingface(tmp_path)


def test_objects_inside_one_another_without_end_are_refused() -> None:
    class Circle:
        @property
        def tokenizer(self) -> Circle:
            return self

    with pytest.raises(TokenizerError, match="Circle has no backend"):
        Tokenizer.from_huggingface(Circle())


def test_a_damaged_model_is_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(11)
    whole = model("bpe, identity")
    outcomes = set()
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            at = chance.randrange(len(data))
            if chance.random() < 0.7:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randrange(1, 5)]
        try:
            made = Tokenizer.from_sentencepiece(bytes(data))
        except TokenizerError:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            assert made.vocab_size > 0
    assert outcomes == {"refused", "read"}


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda data: data.replace(b"<0x41>", b"<0x\xff1>"), id="a byte piece that is no UTF-8"),
        pytest.param(lambda data: data.replace(b"License", b"Licens\xff"), id="a piece that is no UTF-8"),
        pytest.param(lambda data: data + b"\x07", id="a field of an unknown kind"),
    ],
)
def test_a_model_with_this_damage_is_refused(spoilt: Callable[[bytes], bytes]) -> None:
    data = spoilt(model("bpe, identity"))
    assert data != model("bpe, identity")
    with pytest.raises(TokenizerError, match=r"damaged|not a SentencePiece model|part of"):
        Tokenizer.from_sentencepiece(data)
