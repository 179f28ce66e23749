"""The grammars that ship: their texts are what their labels say, by lark and by an oracle."""

from __future__ import annotations

import random
import warnings

import pytest
from compiled_texts import written
from go_oracle import GOFMT
from grammar_oracles import ORACLES
from lark.indenter import PythonIndenter
from python_texts import changed
from sentences import Sentences, mutants
from shipped import accepts, labelled, lexemes, parser

import structgen as sg
from structgen.decoding.runs import resources
from structgen.errors import StructgenError

PLAIN = ("arithmetic", "csv", "dates", "goals", "json", "markers", "smiles")
SLOW = ("python", "sql")
JOINTS = {"csv": "", "dates": "", "goals": "", "smiles": ""}
"""What stands between two lexemes of a random sentence: a space, where white space is ignored."""

WORDS = {"markers": {"STRING": ("''", '"3.11"', "'a b'"), "OPERATOR": ("==", "===", "~=", "<", ">=", "!=")}}


@pytest.mark.parametrize("name", resources.GRAMMARS)
def test_labels_are_larks_verdicts(name: str) -> None:
    assert [text for text, label in labelled(name) if accepts(parser(name), text) is not label] == []


@pytest.mark.parametrize("name", resources.GRAMMARS)
def test_labels_are_the_oracles_verdicts(name: str) -> None:
    if name == "go" and GOFMT is None:
        pytest.skip("gofmt is not installed")
    assert [text for text, label in labelled(name) if ORACLES[name](text) is not label] == []


@pytest.mark.parametrize("name", resources.GRAMMARS)
def test_grammar_has_a_page_and_an_oracle(name: str) -> None:
    page = resources.grammar_path(name).with_suffix(".md").read_text(encoding="utf-8")
    assert f"{name}.lark" in page
    assert name in ORACLES


@pytest.mark.parametrize("name", PLAIN)
def test_oracle_takes_random_sentences(name: str) -> None:
    grammar = parser(name)
    sentences = Sentences(grammar, seed=1, words=WORDS.get(name))
    taken = 0
    for size in range(250):
        words = [text for _, text in sentences.draw("start", 2 + size % 14)]
        text = JOINTS.get(name, " ").join(words)
        if accepts(grammar, text):
            taken += 1
            assert ORACLES[name](text), text
    assert taken > 125


@pytest.mark.parametrize("count", [6, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*PLAIN, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def test_walks_over_the_masks_of_a_budget_end_in_texts_that_lark_and_the_oracle_take(
    name: str, count: int
) -> None:
    tokenizer, chance = sg.Tokenizer.from_huggingface(resources.small_tokenizer()), random.Random(name)
    lines = {"postlex": PythonIndenter()} if name == "python" else {}
    compiled = sg.compile(sg.lark(resources.grammar_path(name), **lines), tokenizer, store=False)
    for _ in range(count):
        matcher = sg.Matcher(compiled)
        budget = matcher.tokens_to_finish() + chance.randrange(60)
        text = tokenizer.decode(written(matcher, chance, budget)).decode()
        assert accepts(parser(name), text), text
        with warnings.catch_warnings(action="ignore"):
            assert ORACLES[name](text), text


@pytest.mark.parametrize("name", PLAIN)
def test_lark_and_the_oracle_agree_on_texts_with_a_lexeme_or_a_character_changed(name: str) -> None:
    grammar = parser(name)
    alphabet = ["", *sorted({letter for text, _ in labelled(name) for letter in text})]
    refused = 0
    for text in (text for text, label in labelled(name) if label):
        words = [word for _, word in lexemes(grammar, text)]
        joints = {"", JOINTS.get(name, " ")}
        changed = {joint.join(mutant) for mutant in mutants(words, seed=len(text)) for joint in joints}
        changed.update(text[:at] + letter + text[at + 1 :] for at in range(len(text)) for letter in alphabet)
        for mutant in changed:
            verdict = accepts(grammar, mutant)
            refused += not verdict
            assert verdict is ORACLES[name](mutant), mutant
    assert refused > 100


LARGE = {"go": (" ", 6, 50), "python": (None, 12, 300), "select": ("", 0, 3), "sql": (" ", 0, 100)}
"""Grammars of languages: what stands between lexemes of mutants (None: there are none), changes of each text,
and how many texts are taken at the least."""


@pytest.mark.parametrize("name", LARGE)
def test_the_oracle_takes_each_mutant_of_the_texts_that_lark_takes(name: str) -> None:
    """The rejected texts are changed too: what is one change away from them is where a grammar errs."""
    if name == "go" and GOFMT is None:
        pytest.skip("gofmt is not installed")
    grammar, taken = parser(name), 0
    joint, changes, least = LARGE[name]
    for number, (text, label) in enumerate(labelled(name)):
        found = [*changed(text, number, changes)] if text.strip() else []
        if label and joint is not None:
            words = [word for _, word in lexemes(grammar, text)]
            found += map(joint.join, mutants(words, number))
        for mutant in found:
            if accepts(grammar, mutant):
                taken += 1
                assert ORACLES[name](mutant), mutant
    assert taken > least


def test_unknown_grammar_is_refused_with_the_names_of_those_that_ship() -> None:
    with pytest.raises(StructgenError, match=r"No grammar named 'cobol'.*Use one of arithmetic"):
        resources.grammar_path("cobol")
