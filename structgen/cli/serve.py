"""`structgen serve`: an address in OpenAI's protocol, for one model."""

from __future__ import annotations

import signal
import socket
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from structgen.cli.output import echo, refuse
from structgen.errors import OptionError, SchemaWarning, StructgenError
from structgen.limits import CACHE_BYTES
from structgen.system.text_files import read_text
from structgen.tool_calls.format_rows import FORMATS


def serve(
    model: Annotated[
        str,
        typer.Argument(
            help="The folder of a model; structgen/extract, which is included, or extract for it."
        ),
    ],
    host: Annotated[
        str, typer.Option(help="The address; 0.0.0.0: reachable from other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: one that is free.")] = 8000,
    name: Annotated[
        str | None,
        typer.Option(
            help="The name under which requests ask for the model.  [default: MODEL]", show_default=False
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with a key on each line; the variable STRUCTGEN_API_KEY has one too. Requests need "
            "one of them.",
            show_default=False,
        ),
    ] = None,
    tool_format: Annotated[
        str | None,
        typer.Option(
            help=f"How the model writes calls of tools: {', '.join(FORMATS)}.  [default: told by its chat "
            "template]",
            show_default=False,
        ),
    ] = None,
    chat_template: Annotated[
        Path | None,
        typer.Option(
            help="A file with the chat template, in jinja.  [default: the model's own; where it has none, a "
            "line for each message behind its role]",
            show_default=False,
        ),
    ] = None,
    thinking: Annotated[
        str | None,
        typer.Option(
            help="The closing tag of thoughts, such as </think>: each reply begins with thoughts.  [default: "
            "only where the chat template opens some]",
            show_default=False,
        ),
    ] = None,
    thinking_tokens: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="The most tokens of thoughts.  [default: 1024, or a fourth of the context]",
            show_default=False,
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(min=1, help="The most texts that are written at the same time.")
    ] = 32,
    max_waiting: Annotated[
        int, typer.Option(min=0, help="The most texts that wait; past it requests get status 429.")
    ] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, help="The most seconds of a text.")] = 600.0,
    cache_bytes: Annotated[
        int, typer.Option(min=0, help="The most bytes that compiled grammars may hold for later requests.")
    ] = CACHE_BYTES,
    max_body: Annotated[int, typer.Option(min=1, help="The most megabytes of a request.")] = 8,
    grace: Annotated[
        int, typer.Option(min=0, help="Seconds that texts may go on after the server was told to stop.")
    ] = 30,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default=False)] = None,
) -> None:
    """Serve a model: /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages.

    Replies are held to schemas, grammars and tools exactly, and are complete within their tokens. Without
    --host the address is open to programs of this machine alone. docs/serving.md shows clients.

    Exit status: 0 stopped by Ctrl-C or SIGTERM; 2 wrong usage, or the model cannot be loaded.
    """
    try:
        _run(
            model,
            host,
            port,
            name,
            api_key_file,
            (tool_format, chat_template, thinking, thinking_tokens),
            (max_rows, max_waiting, device, cache_bytes),
            (timeout, max_body, grace),
        )
    except (StructgenError, OSError) as error:
        refuse(error, False)


def _run(
    model: str,
    host: str,
    port: int,
    name: str | None,
    api_key_file: Path | None,
    format: tuple[str | None, Path | None, str | None, int | None],
    rows: tuple[int, int, str | None, int],
    limits: tuple[float, int, int],
) -> None:
    try:
        import uvicorn  # optional: serve

        from structgen.serving.app import make_app
    except ImportError as error:
        raise OptionError(
            f"{error.name} is not installed.",
            where="serve",
            cure="pip install 'structgen-toolkit[serve]'",
        ) from None
    from structgen.engine import Engine
    from structgen.serving.served_model import ServedModel
    from structgen.serving.server_options import ServerOptions, read_keys

    # schemas are the clients' own: what looks misspelt in one is no matter of whoever runs the server
    warnings.simplefilter("ignore", SchemaWarning)
    (tool_format, chat_template, thinking, thinking_tokens), (timeout, max_body, grace) = format, limits
    max_rows, max_waiting, device, cache_bytes = rows
    keys = read_keys(api_key_file)
    path = f"structgen/{model}" if model == "extract" else model
    engine = Engine(path, max_rows=max_rows, max_waiting=max_waiting, device=device, cache_bytes=cache_bytes)
    if chat_template is not None:
        engine.prompts.use_template(read_text(chat_template))
    served = ServedModel(
        engine,
        name or model,
        tool_format=tool_format,
        thinking=thinking,
        thinking_tokens=thinking_tokens,
        seconds=timeout,
    )
    app = make_app(served, ServerOptions(keys, max_body << 20))
    listening = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
    )
    shown = f"[{host}]" if ":" in host else host
    where = f"http://{shown}:{listening.getsockname()[1]}/v1"
    with_key = ", with a key" if keys else ""
    echo(f"{served.name} is served at {where}{with_key}. {served.told()} Ctrl-C stops it.")
    sys.stdout.flush()
    for one in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it again, once all is closed
        signal.signal(one, lambda *_: None)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=grace)
    uvicorn.Server(config).run([listening])
