"""Where the system gives no memory, an error of ours says so, and what is held serves on. Where a folder
takes no more, a warning does."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest
from compiled_texts import masks_along
from for_each import for_each

import structgen as sg
from structgen.base.native.lazy_memory import room
from structgen.decoding.runs.resources import small_tokenizer
from structgen.machines.store import mask_store

resource = pytest.importorskip("resource")
GRAMMARS: dict[str, tuple[Callable[[], Any], str]] = {
    "json": (lambda: sg.json_schema({"type": "object"}), '{"a": [1, "b"], "c": null}'),
    "ebnf": (lambda: sg.ebnf('root ::= "a" root "b" | ","'), "aaaa,bbbb"),
    "lark": (lambda: sg.lark('start: "[" (start | WORD)* "]"\nWORD: /[ab]+/\n'), "[ab[a]b]"),
    "composed": (lambda: "Answer: " + sg.json_schema({"type": "array"}), "Answer: [1, {}]"),
}


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def said_yes(work: Callable[[], bool]) -> bool:
    return os.waitpid(forked.begun(work), 0)[1] == 0


def leave(room_left: int) -> None:
    """Leave this process so many bytes of addresses beyond those that it has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room_left, resource.RLIM_INFINITY))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is not told here")
@for_each("left", [3 << 20, 20 << 20, 300 << 20])
@for_each("kind", GRAMMARS)
def test_an_error_of_ours_says_so_and_a_held_grammar_serves_on(
    tokenizer: sg.Tokenizer, kind: str, left: int
) -> None:
    make, text = GRAMMARS[kind]
    expected = masks_along(sg.compile(make(), tokenizer, store=False), text)

    def work() -> bool:
        held = sg.compile(make(), tokenizer, store=sg.MaskStore(memory=1 << 20))
        leave(left)
        others, failed = list[Any](), 0
        for _ in range(8):
            try:
                others.append(sg.compile(make(), tokenizer, store=sg.MaskStore()))
                masks_along(others[-1], text)
            except sg.StructgenError as error:
                assert isinstance(error, MemoryError) and str(error).endswith("or raise ulimit -v.")
                failed += 1
        try:
            masks_along(held, text)
        except sg.StructgenError:
            failed += 1
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        served = all(masks_along(one, text) == expected for one in (held, *others))
        return served and (failed > 0 or left > 200 << 20)

    assert said_yes(work)


def test_a_store_takes_less_where_the_whole_has_no_room(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def little(size: int) -> Any:
        if size > 1 << 20:
            raise sg.errors.OutOfMemoryError("none")
        return room(size)

    monkeypatch.setattr(mask_store, "room", little)
    make, text = GRAMMARS["json"]
    found = masks_along(sg.compile(make(), tokenizer, store=sg.MaskStore()), text)
    monkeypatch.undo()
    assert found == masks_along(sg.compile(make(), tokenizer, store=False), text)


@for_each("exponent", [0, 6, 12])
def test_a_folder_that_is_full_costs_its_files(
    tokenizer: sg.Tokenizer, tmp_path: Path, exponent: int
) -> None:
    """As a full disk: no file may be larger than some bytes."""
    make, text = GRAMMARS["lark"]
    expected = masks_along(sg.compile(make(), tokenizer, store=False), text)

    def work() -> bool:
        most = 1 << exponent if exponent else 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            compiled = sg.compile(make(), tokenizer, store=sg.MaskStore(tmp_path / str(random.random())))
            same = masks_along(compiled, text) == expected
        return same and any(issubclass(one.category, sg.errors.StoreWarning) for one in told)

    assert said_yes(work)
