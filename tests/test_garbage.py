"""Garbage collection that is held back, and on again."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from for_each import for_each

import structgen as sg
from structgen.base.system.garbage import pause_collection
from structgen.core import fill_draft, fill_masks
from structgen.machines.core.forced_text import with_forced_text
from structgen.tokens.tokenizer import byte_tokenizer


def test_collection_waits_and_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), pause_collection():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_whoever_has_turned_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        with pause_collection(), pause_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_tag_that_is_refused_leaves_collection_on() -> None:
    with pytest.raises(sg.errors.OptionError):
        sg.structural_tag({"format": {"type": "sequence", "elements": []}})
    assert gc.isenabled()


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"enum": ["x", "y", 1]}, "maxItems": 3, "uniqueItems": True},
        "b": {"anyOf": [{"type": "string", "pattern": "^a+$"}, {"type": "integer", "minimum": 3}]},
    },
    "required": ["a"],
    "minProperties": 1,
}


RULES = sg.ebnf('root ::= "a" root "b" | [0-9]+')
LARK = sg.lark('start: (NAME "=" /[0-9]+/)+\nNAME: /[a-z]+/\n%ignore / +/\n')
WORDS = "the quick brown fox jumps"
TAG = {"begin": "<f>", "content": {"type": "json_schema", "json_schema": SCHEMA}, "end": "</f>"}
TAGS = {"format": {"type": "triggered_tags", "triggers": ["<f"], "tags": [TAG]}}
REFERENCES = {"type": "object", "properties": {"c": {"$ref": "#"}}, "additionalProperties": False}


def holding(grammar: sg.Grammar) -> sg.Grammar:
    """Return the grammar of objects with a string that is a text of another one."""
    schema = {"type": "object", "properties": {"s": {"type": "string"}}, "required": ["s"]}
    return sg.json_schema(schema, grammars={"#/properties/s": grammar})


KINDS: dict[str, tuple[Callable[[], sg.Grammar], bytes]] = {
    "schema": (lambda: sg.json_schema(SCHEMA), b'{"a": ["x", 1], "b": "a", "c": 2}'),
    "any order": (lambda: sg.json_schema(SCHEMA, property_order="any"), b'{"b": "a", "a": ["x", 1]}'),
    "reference": (lambda: sg.json_schema(REFERENCES), b'{"c": {"c": {}}}'),
    "rules in a string": (lambda: holding(RULES), b'{"s": "aa12bb", "x": [true]}'),
    "lark in a string": (lambda: holding(LARK), b'{"s": "ab = 12"}'),
    "a run of words in a string": (lambda: holding(sg.substring_of(WORDS)), b'{"s": "quick"}'),
    "words before a schema": (lambda: "A: " + sg.json_schema(SCHEMA), b'A: {"a": ["x"]}'),
    "lark": (lambda: LARK + "", b"ab = 12 c=3"),
    "rules": (lambda: sg.ebnf('root ::= "a" root "b" | [0-9]+'), b"aa12bb"),
    "regular expression": (lambda: sg.regex("[a-z]{3,7}(-[0-9]+)*"), b"abc-12"),
    "choice": (lambda: sg.choice(["yes", "no"]), b"yes"),
    "run of words": (lambda: sg.substring_of(WORDS), b"quick b"),
    "copied spans": (lambda: sg.without_spans_of(WORDS, 3), b"a b"),
    "structural tag": (lambda: sg.structural_tag(TAGS), b'so <f>{"a": ["x"]}</f> it is'),
    "alternatives": (lambda: sg.either(LARK, sg.json_schema(SCHEMA)) + "!", b"ab = 12!"),
    "both": (lambda: sg.ebnf('root ::= "a" root "b" | [0-9]+') & sg.regex("a.*"), b"aa12bb"),
    "not": (lambda: ~sg.regex("abc"), b"abd"),
    "string of rules": (lambda: sg.in_json_string(RULES), b'"aa12bb"'),
    "text": (sg.text, b"hello"),
    "tools": (lambda: sg.tools([sg.Tool("f", "", SCHEMA)], format="hermes"), b"so "),
}


def used(compiled: sg.CompiledGrammar, text: bytes) -> None:
    """Ask a grammar what its users ask: masks, budgets, drafts, batches, policies for forced text."""
    size = compiled.vocab_size
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(2, size)
    for byte in text:
        matcher.fill_mask(mask, budget=100)
        matcher.advance(byte)
    matcher.expected()
    matcher.tokens_to_finish()
    again = matcher.fork()
    fill_masks([matcher, again], mask)
    again.rollback(len(text))
    fill_draft(again, list(text), list(range(-1, len(text) - 1)), sg.allocate_mask(len(text) + 1, size))
    compiled.completion(compiled.start)
    policy = sg.Matcher(with_forced_text(compiled, border=b" "))
    policy.fill_mask(mask)
    if text:
        policy.advance(32)
        policy.fill_mask(mask)


@for_each("shared", [False, True])
@for_each("kind", KINDS)
def test_a_compiled_grammar_is_gone_when_it_is_dropped(kind: str, shared: bool) -> None:
    """Its references alone free it, with a store that goes with it; also what it is compiled of."""
    make, text = KINDS[kind]
    tokenizer = byte_tokenizer()
    for turn in range(2):
        gc.collect()
        gc.freeze()  # a collection then goes through what is made here alone
        gc.disable()
        try:
            mapped = mapped_bytes()
            compiled = sg.compile(make(), tokenizer, store=sg.MaskStore(memory=1 << 28) if shared else False)
            used(compiled, text)
            gone = weakref.ref(compiled)
            del compiled
            assert gone() is None
            # the first of a process makes what all share
            assert turn == 0 or mapped_bytes() < mapped + (1 << 26)
            assert gc.collect() == 0 or not turn or kind == "reference"  # a schema in itself
        finally:
            gc.enable()


def test_a_frozen_grammar_goes_with_its_last_reference() -> None:
    """A program may take all that is loaded out of collections; what it drops later is freed all the same."""
    compiled = sg.compile(sg.json_schema(SCHEMA), byte_tokenizer(), store=False)
    used(compiled, b'{"a": ["x", 1]}')
    gone = weakref.ref(compiled)
    gc.collect()
    gc.freeze()
    try:
        del compiled
        assert gone() is None
    finally:
        gc.unfreeze()
        gc.freeze()  # as tests/conftest.py has it


def mapped_bytes() -> int:
    """Return the address space of this process; 0 where the system does not say it."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[0]) * 4096 if told.exists() else 0


