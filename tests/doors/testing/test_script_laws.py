"""Laws: a valid document of a random schema is said exactly, and an invalid one fails where `structgen check`
says; requests of two threads, in any order, have exactly one reply each."""

from __future__ import annotations

import random
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.doors.cli.check import find_stop
from structgen.testing import Scripted, ScriptError
from structgen.tokens.tokenizer import byte_tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "oracles"))

from effort import MODEST
from strategies import open_schemas, schema_text

TOKENIZER = byte_tokenizer()
FEW = settings(max_examples=10)


def drawn_text(compiled: sg.CompiledGrammar, chance: random.Random) -> str:
    """Return a valid text: a random walk, and what completes it."""
    state, text = compiled.start, b""
    for _ in range(chance.randrange(60)):
        following = [byte for byte in compiled.next_bytes(state) if byte < 128]
        if not following:
            break
        byte = bytes([chance.choice(following)])
        after = compiled.step_bytes(state, byte)
        assert after is not None
        state, text = after, text + byte
    return (text + compiled.completion(state)).decode()


@FEW
@given(open_schemas(), st.integers(0, 1 << 30))
def test_a_valid_document_is_said_and_an_invalid_one_fails_at_its_first_byte(schema: Any, seed: int) -> None:
    chance = random.Random(seed)
    try:
        grammar = sg.json_schema(schema_text(schema))
        compiled = sg.compile(grammar, TOKENIZER)
    except sg.StructgenError:
        return
    text = drawn_text(compiled, chance)
    with Scripted([text]) as model:
        (result,) = model.generate(sg.Request("?", grammar, max_tokens=2000))
    assert (result.text, result.error) == (text, None)
    at = chance.randrange(1, len(text) + 1)  # a text without a quote may be a string's
    wrong = text[:at] + chance.choice(["", 'x"', "}", "é", "\n\n"]) + text[at + 1 :]
    stop = find_stop(compiled, wrong.encode())
    if stop is None:
        return
    with pytest.raises(ScriptError) as told:
        Scripted([wrong]).generate(sg.Request("?", grammar, max_tokens=2000))
    place = re.search(r"at line (\d+), column (\d+)$", str(told.value), re.MULTILINE)
    assert place is not None and (int(place[1]), int(place[2])) == (stop.line, stop.column), wrong


@MODEST
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 1 << 30))
def test_two_threads_in_any_order_have_one_reply_for_each_request(turns: list[bool], seed: int) -> None:
    """The turns say which thread asks next; both may be asking at the same time."""
    model = Scripted([f"{number:03}" for number in range(len(turns))])
    found: dict[bool, list[str]] = {True: [], False: []}
    chance = random.Random(seed)
    threads = []
    for who in turns:
        threads.append(threading.Thread(target=lambda who=who: found[who].append(sg.run(model, "?"))))
        threads[-1].start()
        if chance.random() < 0.5:
            threads[-1].join()
    for thread in threads:
        thread.join()
    model.done()
    assert sorted(found[True] + found[False]) == [f"{number:03}" for number in range(len(turns))]
    assert (len(found[True]), len(found[False])) == (sum(turns), len(turns) - sum(turns))
