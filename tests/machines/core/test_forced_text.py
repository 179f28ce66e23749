"""The tokens of forced text, against token sequences that are written out from a list of documents."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each

tokenizers = pytest.importorskip("tokenizers")

import structgen as sg  # noqa: E402
from structgen.machines.core.forced_text import prompt_border, with_forced_text  # noqa: E402

_MERGES = 'a b|ab c|c d|d e|: /|/ /|:/ /|e "|" :|ab ab|x y|b c'.split("|")


def _tokenizer() -> sg.Tokenizer:
    """Byte-level BPE: all bytes and a few merges, and an end token."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    pairs = [tuple(merge.split()) for merge in _MERGES]
    texts = [*alphabet, *dict.fromkeys("".join(pair) for pair in pairs)]
    model = tokenizers.models.BPE({text: i for i, text in enumerate(texts)}, pairs)
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["</s>", "<pad>"])
    return sg.Tokenizer.from_huggingface(made, eos_token_id="</s>")


TOKENIZER = _tokenizer()
END = TOKENIZER.eos_token_ids[0]
DOCUMENTS = [
    ["abcde"],
    ["abc", "abcd", "abx"],
    ["xabcdy", "xabcdab", "abcde"],
    ["://abc", "://abd"],
    ["é", "è"],
    ["abéxy", "abèxy"],
    ["ab" + tail for tail in ("c", "abc", "ab")],
]


def _sequences(compiled: sg.CompiledGrammar) -> set[tuple[int, ...]]:
    """All sequences of tokens that the masks allow, up to the end token."""
    found = set()

    def go_on(state: sg.core.State, tokens: tuple[int, ...]) -> None:
        for token in compiled.allowed(state):
            if token == END:
                found.add(tokens)
            else:
                after = compiled.step(state, token)
                assert after is not None
                go_on(after, (*tokens, token))

    go_on(compiled.start, ())
    return found


def _forced(texts: list[bytes], begun: bytes) -> bytes:
    """What all texts that begin so go on with."""
    left = [text[len(begun) :] for text in texts if text.startswith(begun)]
    size = 0
    while all(len(one) > size and one[size] == left[0][size] for one in left):
        size += 1
    return left[0][:size]


def _spelled(texts: list[bytes], *, canonical: bool) -> set[tuple[int, ...]]:
    """All sequences of tokens that spell one of the texts: with `canonical`, by the rule of the docs."""
    known = [(token, data) for token, data in enumerate(TOKENIZER.token_bytes) if data]

    def spelled(begun: bytes, plan: list[int]) -> Iterator[tuple[int, ...]]:
        if begun in texts:
            yield ()
        if canonical and not plan:
            whole = _forced(texts, begun).decode("utf-8", "ignore").encode()
            plan = TOKENIZER.encode(whole) if whole else []
        rest = TOKENIZER.decode(plan)
        for token, data in known:
            if any(text.startswith(begun + data) for text in texts):
                if plan and token != plan[0] and len(data) <= len(rest):
                    continue
                then = plan[1:] if plan and token == plan[0] else []
                for more in spelled(begun + data, then):
                    yield (token, *more)

    return set(spelled(b"", []))


def _compiled(documents: list[str]) -> sg.CompiledGrammar:
    return sg.compile(sg.choice(documents), TOKENIZER)


@pytest.mark.parametrize("documents", DOCUMENTS)
def test_masks_have_the_sequences_of_canonical_tokens(documents: list[str]) -> None:
    compiled = _compiled(documents)
    found = _sequences(with_forced_text(compiled, canonical=True))
    texts = [text.encode() for text in documents]
    assert found == _spelled(texts, canonical=True)
    assert {TOKENIZER.decode(tokens) for tokens in found} == set(texts)


@pytest.mark.parametrize("documents", DOCUMENTS)
def test_without_options_a_grammar_is_itself(documents: list[str]) -> None:
    compiled = _compiled(documents)
    assert with_forced_text(compiled) is compiled
    with_forced_text(compiled, canonical=True).allowed(with_forced_text(compiled, canonical=True).start)
    assert _sequences(compiled) == _spelled([text.encode() for text in documents], canonical=False)


@for_each("canonical", [False, True])
@for_each("behind", ["x", ":", "ab", "xab", ':"', "é"])
@for_each("documents", DOCUMENTS[:5])
def test_behind_a_border_the_texts_are_those_of_border_and_grammar(
    documents: list[str], behind: str, canonical: bool
) -> None:
    policy = with_forced_text(_compiled(documents), canonical=canonical, border=behind.encode())
    texts = [(behind + text).encode() for text in documents]
    assert _sequences(policy) == _spelled(texts, canonical=canonical)


