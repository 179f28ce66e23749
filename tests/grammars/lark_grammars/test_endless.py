"""Rules that lark ends for ever before a terminal are errors here, and nothing else is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from lark_reference import build, differences, hangs, texts

import structgen as sg
from structgen.base.limits import Limits

ENDLESS = {
    "an empty rule below itself": ('start: x "b"\nx: e x "a" | "b" |\ne.2: "c" |\n', "abc"),
    "rules in a ring": ('start: x "b"?\nx: y | "a"\ny.1: x\n', "ab"),
    "a ring through an empty rule": ('start: y x*\nx.1: "a"* "b"? |\ny: x*\n', "ab"),
    "a ring behind one text alone": (
        'start: "1" x | "2" w\nx: y | "a"\ny.1: x\nw.2: x\n',
        "12a",
    ),
    "states that it depends on what lies below": (
        'start: "1" a | "2" (a | b) | "3" (a | c)\na: "p" z\nb: "p" w\nc: "p" v\n'
        'w.3: x\nv.3: z\nx.1: z | "k"\nz: x | "m"\n',
        "123pkm",
    ),
}

ENDING = {
    "no empty rule": ('start: "a" start | "b"\n', "ab"),
    "an empty rule at the end": ('start: "a" start |\n', "ab"),
    "empty rules, one after another": ('start: e f "a" f e | "b"\ne: "c" |\nf: "d" |\n', "abcd"),
    "a rule of itself": ('start: x "b"\nx: x "a" |\n', "ab"),
    "a ring that a priority ends": ('start.9: x\nx: y | "a"\ny: x\n', "ab"),
    "512 empty rules before a letter": (
        'start: a "x"\n'
        + "".join(f"{one}: {other} {other}\n" for one, other in pairwise("abcdefghij"))
        + "j:\n",
        "xy",
    ),
}


@pytest.mark.parametrize("name", [*ENDLESS, *ENDING])
def test_texts_are_those_at_which_lark_comes_to_an_end(name: str) -> None:
    grammar, alphabet = (ENDLESS | ENDING)[name]
    ours = sg.lark(grammar).language(Limits())
    assert differences(build(grammar), ours, alphabet, 4) == []


@pytest.mark.parametrize("name", ENDLESS)
def test_lark_hangs_at_one_of_them(name: str) -> None:
    grammar, alphabet = ENDLESS[name]
    reference = build(grammar)
    assert any(hangs(reference, text) for text in texts(alphabet, 4))
