"""The package outlines, by its doors for vLLM, SGLang and OpenAI."""

from __future__ import annotations

import os
import re
from typing import Any, Literal

import openai
import outlines
from features import ASK, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run
from outlines.types import CFG, Regex

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
client = openai.OpenAI(base_url=V1, api_key=KEY, max_retries=0)
MODELS: Any = {
    "vllm": outlines.from_vllm(client, MODEL),
    "sglang": outlines.from_sglang(client, MODEL),
    "openai": outlines.from_openai(client, MODEL),
}
# SGLang's member is EBNF, vLLM's takes Lark too.
GRAMMARS = {"vllm": 'start: "a" ("+" "a")*', "sglang": 'root ::= "a" ("+" "a")*'}


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    model = outlines.from_openai(openai.OpenAI(), "gpt-4o")
    is_ada(model(f"Read the person: {TEXT}", Person))


for kind, model in MODELS.items():

    @feature(f"{kind}: text", CHATS)
    def _(model: Any = model) -> None:
        assert model(ASK, max_tokens=20)

    @feature(f"{kind}: a model")
    def _(model: Any = model) -> None:
        is_ada(model(TEXT, Person))

    @feature(f"{kind}: stream of a model")
    def _(model: Any = model) -> None:
        is_ada("".join(model.stream(TEXT, Person)))

    if kind == "openai":
        continue

    @feature(f"{kind}: a Literal")
    def _(model: Any = model) -> None:
        assert model(TEXT, Literal["yes", "no"]) in ("yes", "no")

    @feature(f"{kind}: a regex")
    def _(model: Any = model) -> None:
        assert re.fullmatch("[0-9]{2}", model(TEXT, Regex("[0-9]{2}")))

    @feature(f"{kind}: a grammar")
    def _(model: Any = model, grammar: str = GRAMMARS[kind]) -> None:
        assert re.fullmatch(r"a(\+a)*", model(ASK, CFG(grammar), max_tokens=20))


run()
