"""What a long document costs: the rows of its own pages, and memory that does not grow with them."""

from __future__ import annotations

import gc
import random
import tracemalloc
from typing import Any

import pytest
from finding_models import document, extracted, finder
from pydantic import BaseModel

import structgen as sg
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.doors.extraction.page_asking import PageQuestion
from structgen.doors.typed.prompts import TextRequest


class Person(BaseModel):
    name: str
    age: int


def people(count: int) -> str:
    draw = random.Random(2)
    names = ["Ada Brook", "Tom Reed", "Nora Quist", "Karin Dale"]
    return "\n\n".join(f"{draw.choice(names)} is {draw.randrange(20, 90)} years old." for _ in range(count))


def test_the_model_reads_the_rows_of_the_pages_and_what_stands_before_them_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not isinstance((engine := sg.Engine("structgen/extract")).model, Llama):
        pytest.skip("the model runs on torch here")
    read, run = list[int](), Llama._run_threads
    monkeypatch.setattr(
        Llama, "_run_threads", lambda *args, **how: read.append(len(args[1])) or run(*args, **how)
    )
    question = PageQuestion(engine, list[Person], None, {})
    first, other = (
        question.writer._read_prompt(TextRequest(question.page_target, question.prompt_source(text))).tokens
        for text in "ab"
    )
    begun = next(at for at, pair in enumerate(zip(first, other, strict=False)) if pair[0] != pair[1])
    how: Any = {"page": 45, "overlap": 10, "speculation": "off", "progress": False}
    found = sg.extract(engine, people(80), list[Person], **how)
    assert found.pages > 40 and begun > 10
    own = found.prompt_tokens - found.requests * begun + found.tokens
    assert sum(read) <= 1.1 * own


def test_memory_does_not_grow_with_pages() -> None:
    text, engine = document(random.Random(1), 260), finder(lambda text: [])[0]
    held: dict[int, int] = {}

    def told(now: Any) -> None:
        if now.pages % 5 == 0:
            gc.collect()  # when garbage goes by itself hangs on what else the process holds
            held[now.pages] = tracemalloc.get_traced_memory()[0]

    extracted(engine, text[:400], page=60, overlap=20)  # what is loaded once
    gc.freeze()  # a collection then goes through what the call makes
    tracemalloc.start()
    try:
        found = extracted(engine, text, page=60, overlap=20, progress=told)
    finally:
        tracemalloc.stop()
    assert found.pages > 150
    early, late = (min(held[page] for page in held if start < page < start + 30) for start in (60, 120))
    # until page 50 or so, caches of a fixed size fill
    assert late < 1.15 * early  # the lines of pages, some hundred bytes each
