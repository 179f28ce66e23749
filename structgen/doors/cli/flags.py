"""The options of commands by name, and the flags among them.

An *option* is a setting of a command, with the name that it has in Python, e.g. `max_tokens`. Some options
are *flags* of the command line (`--max-tokens 64`). Any option can be given by `-o max_tokens=64`, or in a
file of options. A flag takes precedence over `-o` and the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.base.errors import OF_MONITORS
from structgen.decoding.runs.option_names import OF_REQUEST, OF_SAMPLING
from structgen.decoding.runs.resources import NAMED_MODELS
from structgen.decoding.samplers.methods import METHODS

LANGUAGES: Final = ("schema", "type", "grammar", "ebnf", "regex")
"""The options that describe which texts are valid. At most one of them may be given."""
OF_LARK: Final = ("start", "import_paths", "postlex", "bind", "lexer", "ignore_at_most")
# the order is that of --help
POLICIES: Final = (
    "draft",
    "whitespace",
    "property_order",
    "numbers",
    "escapes",
    "formats",
    "max_string",
    "max_items",
    "any_value",
    "resources",
    "strict",
)
OF_TOOLS: Final = ("tool_choice", "parallel", "tool_format")
OF_ENGINE: Final = ("device", "dtype", "max_rows", "cache_bytes")
OF_GROUNDING: Final = ("grounded", "quotes", "missing")
OF_TEXTS: Final = (
    *("ebnf", *OF_LARK, *POLICIES, *OF_ENGINE, *OF_SAMPLING, *OF_REQUEST, *OF_GROUNDING, "logprobs"),
    *("without", "wrap", "edit", "draft_model"),
)
"""The options, without flags of their own, of the commands that write texts."""
NAMES: Final[dict[str, tuple[str, ...]]] = {}
"""The names of the options of each command. `named_options.takes_options` fills it."""
RENAMED: Final[Mapping[str, str]] = {
    "import_path": "import_paths", "resource": "resources", "hole": "holes", "monitor": "monitors",
}  # fmt: skip
"""The flags of earlier releases, by the names that their options have in Python."""
GONE: Final[Mapping[str, Mapping[str, str]]] = {
    "bulk": OF_MONITORS,
    "check": {"color": "Set the variable FORCE_COLOR=1 or NO_COLOR=1"},
    "explain": {
        "tokenizer": "Read missing_bytes and completion(start) of sg.compile(grammar, tokenizer) in Python",
    },
    "generate": OF_MONITORS,
    "infill": {"tokens_per_step": "Write --scheduler left-to-right for one token in a step"},
    "sample-report": {
        "false_accepts": "Of accepted texts a / (a + (1 - a) f) are right, of all a = (Z - f) / (1 - f)"
    },
    "warmup": {"text": "Masks are in memory only: call compiled.prepare() in the process that uses them"},
    "sample": {
        "standard_error": "Write until=, the width of an interval of log Z",
        "tree": "Trees are in memory only: give sg.sample(tree=sg.samplers.PrefixTree()) in Python",
    },
}
"""The options of earlier releases, each with what to write instead."""


class Flag(NamedTuple):
    """The flag of an option: its type, its help and its bounds."""

    kind: Any
    """The type of its value. `bool`: the flag is a switch. A list: the flag may be given several times."""
    help: str
    metavar: str | None = None
    min_value: Any = None
    """The inclusive bounds of a number."""
    max_value: Any = None
    default: object = None
    """The default value; None: the default is that of Python's option."""


