"""`structgen models`: the models that are at hand, and how to get the one that is not."""

from __future__ import annotations

from typing import Annotated

import typer

from structgen.cli.output import echo, echo_json


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the models that a name stands for: the embedded ones, and SmolLM2 from a package on PyPI.

    Each name is what --model, `structgen serve` and sg.Engine take. So are the folder of a model that
    transformers reads, and a GGUF file of llama.cpp.

    Exit status: 0.
    """
    from structgen.engine.forward_pass.gguf_models import SMOLLM2, gguf_file
    from structgen.errors import StructgenError
    from structgen.system.resources import MODELS, embedded_model

    rows = [
        {"name": f"structgen/{name}", "path": str(embedded_model(f"structgen/{name}")), "install": None}
        for name in MODELS
    ]
    path, install = None, None
    try:
        path = str(gguf_file(SMOLLM2))
    except StructgenError as error:
        install = error.cure
    rows.append({"name": SMOLLM2, "path": path, "install": install})
    if as_json:
        echo_json(rows)
        return
    widest = max(len(str(row["name"])) for row in rows)
    for row in rows:
        echo(f"{row['name']:<{widest}}  {row['path'] or 'not installed: ' + str(row['install'])}")
    echo("Also: the folder of a model that transformers reads, and a GGUF file.")
