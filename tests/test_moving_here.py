"""docs/moving-here.md: the calls of other libraries are there in their packages, and do what the calls beside
them do. A library that is not installed is left out."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg
from structgen.tokens.token_mask import TokenMask

PAGE = (Path(__file__).parents[1] / "docs/moving-here.md").read_text(encoding="utf-8")
OWNERS = {
    "outlines": ["outlines", "outlines.generator:SteerableGenerator"],
    "instructor": ["instructor", "instructor:Instructor", "instructor:Instructor.create"],
    "guidance": ["guidance", "guidance:models", "guidance:gen", "guidance:json", "guidance:select"],
    "xgrammar": [
        *("xgrammar", "xgrammar:TokenizerInfo", "xgrammar:GrammarCompiler", "xgrammar:GrammarMatcher"),
        *("xgrammar.testing", "xgrammar:GrammarCompiler.compile_json_schema"),
    ],
    "llguidance": ["llguidance", "llguidance:LLMatcher", "llguidance.numpy"],
}
"""By library: the modules and classes whose names the page has, and the functions whose parameters it has."""
OF_OTHERS = {
    *("OpenAI", "client", "chat", "completions", "create", "base_url", "model", "messages"),  # openai's
    *("field_validator", "Literal"),  # of pydantic and typing
    *("tokenizer", "prompt", "prompts", "generator", "template", "text", "matcher", "lm", "grammar"),
    *("Person", "False", "model_dump", "info", "compiled", "mask", "size", "tools", "URL", "ts"),
}
"""Names of the first columns that stand for a reader's own objects, or for those of a third library."""


def first_column(library: str) -> set[str]:
    """Return the names in the code of a library's column, without texts between quotes."""
    table = PAGE.partition(f"\n## {library}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \| ", table, re.M)[1:]
    code = re.sub(r'"[^"]*"', "", " ".join(re.findall(r"`([^`]+)`", " ".join(rows))))
    return set(re.findall(r"[A-Za-z_]\w+", code))


def names_of(owner: str) -> set[str]:
    """Return the names that an owner has: a module's or a class's own, a function's parameters."""
    module, _, path = owner.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        found = getattr(found, part)
    names = {*dir(found), *getattr(found, "__all__", ())}
    return (
        names if inspect.ismodule(found) or inspect.isclass(found) else {*inspect.signature(found).parameters}
    )


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_the_names_of_its_column(library: str) -> None:
    pytest.importorskip(library)
    assert f"{library} {version(library)}" in PAGE.partition("\n## ")[0]
    known = {library} | OF_OTHERS
    for owner in OWNERS[library]:
        known |= names_of(owner)
    assert first_column(library) - known == set()


def test_structgen_has_the_names_of_its_columns() -> None:
    table = "\n".join(re.findall(r"^\|.*$", PAGE, re.M))
    for place in set(re.findall(r"\bsg\.([\w.]+)", table)):
        found: Any = sg
        for part in place.split("."):
            found = getattr(found, part)
    for name in set(re.findall(r"\bmatcher\.(\w+)", table)):
        assert hasattr(sg.Matcher, name), name


def test_the_columns_are_read() -> None:
    assert {"GrammarMatcher", "fork", "any_whitespace"} <= first_column("xgrammar")
    assert all(len(first_column(library)) > 8 for library in OWNERS)


# --- the calls side by side ---------------------------------------------------------------------------------

TOKENIZER = Path(__file__).parent / "data/bpe/tokenizer.json"
SCHEMA = {"const": "yes"}


def allowed(row: Any) -> list[int]:
    """Return the tokens that a row of a mask allows, of whatever library, in the layout of structgen's."""
    words = np.frombuffer(bytearray(row), np.int32).reshape(1, -1)
    return list(map(int, TokenMask.wrap(words).allowed()))


def test_xgrammars_calls_beside_ours() -> None:
    xgrammar = pytest.importorskip("xgrammar")
    tokenizer = sg.Tokenizer.from_huggingface(TOKENIZER)
    size = tokenizer.vocab_size
    info = xgrammar.TokenizerInfo(
        [text or b"" for text in tokenizer.token_bytes],
        xgrammar.VocabType.RAW,
        vocab_size=size,
        stop_token_ids=list(tokenizer.eos_token_ids),
    )
    theirs = xgrammar.GrammarMatcher(
        xgrammar.GrammarCompiler(info).compile_json_schema(SCHEMA, any_whitespace=False)
    )
    ours = sg.Matcher(sg.compile(sg.json_schema(SCHEMA, whitespace="oneline"), tokenizer))
    their_mask, our_mask = xgrammar.allocate_token_bitmask(2, size), sg.allocate_mask(2, size)
    assert their_mask.shape == our_mask.array.shape and str(their_mask.dtype) == "torch.int32"
    tokens = tokenizer.encode(b'"yes"')
    for token in tokens:
        theirs.fill_next_token_bitmask(their_mask, 1)
        ours.fill_mask(our_mask, 1)
        assert allowed(their_mask.numpy()[1]) == list(our_mask.allowed(1))
        assert theirs.find_jump_forward_string().encode() == ours.forced()
        assert not theirs.accept_token(0)
        with pytest.raises(sg.errors.TokenError):
            ours.advance(0)
        assert theirs.accept_token(token)
        ours.advance(token)
        assert theirs.is_completed() == ours.is_complete and theirs.is_terminated() == ours.is_finished
    theirs.rollback(1)
    ours.rollback(1)
    assert theirs.fork().find_jump_forward_string().encode() == ours.fork().forced()


def test_llguidances_calls_beside_ours() -> None:
    llguidance = pytest.importorskip("llguidance")
    wrapper = importlib.import_module("llguidance._tokenizer").TokenizerWrapper
    tokenizer = sg.Tokenizer.from_huggingface(TOKENIZER)
    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    from peers import LlguidanceVocabulary

    their_tokenizer = llguidance.LLTokenizer(
        wrapper(LlguidanceVocabulary(tokenizer)),
        n_vocab=tokenizer.vocab_size,
        eos_token=list(tokenizer.eos_token_ids),
    )
    grammar = llguidance.LLMatcher.grammar_from_json_schema(SCHEMA)
    theirs = llguidance.LLMatcher(their_tokenizer, grammar)
    ours = sg.Matcher(sg.compile(sg.json_schema(SCHEMA, whitespace="oneline"), tokenizer))
    tokens = [*tokenizer.encode(b'"yes"'), 5]
    assert theirs.validate_tokens(tokens) == ours.accepts(tokens) == len(tokens) - 1
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    for token in tokens[:-1]:
        ours.fill_mask(mask, 0)
        # where a text is forced, llguidance allows its usual tokens alone
        assert token in allowed(theirs.compute_bitmask()) and {*allowed(theirs.compute_bitmask())} <= {
            *mask.allowed()
        }
        forced = (tokenizer.token_bytes[one] or b"" for one in theirs.compute_ff_tokens())
        assert b"".join(forced) == ours.forced()
        assert theirs.consume_token(token)
        ours.advance(token)
        assert theirs.is_accepting() == ours.is_complete
    # structgen waits for the end token
    assert theirs.is_stopped() and not ours.is_finished
    ours.advance(tokenizer.eos_token_ids[0])
    assert ours.is_finished
    theirs.rollback(1)
    ours.rollback(2)
    assert theirs.deep_copy().is_accepting() == ours.fork().is_complete