_MODELS: Final = f"as {', '.join(NAMED_MODELS)} (extract for structgen/extract)"
FLAGS: Final[dict[str, Flag]] = {
    # --- which texts ----------------------------------------------------------------------------------------
    "schema": Flag(str, "The JSON Schema: its file, or its text: {...}, true, false.", "FILE|JSON"),
    "type": Flag(str, "In place of a schema: a Python type, or another target of sg.run, module:Name."),
    "grammar": Flag(
        str,
        "In place of a schema: a Lark grammar, or a name that `structgen grammars` lists; a file .gbnf or "
        ".ebnf: such rules.",
        "FILE|NAME",
    ),
    "regex": Flag(str, "In place of a schema: a Python regular expression for the whole text.", "PATTERN"),
    "tools": Flag(
        str,
        "In place of a schema: what the model may call, in OpenAI's, Anthropic's or MCP's shape: a tool, a "
        'list of tools, or an object with the member "tools" or "result". Nothing is called.',
        "FILE|JSON",
    ),
    # --- generate, sample, bulk -----------------------------------------------------------------------------
    "model": Flag(
        str,
        f"A name that `structgen models` lists, {_MODELS}; the folder of a model of transformers; a GGUF "
        "file; or openai:URL#NAME, ollama:NAME, anthropic:NAME, a model on a server.",
        default="structgen/extract",
    ),
    "sample model": Flag(
        str,
        f"A name that `structgen models` lists, {_MODELS}; the folder of a causal model of transformers; or "
        "a GGUF file.",
        default="structgen/extract",
    ),
    "prompt": Flag(str, "The prompt; - is standard input, and so is a pipe."),
    "n": Flag(int, "Texts of the prompt.  [default: 1]", min_value=1),
    "sample n": Flag(int, "How many draws.", min_value=1, default=10),
    "temperature": Flag(
        float, "0 takes the likeliest token.  [default: 0; with a strategy that draws, 1]", min_value=0.0
    ),
    "max_tokens": Flag(
        int, "Documents are complete within it.  [default: 512, or what the context leaves]", min_value=1
    ),
    "seed": Flag(int, "The same seed gives the same texts.  [default: 0]"),
    "stream": Flag(bool, "Print the text as it comes."),
    "json": Flag(bool, "Print a JSON object; of several texts, one for each."),
    "method": Flag(str, f"{', '.join(METHODS)} (docs/samplers.md).", default="auto"),
    "budget": Flag(int, "The most rows of logits that are read.", min_value=1),
    "sample out": Flag(Path, "The file of the draws (structgen sample-report reads it)."),
    "prompts": Flag(
        Path,
        'FILE, a file of prompts: on each line a JSON string, {"prompt": ...}, {"messages": [...]}, or the '
        "prompt itself. Or a batch file of OpenAI or Anthropic, whose requests say all else.",
    ),
    "out": Flag(
        Path,
        "The file of results, in the order of the prompts when all are there. A second call goes on where "
        "the first one stopped; FILE.run keeps the options, and other options are refused.",
    ),
    "start_over": Flag(bool, "Delete the results that are there."),
    "ray": Flag(bool, "Work on Ray, on the cluster of RAY_ADDRESS or on this machine."),
    "workers": Flag(
        int, "With --ray: how many workers there are.  [default: one for each GPU or processor]", min_value=1
    ),
    # --- extract --------------------------------------------------------------------------------------------
    "extract prompt": Flag(str, "The words before each piece.  [default: made of the type's name]"),
    "examples": Flag(
        Path, 'A file of worked examples, {"arguments": TEXT, "value": ITEMS} on each line.', "FILE"
    ),
    "extract out": Flag(
        Path,
        "The file of items: JSON lines; .csv: a table. The answers to pieces are in FILE.pages, and a second "
        "call goes on where the first one stopped.",
    ),
    "page": Flag(Path, "Write the documents with their marks and the items: one file of HTML."),
    "extract strict": Flag(bool, "Exit with 1 if a piece was not asked."),
    # --- explain --------------------------------------------------------------------------------------------
    "lines": Flag(int, "Lines that tell what a document is.  [default: 400]", min_value=1),
    "openai": Flag(bool, "Also what a server for OpenAI's strict outputs refuses."),
    "prove": Flag(bool, "Also look for constraints that the rest of the schema makes idle."),
    "sentences": Flag(int, "Random texts of a grammar.  [default: 0]", min_value=0),
    # --- infill ---------------------------------------------------------------------------------------------
    "infill model": Flag(
        str,
        "structgen/infill, for short infill, which is included; or a folder with a masked-diffusion model.",
        default="structgen/infill",
    ),
    "template": Flag(
        Path,
        "A file of text with holes: {name: int}, {name: /regex/, 8}; {name} with --schema, "
        "--grammar or -o holes; - is standard input.",
    ),
    "given": Flag(
        str,
        "With --schema: the fields that are known, a file of JSON or its text: {...}; the others are holes.",
        "FILE|JSON",
    ),
    "infill prompt": Flag(str, "The prompt."),
    "slots": Flag(
        list[str],
        "Tokens that each hole, or the one of that name, has room for. May be given several times.  "
        "[default: 64, fewer where the context leaves fewer]",
        "N|NAME=N",
    ),
    "scheduler": Flag(
        str,
        "auto, which fills as many slots in a step as the model is sure of; left-to-right, which fills one.  "
        "[default: auto]",
    ),
    "infill temperature": Flag(float, "0 takes the most probable tokens.  [default: 0]", min_value=0.0),
    "infill stream": Flag(bool, "Print the canvas after each step, on stderr."),
    # --- warmup ---------------------------------------------------------------------------------------------
    "warmup tokenizer": Flag(
        Path,
        "Also build and keep this tokenizer's tables: a tokenizer.json, a tekken.json, a "
        "SentencePiece model, a folder with one of them, or the name of a model (structgen models).",
    ),
    "warmup grammar": Flag(
        str, "Also load this Lark grammar, and keep its tables and its lexer.", "FILE|NAME"
    ),
    "jobs": Flag(int, "Processes that compile; the processors, at most 4.", min_value=1),
    "target": Flag(str, "Write the library of machine code that a wheel has: generic (x86-64-v3)."),
    "output": Flag(Path, "Where --target writes; default: into the package."),
    # --- report ---------------------------------------------------------------------------------------------
    "report tokenizer": Flag(
        str, "Also tell of this tokenizer: a file, a folder, or the name of a model (structgen models)."
    ),
    # --- maskbench, sample-report ---------------------------------------------------------------------------
    "policy": Flag(
        str, "default or widest: our policies. Coverage is judged under the widest.", default="widest"
    ),
    "maskbench engine": Flag(
        str,
        "Engines, by commas: structgen, and for another one module:function, which makes it (bench/peers.py "
        "has llguidance, xgrammar and glrmask).",
        default="structgen",
    ),
    "maskbench jobs": Flag(int, "Schemas at a time; more than 1 disturbs the times.", min_value=1, default=1),
    "maskbench out": Flag(Path, "A file that takes the results; the next call does what is missing."),
    "maskbench timeout": Flag(
        float, "Seconds for a compilation, and for each instance.", min_value=0.01, default=60.0
    ),
    "sample": Flag(int, "Only so many schemas, drawn by the seed.", min_value=1),
    "maskbench seed": Flag(int, "Of the sample.", default=0),
    "maskbench tokenizer": Flag(
        str,
        "small, bytes, a tokenizer.json, a tekken.json, a SentencePiece model, a folder with one of them, "
        "the name of a model, or module:function, which returns a tokenizer.",
        default="small",
    ),
    "failures": Flag(Path, "Write each failure here, a JSON object a line."),
    "html": Flag(Path, "Write a page with pictures: one file."),
    "masked": Flag(Path, "Draws from the same target by --method masked: shows what masking would say."),
    # --- serve ----------------------------------------------------------------------------------------------
    "host": Flag(
        str, "The address; 0.0.0.0: reachable from other machines, give keys then.", default="127.0.0.1"
    ),
    "allowed_host": Flag(
        list[str],
        "Another name of the server in requests (the header Host), in addition to its own; *.NAME: "
        "those below it; *: any. May be given several times.",
        "NAME",
    ),
    "port": Flag(int, "0: one that is free.", min_value=0, max_value=65_535, default=8000),
    "name": Flag(
        list[str],
        "A name under which requests ask for the model; *: any other name, too. May be given several times.  "
        "[default: MODEL]",
        "NAME",
    ),
    "unknown": Flag(
        str,
        "What happens to members of requests that are not known: error (they are refused) or warn (they have "
        "no effect, and the header x-structgen-warning lists them).  [default: error]",
        "error|warn",
    ),
    "api_key_file": Flag(
        Path,
        "A file with a key on each line; the variable STRUCTGEN_API_KEY has one too. Requests need "
        "one of them; all are compared in constant time.",
    ),
    "tool_format": Flag(
        str,
        f"How the model writes calls of tools: {', '.join(FORMATS)}.  [default: by its chat template, "
        "else by its tokens, else hermes]",
    ),
    "chat_template": Flag(
        Path,
        "A file with the chat template, in jinja.  [default: the model's own; where it has none, a "
        "line for each message after its role]",
    ),
    "serve thinking": Flag(
        str,
        "The closing tag of thoughts, such as </think>: each reply begins with thoughts.  [default: "
        "only where the chat template opens some]",
    ),
    "thinking_tokens": Flag(
        int, "The most tokens of thoughts.  [default: 1024, or a fourth of the context]", min_value=0
    ),
    "serve max_rows": Flag(int, "The most texts that are written at the same time.", min_value=1, default=32),
    "serve timeout": Flag(float, "The most seconds of a text.", min_value=0.1, default=600),
    "device": Flag(str, "cpu, cuda, ..."),
    "documents": Flag(
        bool,
        "Read the text of PDF files in messages, which strangers may have written: in a process with limits "
        "of time and memory.  [default: they are refused]",
    ),
    "schema_in_prompt": Flag(
        bool,
        "Hold the reply to the JSON Schema that dspy, instructor, the AI SDK and mirascope write into the "
        "messages, where the request has none.",
    ),
    "files": Flag(
        Path,
        "The folder for files and batches of clients (/v1/files, /v1/batches).  [default: there are none]",
    ),
}
"""The flags by the name of their option. If two commands have different flags of one name, the key of the one
begins with its command: "extract prompt"."""
SWITCHES: Final = {
    *(name.rpartition(" ")[2] for name, flag in FLAGS.items() if flag.kind is bool),
    *("usage", "weights", "formulas"),
} - {"strict"}
"""The options whose value is true or false. False counts as not given. (`strict` of a schema may be null.)"""
LISTS: Final = {
    *(name for name, flag in FLAGS.items() if flag.kind == list[str]),
    *("stop", "without", "strategy", "banned", "import_paths", "bind", "resources", "holes"),
}
"""The options that may be given several times."""
_TEXTS: Final = {
    *(LISTS - {"banned", "slots"}),
    *("draft", "numbers", "ebnf", "start", "postlex", "tool_choice"),
    *("edit", "draft_model", "trace", "evidence"),
}


