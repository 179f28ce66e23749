"""`sg.read_request`: finds what a request asks of its reply, in OpenAI's, vLLM's or SGLang's shape.

A *request* is the dict that a client sends to a server. The result is a grammar of the reply, with its
policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.grounding.grounded_grammar import (
    grounded_grammar,
    idle_remark,
)
from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.request_reading.grammar_forms import SGLANG, requested_grammar
from structgen.asking.request_reading.request_members import GUIDED, TOOL_ITEMS, members_of, read_members
from structgen.asking.tool_calls.tool_choices import NO_CALLS, ToolChoice, read_choice
from structgen.asking.tool_calls.tool_definitions import Tool, read_tools
from structgen.asking.tool_calls.tool_grammar import tools as grammar_of
from structgen.base.errors import NotStatedError, OptionError, options_named
from structgen.base.json_text.exact_json import JsonMapping, values_in
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.text_grammar import ComposedGrammar, as_text, either
from structgen.machines.core.grammar import Grammar
from structgen.schema.reading.policies import PolicyOptions
from structgen.schema.reading.quote_keyword import QUOTE
from structgen.schema.reading.suspect_keywords import looks_like_schema

SERVED: Final[PolicyOptions] = MappingProxyType({"whitespace": "oneline"})
"""The usual policies of what is served: white space that a weak model cannot pad with."""
OF_A_STRANGER: Final[PolicyOptions] = MappingProxyType({"grammars": False})
"""The option of `sg.json_schema` for what others send: their schemas name no grammar objects."""
_FORMS: Final = ("response_format", "text", "structured_outputs", *SGLANG)
"""Members of a request that constrain its answer. A request has at most one of them."""
_REQUEST: Final = (
    *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("model", "messages", "prompt", "input", "instructions"),
)
"""Members by which a request is told from a schema or a form alone."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What a request says of its reply. Made by `read_request`."""

    tools: tuple[Tool, ...] = ()
    tool_choice: Any = None
    parallel: bool = True
    choice: ToolChoice = NO_CALLS
    """The tools and their choice, read: which may be called, and how often."""
    answer: Grammar | None = None
    """The grammar of a reply that calls no tool; None: free text, or a call is required."""
    form: str = ""
    """The member that asks for it; "" where none does."""
    policies: PolicyOptions = field(default_factory=dict)
    """The options of `sg.json_schema` under which it was read."""
    left_out: Sequence[str] = ()
    """The types of tools that a server would run itself, such as `web_search`, which no reply can call."""

    def grammar(self, format: Any = None, **options: Any) -> Grammar | None:
        """Return the grammar of replies: the answer, calls, or either, as the choice says; None: free text.

        `format` and the options are those of `sg.tools`; a request without tools needs none. Errors:
        `OptionError` for tools without a format, those of `sg.tools`.
        """
        if format is None:
            if self.tools and self.choice.mode != "none":
                raise OptionError(
                    "The request has tools, and the format of a call depends on the model.",
                    where="tools",
                    cure='Name the format: sg.read_request(request).grammar("hermes").',
                )
            return self.answer
        calls = partial(grammar_of, self.tools, format=format, **{**self.policies, **options})
        # without a grammar of the answer free text is the other choice
        if self.answer is None:
            return calls(tool_choice=self.choice)
        if self.choice.mode == "none":
            return self.answer
        call_grammar = calls(tool_choice=replace(self.choice, mode="required"))
        grammar = either(as_text(self.answer), call_grammar)
        # the engine ends a reply whose call repeats an earlier one
        if isinstance(grammar, ComposedGrammar) and isinstance(call_grammar, ComposedGrammar):
            grammar.repeats = call_grammar.repeats
        return grammar

    def with_call(self) -> ReadRequest:
        """Return the request to a model whose free text means nothing, as that of the embedded ones: where a
        reply may be free text or calls, it is one call."""
        if self.choice.mode != "auto" or self.answer is not None:
            return self
        # such a model does not know when to stop calling
        return replace(self, choice=replace(self.choice, mode="required", max_calls=1))

    @property
    def has_quotes(self) -> bool:
        """Whether a string of the answer, or an argument of a tool that may be called, is marked as a
        quote."""
        schemas = [getattr(self.answer, "schema", None), *(tool.schema for tool in self.choice.tools)]
        return any(isinstance(value, dict) and QUOTE in value for _, value in values_in(schemas))

    def narrow(
        self,
        source: StatedText,
        report: Callable[[str], None] | None,
        call_texts: StatedText | None = None,
        **narrow_options: bool,
    ) -> ReadRequest:
        """Return the request of those replies whose values are stated: in the answer and in the arguments of
        calls. A tool whose required arguments are not stated is left out, and so is such an answer where
        tools are left. Beside tools, an answer without a schema stays free.

        `report`: who is told what is left out, and where nothing is held to the texts; None: nobody.
        `call_texts`: the texts to which calls are held, if they are not `source`. `narrow_options`: those of
        `narrow_grammar`. For example, `reading.narrow(stated_text(texts), None, quotes=True)`. Errors: those
        of `grounded_grammar` and `Tool.narrow`; NotStatedError where no reply is left. Cost: that of reading
        the texts, and of compiling each schema.
        """
        answer, place_count = self.answer, 0
        tools = dict[str, Tool]()
        refusals, remarks, idle = list[NotStatedError](), list[str](), list[str]()
        for tool in self.choice.tools:
            try:
                tools[tool.name], places = tool.narrow(call_texts or source, self.policies, **narrow_options)
                place_count += places
            except NotStatedError as error:
                refusals.append(error)
                remarks.append(f"The tool {tool.name} is left out. {error.what}")
            if tool.custom:
                remarks.append(f"The input of the custom tool {tool.name} is not restricted to the text.")
        choice = replace(self.choice, tools=tuple(tools.values())) if tools else NO_CALLS
        if self.choice.must_call and not tools:
            raise refusals[0]
        if getattr(answer, "schema", None) is not None or not self.choice.tools:
            try:
                answer = grounded_grammar(answer, source, **narrow_options, report=idle.append)
            except NotStatedError as error:
                if not tools:
                    raise
                answer, choice = None, replace(choice, mode="required")
                remarks.append(f"The reply must be a call. {error.what}")
        elif not remarks:
            idle.append(idle_remark("The tools have", **narrow_options))
        if report is not None:
            for remark in remarks + idle * (not place_count):
                report(remark)
        all_tools = tuple(tools.get(tool.name, tool) for tool in self.tools)
        return replace(self, tools=all_tools, choice=choice, answer=answer)


