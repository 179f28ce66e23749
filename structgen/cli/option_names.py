"""The names of the options of commands that have `-o`: those that they have in Python."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

LANGUAGES: Final = ("schema", "type", "grammar", "ebnf", "regex")
"""What says which texts are valid, of which there is one at most."""
OF_LARK: Final = ("start", "import_paths", "postlex", "bind", "lexer")
POLICIES: Final = (
    "draft", "whitespace", "property_order", "numbers", "escapes", "formats", "max_string", "max_items",
    "any_value", "resources", "strict",
)  # fmt: skip
OF_TOOLS: Final = ("tool_choice", "parallel", "tool_format")
OF_ENGINE: Final = ("device", "dtype", "max_rows", "cache_bytes")
OF_SAMPLING: Final = (
    "temperature", "seed", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
    "frequency_penalty", "logit_bias", "min_tokens", "strategy", "monitors", "banned", "repetition",
)  # fmt: skip
OF_REQUEST: Final = (
    "max_tokens", "end_margin", "stop", "timeout", "thinking", "speculation", "outline", "chat", "canonical",
    "healing", "choices",
)  # fmt: skip
_SHARED: Final = (
    *("model", *LANGUAGES, *OF_LARK, *POLICIES, *OF_ENGINE, *OF_SAMPLING, *OF_REQUEST),
    *("without", "wrap", "edit", "draft_model"),
)
_OF_DRAWS: Final = (
    *("model", *LANGUAGES, *OF_LARK, *POLICIES, *OF_ENGINE, "without", "wrap", "outline", "chat"),
    *("prompt", "n", "method", "budget", "seconds", "standard_error", "seed", "temperature", "max_tokens"),
    *("top_k", "top_p", "min_p", "particles", "resampling_threshold", "weights", "out", "json"),
)
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": (
        *(*_SHARED, "tools", *OF_TOOLS, "prompt", "n", "attempts", "stream", "json"),
        *("trace", "logprobs", "usage"),
    ),
    "sample": _OF_DRAWS,
    "bulk": (
        *(*_SHARED, "prompts", "out", "start_over", "logprobs"),
        *("ray", "workers", "engine", "engine_options", "shard_size"),
    ),
    "check": (*LANGUAGES, *OF_LARK, *POLICIES),
    "explain": (
        *(*LANGUAGES, *OF_LARK, *POLICIES),
        *("lines", "openai", "prove", "sentences", "seed", "tokenizer"),
    ),
    "infill": (
        *("model", "template", *LANGUAGES, *OF_LARK, "given", "holes", "prompt", "outline", "chat"),
        *("slots", "length", "scheduler", "sure", "temperature", "seed", "depth", "max_states"),
        *("timeout", "stream", "trace"),
    ),
    "serve": (
        *("model", "host", "port", "allowed_host", "name", "api_key_file", "tool_format", "chat_template"),
        *("thinking", "thinking_tokens", "max_rows", "max_waiting", "timeout", "cache_bytes", "max_body"),
        *("grace", "device"),
    ),
    "warmup": ("tokenizer", "grammar", *OF_LARK, "text", "jobs", "target", "output"),
}
"""The options of each command."""
RENAMED: Final[Mapping[str, str]] = {
    "import_path": "import_paths", "resource": "resources", "hole": "holes", "monitor": "monitors",
}  # fmt: skip
"""Flags of before by the names that their options have in Python."""
GONE: Final[Mapping[str, Mapping[str, str]]] = {
    "infill": {"tokens_per_step": "Write --scheduler left-to-right for one token in a step"},
    "sample": {"tree": "Trees are in memory only: give sg.sample(tree=sg.samplers.PrefixTree()) in Python"},
}
"""Options of before, and what to write instead."""
DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = {
    "generate": {"model": "structgen/extract"},
    "sample": {"model": "structgen/extract", "n": 10, "method": "auto"},
    "bulk": {"model": "structgen/extract"},
    "infill": {"model": "structgen/infill"},
    "serve": {"host": "127.0.0.1", "port": 8000, "max_rows": 32, "max_waiting": 256, "timeout": 600.0},
}
"""What holds where neither the command line nor a file of options says anything."""
SWITCHES: Final = frozenset(("stream", "json", "usage", "weights", "start_over", "ray", "openai", "prove"))
"""Options whose value is true or false; false counts as not given."""
LISTS: Final = frozenset(
    (
        *("stop", "without", "strategy", "monitors", "banned", "import_paths", "bind", "logit_bias"),
        *("resources", "holes", "slots", "text", "allowed_host"),
    )
)
"""Options that may be given several times."""
TEXTS: Final = frozenset(
    (
        *("model", *LANGUAGES, "tools", "tool_choice", "tool_format", "start", "postlex", "lexer", "draft"),
        *("property_order", "numbers", "escapes", "formats", "device", "dtype", "prompt", "stop", "without"),
        *("strategy", "monitors", "import_paths", "bind", "resources", "choices", "edit", "draft_model"),
        *("trace", "method", "prompts", "out", "engine", "template", "given", "holes", "length"),
        *("scheduler", "host", "allowed_host", "name", "api_key_file", "chat_template", "tokenizer", "text"),
        *("target", "output"),
    )
)
"""Options whose values are texts, whatever they look like."""


def named_below(command: str, flags: Collection[str]) -> str:
    """Return what `--help` says of the options that have no flag of their own."""
    grouped = {name for names in _GROUPS.values() for name in names}
    groups = {**_GROUPS, "the command": [name for name in NAMES[command] if name not in grouped]}
    lines = []
    for title, names in groups.items():
        shown = [name for name in names if name in NAMES[command] and name not in flags]
        if shown:
            lines.append(f"{title}: {', '.join(shown)}")
    page = _PAGES.get(command, "engine")
    return f"Names of -o and --options (docs/{page}.md). Of {'; of '.join(lines)}."


_GROUPS: Final[dict[str, Iterable[str]]] = {
    "sg.Sampling": OF_SAMPLING,
    "sg.Request": OF_REQUEST,
    "sg.json_schema": POLICIES,
    "sg.lark": OF_LARK,
    "sg.tools": OF_TOOLS,
    "sg.Engine": OF_ENGINE,
}
_PAGES: Final = {
    "check": "json-schema",
    "explain": "json-schema",
    "infill": "infilling",
    "serve": "serving",
    "warmup": "inside/cache",
}
"""The page of docs that says what the options mean, where it is not the engine's."""