def is_text(command: str, name: str) -> bool:
    """Return whether the value of an option is a text, whatever it looks like, and never JSON."""
    flag = flag_of(command, name)
    return name in _TEXTS or (flag is not None and flag.kind in (str, Path))


def flag_of(command: str, name: str) -> Flag | None:
    """Return the flag of a command's option; None if the option has no flag."""
    return FLAGS.get(f"{command} {name}") or FLAGS.get(name)


def describe_further_options(command: str, flags: Collection[str]) -> str:
    """Return the text of `--help` about the options that have no flag. `flags`: those that have one."""
    names_in_groups = {name for names in _GROUPS.values() for name in names}
    groups = {**_GROUPS, "the command": [name for name in NAMES[command] if name not in names_in_groups]}
    names_by_title = {
        title: [name for name in names if name in NAMES[command] and name not in flags]
        for title, names in groups.items()
    }
    lines = (f"{title}: {', '.join(names)}" for title, names in names_by_title.items() if names)
    page, listing = _PAGES.get(command, "engine"), "; of ".join(lines)
    return f"Names of -o and --options (docs/{page}.md). Of {listing}." if listing else ""


_GROUPS: Final[dict[str, Iterable[str]]] = {
    "sg.Sampling": OF_SAMPLING,
    "sg.Request": OF_REQUEST,
    "grounded answers": (*OF_GROUNDING, "evidence"),
    "sg.extract": (
        "page_tokens",
        "overlap",
        "merge",
        "at_once",
        "max_requests",
        "least_confidence",
        "unverified",
    ),
    "sg.json_schema": POLICIES,
    "sg.lark": OF_LARK,
    "sg.tools": OF_TOOLS,
    "sg.Engine": OF_ENGINE,
}
_PAGES: Final = {
    "check": "json-schema",
    "extract": "extract",
    "explain": "json-schema",
    "infill": "infilling",
    "serve": "serving",
    "warmup": "inside/cache",
}
"""The page of docs that explains a command's options, if it is not the page of the engine."""
