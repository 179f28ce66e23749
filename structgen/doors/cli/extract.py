"""The command `structgen extract`: reads all items that a type describes, from files of any length.

An *item* is one object of the type or schema. Long files are divided into *pieces* of some tokens each, which
a model reads one by one. With `--page` the command also writes a page of HTML that shows the
items beside the text.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structgen.base.errors import OptionError, ShortenedWarning
from structgen.base.language import checks
from structgen.decoding.runs.option_names import OF_PAGES, OF_SAMPLING, OF_WRITING
from structgen.doors.cli.flags import OF_ENGINE, POLICIES
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, print_payload, read_input
from structgen.doors.cli.target_language import resolve_target

if TYPE_CHECKING:
    from structgen.doors.extraction.extraction import Extraction


@takes_options(
    *("model", "schema", "type", "prompt", "examples", "out", "page", "start_over", "strict", "ray"),
    *("workers", "temperature", "max_tokens"),
    more_names=(*OF_PAGES, "page_tokens", *OF_WRITING, *POLICIES, *OF_ENGINE, *OF_SAMPLING),
)
def extract(
    options: CommandOptions,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...",
            help="Files of text, Markdown, HTML or PDF, or folders of them; - is standard input.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Read everything that a type or a schema asks for from files of any length.

    --type 'list[module:Class]', or a schema of an array, asks for all items of a file; any other type for
    one object a file. The items are printed as JSON lines, or written to --out, and then the same command
    goes on after a kill or Ctrl-C.

    Exit status: 0 done; 1 a file could not be read, a piece failed, the type refuses an object, max_requests
    left pieces out, or with --strict a piece was not asked; 2 wrong usage, or the model, all files, the type
    or schema are not usable; 130 Ctrl-C.
    """
    import structgen as sg

    is_strict = checks.check_switch("strict", options.get("strict", False))
    # `strict` of other commands is a policy of schemas
    options = replace(
        options, values={name: value for name, value in options.values.items() if name != "strict"}
    )
    requests = ModelRequests(options)
    requests.check()
    if not files:
        raise OptionError("The list of files is empty.", where="FILE", cure="Write structgen extract FILE.")
    if "page" in options:
        _check_page(options.get("page"), files)
    # what commands and sg.extract name alike goes on as it is
    extract_options = options.select_given((*OF_PAGES, *OF_WRITING, "prompt", "out", "examples"))
    if "ray" in options:
        extract_options.setdefault("workers", 0)
    if "page_tokens" in options:
        extract_options["page"] = options.get("page_tokens")  # --page is the page of HTML
    model: Any = requests.model
    if engine_options := options.select_given(OF_ENGINE):
        model = sg.Engine(model, **engine_options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "sg.extract: ", ShortenedWarning)  # what failed is printed below
        extraction = sg.extract(
            model,
            [("standard input", read_input(file, "FILE")) if str(file) == "-" else file for file in files],
            _read_target(requests),
            sampling=requests.sampling,
            policies=requests.policies or None if "type" in options else None,
            **extract_options,
        )
    raise typer.Exit(_print_extraction(extraction, options, is_strict))


def _check_page(page: Path, files: list[Path]) -> None:
    """Raise OptionError for a page that cannot be written, or would be written over a file that is read."""
    if page.suffix.lower() not in (".html", ".htm"):
        cure = "Pass the path of a file, such as page.html; the size of pieces is -o page_tokens=30."
        raise OptionError(f"{str(page)!r} is not a file name for a page of HTML.", where="--page", cure=cure)
    if not page.name or page.is_dir() or not page.parent.is_dir():
        fault = f"{str(page)!r} is not a path in an existing folder."
        raise OptionError(fault, where="--page", cure="Pass the path of a file, such as page.html.")
    if any(page.resolve().is_relative_to(file.resolve()) for file in files):
        fault = f"The page would overwrite an input: {str(page)!r}."
        raise OptionError(fault, where="--page", cure="Name another file, or one in another folder.")


def _read_target(requests: ModelRequests) -> Any:
    """Return the type of `--type`, or the grammar of `--schema`. Raises OptionError if neither is given."""
    options = requests.options
    if "type" in options:
        return resolve_target(str(options.get("type")), "--type", "module:Class, or list[module:Class]")
    if "schema" not in options:
        cure = "Pass one: --schema FILE, for example."
        raise OptionError("One of --schema and --type is needed.", where="--schema", cure=cure)
    return requests.grammar


def _print_extraction(extraction: Extraction[Any], options: CommandOptions, is_strict: bool) -> int:
    """Print the results of an extraction, and return the exit status that `extract` documents.

    The items are printed on stdout, unless `--out` names a file for them. The page of HTML is written.
    Failures, hints and a summary are printed on stderr. `is_strict`: whether a piece that was not asked makes
    the status 1.
    """
    from structgen.asking.pages.html_pages import format_count

    if "out" not in options:
        print_payload(extraction.to_jsonl(), newline=False)
    if "page" in options:
        extraction.write(options.get("page"))
    for part in extraction.failed:
        echo(f"Failed: {part}", err=True)
    for remark in extraction.remarks:
        echo(f"Hint: {remark}", err=True)
    items = format_count(len(extraction), "item") + (
        f" and {len(extraction.doubtful):,} doubtful" if extraction.doubtful else ""
    )
    piece_count = format_count(extraction.pages, "piece")
    summary = f"{extraction.asked:,} of {piece_count}, {format_count(extraction.tokens, 'token')}"
    if unasked := extraction.unasked:
        reasons = ", ".join(dict.fromkeys(piece.reason for piece in unasked))
        summary += f"; not asked: {format_count(len(unasked), 'piece')} with {reasons}"
    echo(f"{items}, {summary}", err=True)
    # An extraction is stopped by the limit max_requests (status 1), or else by Ctrl-C (status 130).
    if extraction.is_stopped:
        return 1 if extraction.is_limited else 130
    return int(
        (is_strict and bool(unasked)) or bool(extraction.failed) or any(item.error for item in extraction)
    )
