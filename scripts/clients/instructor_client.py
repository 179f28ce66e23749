"""The package instructor."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

import anthropic
import instructor
import openai
from features import EXTRACT, HOST, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run
from instructor import Mode

warnings.simplefilter("ignore")
os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
HERE: Any = [{"role": "system", "content": "Extract the person."}, {"role": "user", "content": TEXT}]


def client(mode: Mode) -> Any:
    """Return a client of one mode."""
    if mode.name.startswith("ANTHROPIC"):
        return instructor.from_anthropic(
            anthropic.Anthropic(base_url=HOST, api_key=KEY, max_retries=0), mode=mode
        )
    return instructor.from_openai(openai.OpenAI(base_url=V1, api_key=KEY, max_retries=0), mode=mode)


def options(mode: Mode) -> dict[str, Any]:
    """Return what each request of a mode has; instructor shall not ask again."""
    return {"model": MODEL, "messages": HERE, "max_retries": 0} | (
        {"max_tokens": 4096} if mode.name.startswith("ANTHROPIC") else {}
    )


# The modes JSON, MD_JSON and ANTHROPIC_JSON only ask the model in words: of tiny models they say nothing.
MODES = (
    Mode.TOOLS,
    Mode.TOOLS_STRICT,
    Mode.JSON_SCHEMA,
    Mode.RESPONSES_TOOLS,
    Mode.ANTHROPIC_TOOLS,
)
# The tool of these modes does not require its list, so that `{}` is a call of it.
EMPTY = "instructor does not require `tasks` of its tool, and reads the call `{}` as a person"
OPEN = (Mode.TOOLS, Mode.TOOLS_STRICT, Mode.ANTHROPIC_TOOLS)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    made = instructor.from_provider("openai/gpt-5-nano")
    is_ada(made.create(response_model=Person, messages=[{"role": "user", "content": f"Extract: {TEXT}"}]))


@first_page(
    "`OPENAI_BASE_URL=http://HOST/v1`",
    name="first page: Mode.JSON",
    mend="`mode=instructor.Mode.TOOLS`, or the server's `--schema-in-prompt`",
    fault="the mode JSON writes the schema into the messages alone",
)
def _(mended: bool) -> None:
    made = instructor.from_openai(openai.OpenAI(max_retries=0), mode=Mode.TOOLS if mended else Mode.JSON)
    is_ada(made.create(response_model=Person, **options(Mode.JSON)))


for mode in MODES:

    @feature(mode.name)
    def _(mode: Mode = mode) -> None:
        is_ada(client(mode).create(response_model=Person, **options(mode)))

    @feature(f"{mode.name}: create_partial")
    def _(mode: Mode = mode) -> None:
        grown = list(client(mode).create_partial(response_model=Person, **options(mode)))
        is_ada(grown[-1])
        assert all(str(grown[-1].name).startswith(one.name or "") for one in grown), grown

    @feature(f"{mode.name}: create_iterable", fault=EMPTY if mode in OPEN else "")
    def _(mode: Mode = mode) -> None:
        found = list(client(mode).create_iterable(response_model=Person, **options(mode)))
        assert found and all(isinstance(one, Person) for one in found), found


# These leave it to the model whether it calls, which `extract` always does.
for mode in (Mode.PARALLEL_TOOLS, Mode.ANTHROPIC_PARALLEL_TOOLS):

    @feature(mode.name, EXTRACT)
    def _(mode: Mode = mode) -> None:
        found = list(client(mode).create(response_model=Iterable[Person], **options(mode)))
        assert found and all(isinstance(one, Person) for one in found), found


run()
