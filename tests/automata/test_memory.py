"""What patterns may take of memory: each public call stays below a gigabyte, by what it counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import structgen as sg
from structgen.automata.strings.alphabets import MOST_MEMBERS, divide_alphabet
from structgen.automata.strings.automata import MOST_WORK, automaton_of_words
from structgen.base.limits import Limits
from structgen.errors import LimitError
from structgen.tokens.tokenizer import byte_tokenizer

LOOKING = "^(?=.*{0})(?!.*{0}{0}).{{3,{1}}}$"
PREPARED = f"""
import resource
import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
LOOKING = {LOOKING!r}


def keys(count, most):
    kinds = [{{"type": "string"}}, {{"type": "integer"}}]
    return {{LOOKING.format("abcdefghij"[at], most): kinds[at % 2] for at in range(count)}}


def walked(grammar):
    try:
        matcher, mask = sg.Matcher(sg.compile(grammar, BYTES, store=False)), sg.allocate_mask(1, 257)
        for _ in range(3):
            matcher.tokens_to_finish()
            matcher.fill_mask(mask)
            matcher.advance(int(mask.allowed(0)[0]))
    except sg.errors.LimitError:
        pass


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


walked(sg.json_schema({{"type": "object", "patternProperties": {{"ab": {{"pattern": "a.*b"}}}}}}))
before = peak()
"""
CALLS = {
    "six kinds of keys": """
walked(sg.json_schema({"type": "object", "patternProperties": keys(6, 9), "minProperties": 3}))""",
    "one schema behind another": """
parts = [{"type": "object", "patternProperties": keys(5, 9 + at), "minProperties": 3} for at in range(8)]
walked(sg.sequence(*map(sg.json_schema, parts)))""",
    "a closed object": """
walked(sg.json_schema({"type": "object", "patternProperties": keys(6, 12), "additionalProperties": False,
                       "minProperties": 4}))""",
    "20,000 characters": """
walked(sg.json_schema({"type": "string", "pattern": "".join(map(chr, range(0x4E00, 0x9C20)))}))""",
    "30,000 words of 9,000 characters": """
words = [chr(0x4E00 + at % 9000) + f"{at:05}" for at in range(30_000)]
walked(sg.json_schema({"enum": words, "pattern": "1.*[357]"}))""",
    "distant pairs of 3,000 characters": """
pairs = [chr(0x4E00 + at) + "." + chr(0x7000 + at) for at in range(3_000)]
walked(sg.regex("(?:" + "|".join(pairs) + ")*"))""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_process_grows_by_less_than_a_gigabyte(name: str) -> None:
    program = f"{PREPARED}\n{CALLS[name]}\nprint(peak() - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1_000


def test_the_pools_of_one_call_share_its_steps() -> None:
    parts = [sg.json_schema({"type": "string", "pattern": f"^[a-z]{{{300 + at}}}$"}) for at in range(40)]
    few = Limits(oracle_steps=10_000)
    for part in parts:
        sg.compile(part, byte_tokenizer(), store=False, limits=few)
    with pytest.raises(LimitError) as caught:
        compiled = sg.compile(sg.sequence(*parts), byte_tokenizer(), store=False, limits=few)
        sg.Matcher(compiled).tokens_to_finish()
    assert caught.value.limit == "oracle_steps"


def test_words_and_sets_of_many_characters_are_refused_before_they_take_memory() -> None:
    count = 9_000
    words = [chr(0x4E00 + at) for at in range(count)]
    assert count * count > MOST_WORK > MOST_MEMBERS
    for make in (
        lambda: automaton_of_words(words),
        lambda: divide_alphabet(tuple(((ord(one), ord(one)),) for one in words)),
    ):
        with pytest.raises(LimitError) as caught:
            make()
        assert caught.value.limit == "automaton_states"
