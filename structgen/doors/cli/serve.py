"""`structgen serve`: an address in OpenAI's protocol, for one model."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from structgen.base.errors import OptionError, SchemaWarning
from structgen.base.system.installation import require_extras
from structgen.base.system.text_files import read_text
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo

_OF_ENGINE = ("max_waiting", "cache_bytes", "kept_prompts", "prefill_tokens")
_OF_FILES = ("files_days", "key_bytes", "files_bytes")


@takes_options(
    *("host", "port", "allowed_host", "name", "api_key_file", "tool_format", "chat_template", "thinking"),
    *(
        "thinking_tokens",
        "schema_in_prompt",
        "unknown",
        "max_rows",
        "timeout",
        "device",
        "documents",
        "files",
    ),
    more_names=("model", *_OF_ENGINE, "max_body", "grace", *_OF_FILES),
)
def serve(
    options: CommandOptions,
    model: Annotated[
        str,
        typer.Argument(
            help="A name that `structgen models` lists, such as structgen/extract or, for short, extract; "
            "the folder of a model; or a GGUF file."
        ),
    ],
) -> None:
    """Serve a model: /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages.

    Replies are held to schemas, grammars and tools exactly, and are complete within their tokens. Without
    --host the address is open to programs of this machine alone. docs/serving.md shows clients.

    Exit status: 0 stopped by Ctrl-C or SIGTERM; 2 wrong usage, or the model cannot be loaded.
    """
    with require_extras("The server", "serve", where="serve", kind=OptionError):
        # optional: serve; every model needs torch and tokenizers
        import tokenizers  # noqa: F401
        import torch  # noqa: F401
        import uvicorn

        from structgen.doors.serving.app import make_app
        from structgen.doors.serving.connections import connection_of
    from structgen.base.language import checks
    from structgen.decoding.engine import Engine
    from structgen.doors.serving.served_model import ServedModel
    from structgen.doors.serving.server_options import is_loopback, named_server, read_keys

    # schemas are the clients' own: what looks misspelt in one is no matter of whoever runs the server
    warnings.simplefilter("ignore", SchemaWarning)
    host = options.get("host")
    file_options: dict[str, Any] = {
        name: checks.check_whole(name, value, 1) for name, value in options.select_given(_OF_FILES).items()
    }
    if "files" in options:
        file_options["files"] = options.get("files")
    max_body = checks.check_whole("max_body", options.get("max_body", 8), 1)
    grace = checks.check_whole("grace", options.get("grace", 30), 0)
    of_replies = ("tool_format", "thinking", "thinking_tokens", "unknown", "schema_in_prompt")
    served_options = options.select_given(of_replies)
    file = options.get("api_key_file")
    keys = read_keys(file)
    engine = Engine(
        model,
        **{"max_waiting": 256, **options.select_given(("max_rows", "device", *_OF_ENGINE))},
    )
    if "chat_template" in options:
        engine.prompts.use_template(read_text(options.get("chat_template")))
    served = ServedModel(
        engine,
        _real_names(options.get("name", ()), model),
        seconds=options.get("timeout"),
        documents="documents" in options,
        **served_options,
    )
    listening = socket.create_server(
        (host, options.get("port")), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
    )
    address = listening.getsockname()[0]
    server_options = named_server(
        host, address, options.get("allowed_host", ()), keys=keys, max_body=max_body << 20, **file_options
    )
    app = make_app(served, server_options)
    printed_host = f"[{host}]" if ":" in host else host
    where = f"http://{printed_host}:{listening.getsockname()[1]}/v1"
    with_key = ", with a key" if keys else ""
    names = ", ".join([*served.names, *["any other name"] * served.takes_any_name])
    echo(f"{names} is served at {where}{with_key}. {served.describe_calls()} Ctrl-C stops it.")
    if not keys and not is_loopback(address):
        echo(f"Everybody who reaches {where} can use it. Set keys: --api-key-file FILE.", err=True)
    sys.stdout.flush()
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it again, once all is closed
        signal.signal(number, lambda *_: None)
    http = connection_of(server_options.body_seconds)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=grace, http=http, ws="none")
    # all that is loaded stays: no garbage collection in the middle of an answer goes through it again
    gc.collect()
    gc.freeze()
    uvicorn.Server(config).run([listening])


def _real_names(names: Sequence[str], model: str) -> list[str]:
    """Return the names of the command line; the model's own one where they have none but "*"."""
    return list(names) if any(name not in ("", "*") for name in names) else [model, *names]
