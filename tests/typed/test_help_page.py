"""What `help(structgen)` shows runs, and gives what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import structgen as sg


@dataclass
class Person:
    name: str
    age: int


def test_the_code_of_the_help_runs_and_gives_what_it_says() -> None:
    page = (sg.__doc__ or "").partition("\n\n")[2].partition("**Ask a model.**")[0]
    code = re.sub(r"^ {4}", "", page, flags=re.M)
    names: dict[str, Any] = {"Person": Person}
    definitions, read, calls = code.partition('read("')
    exec(compile(definitions, "help", "exec", dont_inherit=True), names)
    first, second, third = (read + calls).strip().splitlines()
    assert eval(first, names) == eval(second, names) == Person("Ada", 36)
    assert repr(eval(first, names)) in first
    assert eval(third, names) in ("yes", "no")
