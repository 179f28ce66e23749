"""Coding agents' custom tools, whose grammars lark refuses, over the address: calls, remarks and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from served_apps import app_of, post

import structgen as sg

PATCH = r"""
start: "*** Begin Patch" LF file+ "*** End Patch" LF?
file: "*** Add File: " PATH LF ("+" LINE LF)+
    | "*** Update File: " PATH LF (("@@" | "@@ " PATH | ("+" | "-" | " ") LINE) LF)+
PATH: /(.+)/
LINE: /(.*)/
%import common.LF
"""
INPUT = '*** Begin Patch\n*** Update File: a b\n@@ f\n-x "y"\n+\n@@\n+é\n*** End Patch\n'


def tool_of(definition: str, name: str = "apply_patch") -> dict[str, Any]:
    return {
        "type": "custom",
        "name": name,
        "format": {"type": "grammar", "syntax": "lark", "definition": definition},
    }


def answer_to(replies: list[Any], *tools: dict[str, Any]) -> Any:
    """Return the answer of a scripted model to a request with tools."""
    model = sg.testing.Scripted(replies)
    body = {"model": "extract", "input": "Patch it.", "tools": [*tools], "tool_choice": "required"}
    return post(app_of(model), "/v1/responses", body)


def test_a_patch_is_a_call_and_the_header_tells_how_the_grammar_is_read() -> None:
    answer = answer_to([sg.Call("apply_patch", {"input": INPUT}, "call_0")], tool_of(PATCH))
    assert answer.status_code == 200
    (item,) = answer.json()["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", INPUT)
    header = answer.headers["x-structgen-warning"]
    assert (
        "tools/0/format/definition: Lark rejects the grammar, so it is read as llguidance reads it" in header
    )


def test_a_grammar_that_lark_takes_is_read_in_silence() -> None:
    answer = answer_to([sg.Call("t", {"input": "aa"}, "call_0")], tool_of('start: "a"+', "t"))
    assert answer.status_code == 200 and "x-structgen-warning" not in answer.headers


@pytest.mark.parametrize(
    ("definition", "reasons"),
    [
        ("start: A x\nA: /a*/", ["Rule 'x' used but not defined"]),
        ('start: a | b\na[lazy]: "x"\nb: "x"', ["the grammar: ", "lazy of a rule"]),
    ],
)
def test_the_refusal_of_a_grammar_that_neither_reads_has_both_reasons(
    definition: str, reasons: list[str]
) -> None:
    answer = answer_to([], tool_of(definition))
    message = answer.json()["error"]["message"]
    assert answer.status_code == 400 and all(reason in message for reason in reasons)
    assert "\n" not in message.removesuffix("\n") or len(reasons) == 1


def test_many_tools_with_grammars_are_served() -> None:
    tools = [tool_of(PATCH.replace("@@", f"@{index % 5}@"), f"t{index}") for index in range(20)]
    answer = answer_to([sg.Call("t15", {"input": INPUT.replace("@@", "@0@")}, "call_0")], *tools)
    assert answer.status_code == 200 and answer.json()["output"][0]["name"] == "t15"


@pytest.mark.slow
def test_hundreds_of_tools_with_grammars_are_refused_by_a_limit() -> None:
    tools = [tool_of(PATCH.replace("@@", f"@{index}@"), f"t{index}") for index in range(200)]
    answer = answer_to([], *tools)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "limit")
