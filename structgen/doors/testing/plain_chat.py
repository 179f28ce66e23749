"""The chat template of a scripted model: plain text, each message after its role."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from structgen.tokens.tokenizer import Tokenizer

TEMPLATE: Final = """\
{%- if tools %}Tools:
{% for tool in tools %}{{ tool.function | tojson }}
{% endfor %}A call: <tool_call>
{"name": "...", "arguments": {...}}
</tool_call>

{% endif %}
{%- for message in messages %}{{ message.role }}: {{ message | text }}
{%- if not loop.last or add_generation_prompt %}

{% endif %}{% endfor %}
{%- if add_generation_prompt %}assistant: {% endif %}"""
"""Jinja. `text` writes the content of a message, and its calls."""


class PlainChat:
    """Holds the chat template. It has the members of a tokenizer of transformers that are needed for
    prompts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self.chat_template = tokenizer, TEMPLATE

    def apply_chat_template(
        self,
        messages: Sequence[Any],
        tools: Any = None,
        tokenize: bool = True,
        add_generation_prompt: bool = False,
        **other_variables: Any,
    ) -> Any:
        """Return messages as text, or with `tokenize` as tokens: `user: Hi` and, with
        `add_generation_prompt`, `assistant: ` below it. `other_variables` are those of the template. Errors:
        those of the template."""
        # start-up: few prompts are made by it
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment()
        environment.filters |= {"text": _message_text, "tojson": _write_json}
        variables = {
            "messages": messages,
            "tools": tools,
            "add_generation_prompt": add_generation_prompt,
            **other_variables,
        }
        text = environment.from_string(self.chat_template).render(variables)
        return self._tokenizer.encode(text.encode()) if tokenize else text


def _write_json(value: Any) -> str:
    """Return a value as JSON on one line. (jinja's own filter would escape characters for HTML.)"""
    return json.dumps(value, ensure_ascii=False)


def _message_text(message: Any) -> str:
    """Return the text of a message, its calls as the template shows them."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = "".join(str(part.get("text", "")) for part in content)
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    call_texts = (f"<tool_call>\n{_write_json(call)}\n</tool_call>" for call in calls)
    return "\n".join(filter(None, (content, *call_texts)))
