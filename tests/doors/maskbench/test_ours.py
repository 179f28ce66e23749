from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from replays import played_by
from typer.testing import CliRunner

from structgen.doors.cli import app
from structgen.doors.maskbench.engines import EngineRefusal
from structgen.doors.maskbench.measurements import Verdict
from structgen.doors.maskbench.ours import structgen
from structgen.doors.maskbench.readers import Case, Instance
from structgen.doors.maskbench.vocabularies import load_tokenizer

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("small")


def played(tokenizer, texts, policies=(), schema=SCHEMA):
    """Return what comes of a case of these texts; one with an exclamation mark before it is invalid."""
    instances = tuple(Instance(text.removeprefix("!").encode(), text[0] != "!") for text in texts)
    case = Case("c", "s", json.dumps(schema), instances, bare=not texts)
    return played_by(structgen(tokenizer, **dict(policies)), tokenizer, case)


def kinds(found):
    """Return the verdicts on the instances."""
    return [step.kind for step in found.steps[1:]]


def test_our_engine_takes_the_valid_and_refuses_the_invalid(tokenizer):
    texts = ['{"a": 1}', '{"a": 17, "b": "y"}', '!{"b": "x"}', '!{"a": 1.5}', '!{"a": 1, "b": "z"}']
    assert kinds(played(tokenizer, texts)) == [Verdict.RIGHT] * 5


def test_the_widest_policies_take_keys_in_any_order(tokenizer):
    from structgen import WIDEST

    found = played(tokenizer, ['{"b": "x", "a": 1}', '{"b": "z", "a": 1}'], WIDEST)
    assert kinds(found) == [Verdict.RIGHT, Verdict.VALID_REFUSED]
    assert kinds(played(tokenizer, ['{"b": "x", "a": 1}'])) == [Verdict.VALID_REFUSED]


def test_a_refusal_tells_the_exact_byte_and_what_was_expected(tokenizer):
    text = '{"a": true}'
    starts = [len(tokenizer.decode(tokenizer.encode(text.encode())[:n])) for n in range(len(text))]
    assert text.index("true") not in starts, "the byte must lie inside a token for the test to tell anything"
    _, fault = played(tokenizer, [text]).steps
    assert fault.byte == text.index("true")
    assert "/properties/a" in fault.expected


def test_a_refused_schema_is_counted_by_its_keyword(tokenizer, unhandled):
    engine = structgen(tokenizer)
    with pytest.raises(EngineRefusal) as refusal:
        engine.compile(f'{{"{unhandled}": false}}')
    assert refusal.value.reason == f"unsupported: {unhandled}"


def test_text_that_is_no_schema_is_a_refusal(tokenizer):
    engine = structgen(tokenizer)
    with pytest.raises(EngineRefusal) as refusal:
        engine.compile("{")
    assert refusal.value.reason == "SchemaError"


def test_a_walk_of_a_bare_schema_ends_in_a_document_of_it(tokenizer):
    found = played(tokenizer, [])
    assert kinds(found) == [Verdict.RIGHT]


def test_no_compiled_code_is_loaded_after_the_first_schema_began():
    """Else the first use of a function would be in the time of a mask."""
    script = """
import sys
from pathlib import Path
import structgen as sg
from structgen.doors.maskbench.engines import EngineConfig
from structgen.doors.maskbench.readers import select_cases
from structgen.doors.maskbench.replay import Replay
from structgen.base.native.noted_functions import ENTRIES

def loaded():
    return {name for name, held in ENTRIES.items() if all(one.method.code for one in held.values())}

factory = "structgen.doors.maskbench.ours:structgen"
replay = Replay(EngineConfig("ours", factory, "small", dict(sg.WIDEST)))
replay.start()
before = loaded()
for _, read in select_cases([Path(path) for path in sys.argv[1:]]):
    case = read()
    replay.compile(case)
    for at in range(len(case.instances)):
        replay.replay(at)
print(sorted(loaded() - before))
"""
    schemas = [f"schemas/{name}.json" for name in ("access_rule", "calendar_event", "formats", "geometry")]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script, *schemas], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# --- the open part ------------------------------------------------------------------------------------------


FOLDER = os.environ.get("STRUCTGEN_MASKBENCH", "")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="STRUCTGEN_MASKBENCH names no folder")
def test_a_fixed_sample_of_the_open_part_passes() -> None:
    done = CliRunner().invoke(app(), ["maskbench", FOLDER, "--sample", "150", "--seed", "3", "--json"])
    counts = json.loads(done.stdout)["engines"]["structgen"]["all"]
    assert (counts["schemas"], counts["passing"], done.exit_code) == (150, 150, 0)