@for_each("canonical", [False, True])
@for_each("behind", [b"", b"x", b"xab", b"\xc3"])
@for_each("documents", DOCUMENTS)
def test_a_budget_of_tokens_is_kept(documents: list[str], behind: bytes, canonical: bool) -> None:
    policy = with_forced_text(_compiled(documents), canonical=canonical, border=behind)
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    for seed in range(8):
        matcher, chosen = sg.Matcher(policy), random.Random(seed)
        left = matcher.tokens_to_finish() + seed % 3
        while not matcher.is_finished:
            matcher.fill_mask(mask, budget=left)
            matcher.advance(chosen.choice(mask.allowed(0).tolist()))
            left -= 1
        assert left >= -1
        text = TOKENIZER.decode(matcher.tokens)
        assert text in {behind + one.encode() for one in documents}


def test_no_token_leaves_a_border_that_no_tokens_write() -> None:
    """No token is "b" alone, so behind "a" only "bc" could go on."""
    own = sg.Tokenizer.from_bytes([b"a", b"c", b"d", b"ab", b"bc", None], 5)
    for document, allowed in (("c", [0, 3]), ("d", [3])):
        policy = with_forced_text(sg.compile(sg.literal(document), own), border=b"ab")
        assert policy.allowed(policy.start) == allowed
        assert policy.tokens_to_finish(policy.start) == 2


def test_the_fewest_tokens_are_counted_across_the_border() -> None:
    compiled = _compiled(["//ab"])
    assert sg.Matcher(with_forced_text(compiled, border=b":")).tokens_to_finish() == 2
    assert TOKENIZER.token_bytes[TOKENIZER.encode(b"://")[0]] == b"://"


@pytest.mark.parametrize(
    ("prompt", "documents", "again"),
    [
        ("ex:", ["//ab"], ":"),
        ("ex:", ["ab"], ""),
        ("exxa", ["b", "x"], "a"),
        # the tokens are e, x, x, ab
        ("exxab", ["c"], "ab"),
        ("e", [" "], ""),
        # "ab", "a": the token "abab" begins in the first of them
        ("xaba", ["b"], "aba"),
    ],
)
def test_as_much_of_a_prompt_is_written_again_as_a_token_may_begin_in(
    prompt: str, documents: list[str], again: str
) -> None:
    tokens = TOKENIZER.encode(prompt.encode())
    count = prompt_border(_compiled(documents), tokens)
    assert TOKENIZER.decode(tokens[len(tokens) - count :]) == again.encode()


def test_special_tokens_and_the_first_token_stay() -> None:
    compiled = _compiled(["//ab"])
    pad = TOKENIZER.special_ids[-1]
    (colon,) = TOKENIZER.encode(b":")
    assert pad != END
    assert prompt_border(compiled, [1, colon]) == 1
    assert prompt_border(compiled, [1, colon, pad]) == 0
    assert prompt_border(compiled, [1, pad, colon]) == 1
    assert prompt_border(compiled, [colon]) == 0


def test_a_special_token_that_may_come_is_no_forced_text() -> None:
    pad = TOKENIZER.special_ids[-1]
    compiled = sg.compile(sg.literal("abc") | sg.special(pad), TOKENIZER)
    assert sg.Matcher(compiled).forced() == b""
    policy = with_forced_text(compiled, canonical=True)
    assert policy.allowed(policy.start) == compiled.allowed(compiled.start)
    assert pad in policy.allowed(policy.start)


def test_a_tokenizer_without_rules_is_refused() -> None:
    own = sg.Tokenizer.from_bytes([b"a", b"b", b"ab", None], 3)
    compiled = sg.compile(sg.literal("ab"), own)
    with pytest.raises(
        sg.errors.OptionError, match=r"canonical tokens of a text are not known.*remove canonical"
    ):
        with_forced_text(compiled, canonical=True)
    # a border needs none
    policy = with_forced_text(compiled, border=b"a")
    assert policy.allowed(policy.start) == [0]


def test_text_that_the_tokenizer_changes_is_written_in_any_tokens() -> None:
    """The tokenizer writes small letters alone, so "AB" has no tokens of its own."""
    file = tokenizers.Tokenizer(
        tokenizers.models.BPE({"a": 0, "b": 1, "A": 2, "B": 3, "ab": 4}, [("a", "b")])
    )
    file.normalizer = tokenizers.normalizers.Lowercase()
    file.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    file.decoder = tokenizers.decoders.ByteLevel()
    file.add_special_tokens(["</s>"])
    own = sg.Tokenizer.from_huggingface(file, eos_token_id="</s>")
    for text, tokens in (("ab", [4]), ("AB", [2])):
        policy = with_forced_text(sg.compile(sg.literal(text), own), canonical=True)
        assert policy.allowed(policy.start) == tokens


