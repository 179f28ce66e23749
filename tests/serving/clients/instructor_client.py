"""instructor against a server: `python instructor_client.py ADDRESS`. Prints a line for each check."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import Any

import instructor
import openai
from person import ADA, TEXT, Person

warnings.simplefilter("ignore")
MESSAGES: Any = [{"role": "system", "content": "Extract the person."}, {"role": "user", "content": TEXT}]


def client_of(mode: str) -> Any:
    """Return a client of one mode of instructor."""
    plain = openai.OpenAI(base_url=sys.argv[1], api_key="any", max_retries=0)
    return instructor.from_openai(plain, mode=getattr(instructor.Mode, mode))


def ask(mode: str, response_model: Any = Person, **more: Any) -> Any:
    """Return the object that instructor makes of a reply, without asking again."""
    completions = client_of(mode).chat.completions
    return completions.create(
        model="extract", messages=MESSAGES, response_model=response_model, max_retries=0, **more
    )


for mode in ("TOOLS", "TOOLS_STRICT", "JSON_SCHEMA"):
    assert ask(mode).model_dump() == ADA.model_dump(), mode  # instructor's class is derived from ours
    print(f"instructor {mode}: an object")
found = list(ask("PARALLEL_TOOLS", Iterable[Person]))
assert found and all(isinstance(one, Person) for one in found), found
print("instructor PARALLEL_TOOLS: objects")
for mode in ("TOOLS", "JSON_SCHEMA"):
    grown = list(
        client_of(mode).chat.completions.create_partial(
            model="extract", messages=MESSAGES, response_model=Person
        )
    )
    assert grown[-1].model_dump() == ADA.model_dump(), (mode, grown[-1])
    # How many pieces come depends on how fast this client reads; each must be a beginning of the object.
    for one in grown:
        assert ADA.name.startswith(one.name or ""), (mode, one)
        assert str(ADA.age).startswith(str(one.age or "")), (mode, one)
    print(f"instructor {mode}: a partial object that grows")
# Beside tools instructor sends a schema whose `tasks` are not required, so that `{}` is a reply too.
people = list(
    client_of("JSON_SCHEMA").chat.completions.create_iterable(
        model="extract", messages=MESSAGES, response_model=Person
    )
)
assert people and isinstance(people[0], Person)
print("instructor JSON_SCHEMA create_iterable: objects")
