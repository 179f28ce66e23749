"""What the options of a command exclude and need: a table as those of Python's options.

Each pair of options is tried in tests/doors/cli/test_flag_exclusions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from structgen.base.language.exclusions import Exclusions
from structgen.doors.cli.flags import LANGUAGES, OF_LARK, OF_TOOLS, POLICIES

_LANGUAGES, _LARK, _TOOLS, _POLICIES = map(" ".join, (LANGUAGES, OF_LARK[1:], OF_TOOLS, POLICIES))

_BACKWARDS = " ".join(reversed(LANGUAGES))
OF_FLAGS: Final = Exclusions(
    f"""
{_BACKWARDS} excludes another_language:
    Only one of --schema, --type, --grammar, -o ebnf and --regex may be given. | Give one.
{_LANGUAGES} wrap outline stop trace logprobs without excludes tools:
    It has no meaning beside --tools. | Leave one of them out.
{_TOOLS} needs tools: It needs tools. | Name their file: --tools FILE.
{_LARK} needs grammar: It needs a Lark grammar. | Name its file: --grammar FILE.
start needs grammar ebnf: It needs a grammar. | Name its file: --grammar FILE.
without needs {_LANGUAGES}: It needs a schema or a grammar. | Give one beside it.
{_POLICIES} needs schema type tools: It needs a schema or a type. | Add --schema FILE.
wrap needs type: It is of types. | Add --type, or leave it out.
edit draft_model excludes no_guesses: Nothing is guessed with speculation=off. | Leave one of them out.
edit draft_model excludes in_table: It is an option of the table speculation too.
    | Write it there: -o speculation='{{"draft_model": "FOLDER"}}'.
edit excludes piped_prompt: Standard input is the prompt already. | Name a file, or give the prompt.
n excludes one_text: --stream, a trace and evidence are of one text only. | Leave one of them out.
evidence needs texts: Evidence is of grounded answers. | Add -o grounded=true.
grounded quotes missing excludes tools: The arguments of calls are not held to texts. | Leave one of them out.
model excludes server_without_rows: A server gives neither rows of probabilities nor a model that fills masks.
    | Use structgen generate or structgen bulk, or name a model of this machine.
ray excludes server: Workers on Ray load a model, and this one is on a server.
    | Leave --ray out: one process asks the server for many texts at a time.
logprobs trace speculation edit draft_model strategy banned device dtype without choices canonical
    healing end_margin {_POLICIES} excludes server:
    It has no meaning for a model on a server, which chooses the tokens itself.
    | Leave it out, or name a model of this machine.
workers engine engine_options shard_size needs ray: It is for workers on Ray. | Add --ray, or leave it out.
cache_bytes excludes ray: It is not an option of workers on Ray. | Leave it out.
--schema if unread: One of --schema, --type, --grammar, -o ebnf and --regex is needed.
    | Give one: --schema FILE, for example.
output needs target: It is the folder of --target. | Add --target generic.
target excludes grammar tokenizer: --target writes machine code alone.
    | Leave out --grammar and --tokenizer, or prepare them by a second call without --target.
--schema if undrawn: Nothing says which texts are valid, and the model's free texts are draws already.
    | Give --schema, --type, --grammar or --regex; or take structgen generate --temperature 1.
out excludes no_folder: There is no folder for the file. | Make it, or name another file.
""",
    texts=lambda given: given.get("grounded", False) is not False or given.get("quotes"),
    another_language=lambda given: len(given.some(LANGUAGES)) > 1,
    no_guesses=lambda given: given.get("speculation") == "off",
    in_table=lambda given: isinstance(given.get("speculation"), dict),
    piped_prompt=lambda given: given.get("edit") == given.get("prompt") == "-",
    one_text=lambda given: given.get("n") != 1 and given.some(("stream", "trace", "evidence")),
    server=lambda given: given.is_served,
    server_without_rows=lambda given: given.is_served and given.command in ("sample", "infill"),
    unread=lambda given: given.command in ("check", "explain") and not given.some(LANGUAGES),
    undrawn=lambda given: given.command == "sample" and not given.some(LANGUAGES),
    no_folder=lambda given: given.command == "sample" and not Path(given.get("out", ".")).parent.is_dir(),
)
"""Rows in the order in which they are asked; each error names an option as Python does."""