@options_named('sg.read_request({"response_format": {...}, "tools": [...]})')
def read_request(
    request: JsonMapping | bool,
    *,
    policies: PolicyOptions | None = None,
    limits: Limits | None = None,
    specials: Mapping[str, int] | None = None,
) -> ReadRequest:
    """Return what a request (a dict, of chat completions or of responses) says of its reply: the grammar of
    the answer, the tools, and which of them may be called.

    One of `response_format`, `text`, `structured_outputs`, `guided_*`, `json_schema`, `regex`, `ebnf` and
    `structural_tag` may ask for a grammar; `tools`, `tool_choice`, `parallel_tool_calls`, and `functions` and
    `function_call` of before them, say what may be called. Every other member must be known, at any depth
    that is read, and of its type (`request_members`). Those of `extra_body` are the request's own. A dict
    without any member of a request is read as what one of these may hold: a form, or a JSON Schema.
    `policies`: options of `sg.json_schema`, by default
    `whitespace="oneline"`; `limits`: for all grammars of the request; `specials`: the ids of the model's
    special tokens by their texts, for grammars that name tokens. Grammars are text alone, also those of
    `x-grammar` in schemas: no file is opened, nothing but lark's own library is imported, no reference is
    fetched, and no grammar object of this process is named.

    Errors, with their places: `OptionError` for members that exclude one another, for forms and fields that
    are not known; `UnsupportedError` for what is not offered; those of the grammars. Cost: that of reading
    the grammars; nothing is compiled yet.
    """
    all_policies = {**(SERVED if policies is None else policies), **OF_A_STRANGER}
    # limits of the request hold for its grammars, too
    if limits is not None:
        all_policies["limits"] = limits
    if not isinstance(request, Mapping | bool):
        raise OptionError(
            f"A request must be a dict, got {type(request).__name__}.", where="request", cure="Pass the dict."
        )
    # a form or a schema alone has no tools
    if isinstance(request, bool) or _is_form(request):
        grammar = requested_grammar(request, None, all_policies, specials)
        return ReadRequest(answer=grammar, form="schema", policies=all_policies)
    request = read_members(request)
    tool_choice = request.get("tool_choice")
    parallel = request.get("parallel_tool_calls")
    left_out: list[str] = []
    # tools that a server runs itself are left out, not refused
    items = request.get("input")
    later_tools = {
        f"input/{index}/tools": item["tools"]
        for index, item in enumerate(items if isinstance(items, list) else ())
        if isinstance(item, Mapping) and item.get("type") in TOOL_ITEMS
    }
    tools = read_tools(request.get("tools") or (), all_policies.get("limits"), left_out, later_tools)
    choice = read_choice(tools, tool_choice, parallel)
    form, answer = _answer_grammar(request, all_policies, specials)
    if form not in ("", "response_format", "text") and choice.must_call:
        raise OptionError(
            f"The reply must match a grammar, and tool_choice={tool_choice!r} requires a call instead.",
            where=form,
            cure='Remove it, or set tool_choice="auto".',
        )
    answer = None if choice.must_call else answer
    return ReadRequest(
        tools, tool_choice, choice.max_calls != 1, choice, answer, form, all_policies, left_out
    )


def _is_form(request: JsonMapping) -> bool:
    """Tell whether a dict is no request, but a schema or what a member of a request holds."""
    if not request or any(name in request for name in _REQUEST):
        return False
    return looks_like_schema(request) or members_of().keys().isdisjoint(request)


def _answer_grammar(
    request: JsonMapping, policies: PolicyOptions, specials: Mapping[str, int] | None
) -> tuple[str, Grammar | None]:
    """Return the member that asks for a grammar of the answer, and the grammar; "" and None where none
    does."""
    forms = [
        {name: request[name]}
        for name in _FORMS
        if (request.get(name) if name != "text" else (request.get(name) or {}).get("format")) is not None
    ]
    guided_members = {name: value for name, value in request.items() if name in GUIDED and value is not None}
    # guidance says the same twice, to older and to newer servers of vLLM's
    if {GUIDED[name]: value for name, value in guided_members.items()} == request.get("structured_outputs"):
        guided_members = {}
    answer: tuple[str, Grammar | None] = "", None
    for target in [guided_members, *forms] if guided_members else forms:
        name = next(iter(target))
        grammar = requested_grammar(target, None, policies, specials)
        if grammar is None:
            continue
        if answer[0]:
            raise OptionError(
                f"{answer[0]} and {name} both constrain the reply.",
                where=name,
                cure="Remove one of them.",
            )
        answer = name, grammar
    return answer
