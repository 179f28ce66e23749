"""The parts of chat templates that write calls and their results, one of each format, as small as can be.

What they ask of an id is what the public template asks that is named; those of the other formats write the
tool's name and no id.
"""

from __future__ import annotations

from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_replies import Call

NINE = (
    "{%- if call.id is not defined or call.id|length != 9 or not call.id.isalnum() -%}"
    "{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{%- endif -%}"
)
"""Of mistralai/Mistral-7B-Instruct-v0.3 and of Mistral-Small-3.1-24B-Instruct-2503."""
EACH = (
    "{% for message in messages %}{% if message.tool_calls %}CALLS{% elif message.role == 'tool' %}RESULT"
    "{% else %}{{ message.content }}{% endif %}{% endfor %}"
)
EACH_CALL = "{% for call in message.tool_calls %}CALL{% endfor %}"


def template(call: str, result: str) -> str:
    """Return a template of how it writes a call and a result."""
    return EACH.replace("CALLS", EACH_CALL.replace("CALL{%", f"{call}{{%")).replace("RESULT", result)


def _by_name(format: str) -> str:
    """Return a template that writes names alone, as most do."""
    row = FORMATS[format]
    written = write_calls([Call("NAME", {}, "call_0")], row).replace("NAME", "{{ call.function.name }}")
    written = written.replace("{}", "{{ call.function.arguments }}").replace("{%", "{ %")
    return template(
        f"<id {{{{ call.id }}}}>{written}", "<result {{ message.tool_call_id }} {{ message.name }}>"
    )


TEMPLATES = {
    **{name: _by_name(name) for name in FORMATS},
    "mistral": template(
        NINE
        + "<id {{ call.id }}>[TOOL_CALLS]{{ call.function.name }}[ARGS]{{ call.function.arguments|tojson }}",
        "[TOOL_RESULTS]<result {{ message.tool_call_id }} {{ message.name }}>[/TOOL_RESULTS]",
    ),
    "mistral_list": template(
        NINE + '<id {{ call.id }}>[TOOL_CALLS] [{"name": "{{ call.function.name }}", "id": "{{ call.id }}"}]',
        '[TOOL_RESULTS] {"call_id": "{{ message.tool_call_id }}"}'
        "<result {{ message.tool_call_id }} {{ message.name }}>",
    ),
    # moonshotai/Kimi-K2-Instruct: the id alone tells the tool
    "kimi": template(
        "<id {{ call.id }}><|tool_call_begin|>{{ call.id }}<|tool_call_argument_begin|>"
        "{{ call.function.arguments }}<|tool_call_end|>",
        "## Return of {{ message.tool_call_id }}<result {{ message.tool_call_id }} {{ message.name }}>",
    ),
    # openai/gpt-oss-20b: a result is told by the name of its tool
    "harmony": template(
        "<id {{ call.id }}><|channel|>commentary to=functions.{{ call.function.name }} <|constrain|>json",
        "<|start|>functions.{{ message.name }} to=assistant"
        "<result {{ message.tool_call_id }} {{ message.name }}>",
    ),
}