@pytest.mark.parametrize("canonical", [False, True])
def test_drafts_have_the_masks_of_their_states(canonical: bool) -> None:
    policy = with_forced_text(_compiled(["abcde", "abx"]), canonical=canonical, border=b"x")
    tokens = TOKENIZER.encode(b"xabcde")
    mask, alone = (
        sg.allocate_mask(len(tokens) + 1, TOKENIZER.vocab_size),
        sg.allocate_mask(1, TOKENIZER.vocab_size),
    )
    matcher = sg.Matcher(policy)
    sg.core.fill_draft(matcher, tokens, list(range(-1, len(tokens) - 1)), mask)
    for row, token in enumerate([*tokens, END]):
        matcher.fill_mask(alone)
        assert mask.allowed(row).tolist() == alone.allowed(0).tolist()
        matcher.advance(token)


LARGE = sg.Tokenizer.from_huggingface(str(Path(__file__).parents[2] / "data" / "bpe"))
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 6}, "tags": {"enum": ["red", "redder", "blue"]}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}
GRAMMARS = {
    "json": sg.json_schema(PERSON, **sg.JSON_DUMPS),
    "spaces": sg.json_schema(PERSON),
    "lark": sg.lark('start: "let " NAME " = " ("index" | "input") ";"\nNAME: /[a-z]{1,4}/'),
    "ebnf": sg.ebnf('root ::= "item " [0-9] ("; " root)? "."'),
    "parts": "Answer: " + sg.regex("[a-z]{2,6}") + ", because: " + sg.choice(["no", "none"]),
}


@for_each("behind", [b"", b":", b"\xe2\x82"])
@for_each("name", GRAMMARS)
def test_texts_of_every_kind_of_grammar(name: str, behind: bytes) -> None:
    """Random tokens of the masks write texts of the grammar, and end."""
    compiled = sg.compile(GRAMMARS[name], LARGE)
    policy = with_forced_text(compiled, canonical=True, border=behind)
    mask, plain = sg.allocate_mask(1, LARGE.vocab_size), sg.allocate_mask(1, LARGE.vocab_size)
    for seed in range(5):
        matcher, chosen = sg.Matcher(policy), random.Random(seed)
        while not matcher.is_finished:
            left = 40 - len(matcher.tokens)
            matcher.fill_mask(mask, budget=left if left >= matcher.tokens_to_finish() else None)
            text = LARGE.decode(matcher.tokens)
            if len(text) >= len(behind) and not matcher.is_complete:
                state = compiled.step_bytes(compiled.start, text[len(behind) :])
                assert state is not None
                compiled.fill(state, plain)
                assert set(mask.allowed(0)) <= set(plain.allowed(0)) != set()
                forced = compiled.forced(state.index)
                longer = [
                    token for token in mask.allowed(0) if len(LARGE.token_bytes[token] or b"") > len(forced)
                ]
                assert not forced or len(mask.allowed(0)) - len(longer) <= 1 or left < 15
            matcher.advance(chosen.choice(mask.allowed(0).tolist()))
        text = LARGE.decode(matcher.tokens)
        assert text.startswith(behind)
        end = compiled.step_bytes(compiled.start, text[len(behind) :])
        assert end is not None and end.is_complete


def test_a_policy_is_made_again_in_another_process_and_after_limits() -> None:
    policy = with_forced_text(_compiled(["xabcdy", "abcde"]), canonical=True, border=b"x")
    wanted = _sequences(policy)
    assert _sequences(pickle.loads(pickle.dumps(policy))) == wanted
    assert _sequences(policy.anew()) == wanted
    matcher = sg.Matcher(policy)
    matcher.advance(policy.allowed(policy.start)[0])
    assert pickle.loads(pickle.dumps(matcher)).tokens == matcher.tokens


def test_a_policy_is_found_again_while_somebody_holds_it() -> None:
    compiled, other = _compiled(["abc"]), _compiled(["abc"])
    policy = with_forced_text(compiled, border=b"x")
    assert with_forced_text(compiled, border=b"x") is policy
    assert with_forced_text(compiled, border=b"y") is not policy
    assert with_forced_text(other, border=b"x") is not policy
