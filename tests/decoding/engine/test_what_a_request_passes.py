"""A plain request passes only what it uses: the files and functions of the package that it goes through are
counted. The numbers are ceilings: a change may lower them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from nonempty import nonempty

import structgen as sg

PACKAGE = Path(sg.__file__).parent
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
PROMPT = "Ada Lovelace is 36 years old."


def passed(work: Callable[[], Any]) -> set[CodeType]:
    """Return the functions of the package that are called, compiled ones and those of new threads too."""
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            found.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def files(codes: set[CodeType]) -> set[str]:
    return {str(Path(code.co_filename).relative_to(PACKAGE)) for code in codes}


def test_a_step_of_the_loop_passes_at_most_twelve_files_and_fifty_functions() -> None:
    engine = sg.Engine("structgen/extract")
    request = sg.Request(PROMPT, sg.json_schema(SCHEMA), speculation="off")
    engine.generate(request)  # its masks are known from now on
    engine.submit(request)
    for _ in range(5):
        engine.step()
    found = passed(engine._loop.step)
    assert len(files(found)) <= 12, sorted(files(found))
    assert len(found) <= 50, sorted(code.co_qualname for code in found)


def test_a_call_of_run_with_a_schema_passes_at_most_55_files_and_15_of_the_engine() -> None:
    engine = sg.Engine("structgen/extract")
    sg.run(engine, PROMPT, SCHEMA)
    found = files(passed(lambda: sg.run(engine, PROMPT, SCHEMA)))
    assert len(found) <= 55, sorted(found)
    # three of them are the forward pass of the model that ships, which other models bring themselves
    of_engine = nonempty(file for file in found if file.startswith("decoding/engine/"))
    assert len(of_engine) <= 15, sorted(of_engine)


def test_draws_after_read_ids_pass_at_most_30_files_and_after_a_text_at_most_41() -> None:
    engine = sg.Engine("structgen/extract")
    grammar = sg.compile(sg.json_schema(SCHEMA), engine.tokenizer)
    for prompt, most in ((engine.tokenizer.encode(PROMPT.encode()), 30), (PROMPT, 41)):
        draws = partial(sg.sample, engine, prompt, grammar, 8, method="awrs", max_tokens=64)
        draws()
        found = files(passed(draws))
        assert len(found) <= most, sorted(found)
