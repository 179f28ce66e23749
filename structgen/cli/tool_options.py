"""The options of tools: for commands that let a model call some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from structgen.cli.schema_options import read_input
from structgen.errors import OptionError, StructgenError

if TYPE_CHECKING:
    from structgen.typed.forms import WantedForm

ToolsFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tools",
        metavar="FILE|JSON",
        help="In place of a schema: what the model may call, in OpenAI's or MCP's shape: a list of tools, or "
        'an object with the member "tools". Nothing is called.',
        show_default=False,
    ),
]
ToolChoiceName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tool-choice",
        metavar="auto|required|none|NAME",
        help="With --tools: whether a tool may or must be called, or which one.  [default: auto]",
        show_default=False,
    ),
]
Parallel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="true|false|N",
        help="With --tools: whether there may be several calls, or how many.  [default: true]",
        show_default=False,
    ),
]
ToolFormatName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tool-format",
        metavar="NAME",
        help="With --tools: how calls are written (docs/tools.md).  [default: told by the chat template]",
        show_default=False,
    ),
]


def form_of_tools(
    tools: str | None,
    tool_choice: str | None,
    parallel: str | None,
    tool_format: str | None,
    policies: dict[str, Any],
    others: dict[str, bool],
) -> WantedForm | None:
    """Return what --tools and its kin want of a model; None where there are none. `others`: the options that
    have no meaning beside them, and whether each was given. Errors: OptionError, and those of `sg.tools`,
    with the option or the place in the file."""
    given = {"--tool-choice": tool_choice, "--parallel": parallel, "--tool-format": tool_format}
    if tools is None:
        lone = next((option for option, value in given.items() if value is not None), None)
        if lone is not None:
            raise OptionError("It needs tools.", where=lone, cure="Name their file: --tools FILE.")
        return None
    wrong = next((option for option, is_given in others.items() if is_given), None)
    if wrong is not None:
        raise OptionError("It has no meaning beside --tools.", where=wrong, cure="Leave one of them out.")
    from structgen.tool_calls.tool_replies import Reply
    from structgen.typed.forms import form_of_calls
    from structgen.typed.options import TypedOptions
    from structgen.typed.tool_use import ToolOptions

    listed, name = _read(tools)
    options = ToolOptions(listed, tool_choice, _parallel(parallel), tool_format)
    try:
        return form_of_calls(options, False, TypedOptions(policies=policies or None), Reply)
    except StructgenError as error:
        root = error.where.partition("/")[0]
        option = {"tool_choice": "--tool-choice", "parallel": "--parallel", "format": "--tool-format"}.get(
            root
        )
        if option is not None:
            raise OptionError(error.what, where=option, cure=error.cure) from error
        error.name_file(name)
        raise


def _read(option: str) -> tuple[list[Any], str]:
    """Return the tools that a file or a text of JSON lists, and its name."""
    is_text = option.lstrip().startswith(("[", "{"))
    name = "--tools" if is_text else option
    text = option if is_text else read_input(Path(option), "--tools")
    cure = 'Write [{"type": "function", "function": {"name": ..., "parameters": {...}}}].'
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = (
            f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        )
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise OptionError(f"It is no JSON: {what}.", where=f"{name}{place}", cure=cure) from error
    if isinstance(found, dict) and found.keys() == {"tools"}:
        found = found["tools"]
    if not isinstance(found, list):
        raise OptionError(f"It is a {type(found).__name__}, not a list of tools.", where=name, cure=cure)
    return found, name


def _parallel(option: str | None) -> bool | int | None:
    if option is None or option in ("true", "false"):
        return None if option is None else option == "true"
    if not option.isdecimal():
        raise OptionError(f"It is {option!r}.", where="--parallel", cure="Write true, false or a number.")
    return int(option)