def test_a_store_keeps_what_it_was_asked_for_last_and_lets_it_go_with_itself() -> None:
    store, tokenizer = sg.MaskStore(), byte_tokenizer()
    gone = weakref.ref(sg.compile(holding(RULES), tokenizer, store=store))
    gc.collect()
    assert gone() is not None
    gc.disable()
    try:
        del store
        assert gone() is None
    finally:
        gc.enable()


SCRIPT = """
import gc, resource, sys
import structgen as sg
from structgen.decoding.runs.resources import small_tokenizer
tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
mask = sg.allocate_mask(1, tokenizer.vocab_size)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 29), resource.RLIM_INFINITY))
gc.disable()
kept = []
for number in range(24):
    schema = {"type": "object", "properties": {"s": {"type": "string"}, f"k{number}": {}}, "required": ["s"]}
    rules = {"#/properties/s": sg.ebnf(f'root ::= "a" root "b" | "{number}"')}
    compiled = sg.compile(sg.json_schema(schema, grammars=rules), tokenizer, store=False)
    matcher = sg.Matcher(compiled)
    for token in tokenizer.encode(b'{"s": "aa%dbb"' % number):
        matcher.fill_mask(mask)
        matcher.advance(token)
    if sys.argv[1] == "cycle":
        kept = [compiled, matcher]
        kept.append(kept)
        del compiled, matcher
print("all")
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is not told here")
@for_each("held", ["none", "cycle"])
def test_many_grammars_one_after_the_other_need_the_addresses_of_one(held: str) -> None:
    """In 1.5 GB of addresses, with collection off: by references alone, and where others hold each grammar in
    a cycle by the collection that is tried before memory is said to be used up."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, held], capture_output=True, text=True, check=False)
    assert ran.stdout == "all\n", ran.stderr
