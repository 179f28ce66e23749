"""Options that a writer does not have, and those that exclude one another in a call: rows for
`contradictions.refuse`. Each constant says which options its tests take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Final

from structgen.engine.requests import Sampling
from structgen.language.exclusions import Exclusion
from structgen.typed.options import TypedOptions


def _each(
    names: str, text: str, cure: str, kind: type[TypedOptions | Sampling] = TypedOptions, where: str = ""
) -> tuple[Exclusion, ...]:
    """Return the rows of options that are refused wherever they are not the default. `kind`: `Sampling` for
    the options of the sampling; `where`: "" for their own names."""

    plain = {one.name: one.default for one in fields(kind)}

    def found(name: str) -> Callable[..., str]:
        if kind is Sampling:
            return lambda options: name if getattr(options.sampling, name) != plain[name] else ""
        return lambda options: name if getattr(options, name) != plain[name] else ""

    return tuple(Exclusion(found(name), where or name, text, cure) for name in names.split())


OF_SERVERS: Final = (
    *_each(
        "top_k min_p repetition_penalty min_tokens strategy monitors banned repetition",
        "{} is not in OpenAI's protocol.",
        "Leave it out.",
        Sampling,
        "sampling",
    ),
    *_each("thinking policies chat", "{} cannot be had from a server.", "Leave it out, or use an engine."),
    *_each(
        "canonical healing",
        "A server chooses its tokens itself, so {} cannot be had from it.",
        "Leave it out, or use an engine.",
    ),
    *_each(
        "speculation",
        "Whether a server speculates is the server's own affair.",
        "Leave it out, or use an engine.",
    ),
)
"""Of a typed function's options."""
OF_SERVER_FIELDS: Final = (
    *(
        Exclusion(
            lambda options, server, name=name: name in server.leave_out and getattr(options.sampling, name),
            name,
            f"{name} is given, and sg.Server leaves it out.",
            "Take it out of one of them.",
        )
        for name in ("temperature", "seed")
    ),
    Exclusion(
        lambda options, server: options.max_tokens is not None and server.max_tokens_field is None,
        "max_tokens",
        "max_tokens is given, and sg.Server has no field for it.",
        'Leave it out, or write max_tokens_field="max_completion_tokens".',
    ),
)
"""Of a typed function's options, and an `sg.Server`."""
OF_SERVER_FORMS: Final = (
    Exclusion(
        lambda options, form: form.tools is not None and form.tools.thinking is not False,
        "thinking",
        "thinking cannot be had from a server.",
        "Leave it out: what a server sends of thoughts is in reply.thinking.",
    ),
    Exclusion(
        lambda options, form: options.stop and form.grammar is not None,
        "stop",
        "A stop string would cut a document short.",
        "Leave it out, or return str.",
    ),
)
"""Of a typed function's options, and the form of what is wanted from a server."""
OF_INFILLING: Final = (
    *_each(
        " ".join(one.name for one in fields(Sampling) if one.name not in ("temperature", "seed")),
        "{} is about the next token behind those before it; slots are filled in any order.",
        "Leave it out; temperature and seed are there.",
        Sampling,
        "sampling",
    ),
    *_each(
        "stop",
        "A stop string ends a text that is written from left to right; slots are filled in any order.",
        "Leave it out; the grammar says where the document ends.",
    ),
    *_each(
        "thinking",
        "A masked-diffusion model writes no thoughts before the document.",
        "Leave it out, or give the type a field for them.",
    ),
    *_each(
        "canonical healing",
        "{} is about texts that are written from left to right; slots are filled in any order.",
        "Leave it out.",
    ),
    Exclusion(
        lambda options: options.speculation not in ("auto", "off"),
        "speculation",
        "Speculation guesses next tokens, and infilling has none.",
        "Leave it out; sg.Infilling(model, sure=0.8) makes larger steps.",
    ),
)
"""Of a typed function's options."""
OF_DRAWS: Final = (
    Exclusion(
        lambda options, form, kind: kind == "infilling",
        "model",
        "A masked-diffusion model gives no probabilities of whole documents, so its own distribution cannot "
        "be drawn from.",
        "Call the function with sampling=sg.Sampling(temperature=1.0, seed=...) for each draw, or use a "
        "causal model.",
        keyword="sample",
    ),
    Exclusion(
        lambda options, form, kind: kind == "server",
        "model",
        "A server gives texts, not the probability of each token behind each prefix, so the model's own "
        "distribution cannot be drawn from.",
        "Load the model in this process: a folder, structgen/extract, or an sg.Engine.",
        keyword="openai:",
    ),
    Exclusion(
        lambda options, form, kind: form.items,
        "return",
        "A draw is a whole document, and an Iterator hands out its items one by one.",
        "Annotate list[T].",
        keyword="Iterator",
    ),
    Exclusion(
        lambda options, form, kind: form.tools is not None,
        "return",
        "Draws of a typed function are documents, and replies that may call tools are texts.",
        "Draw from sg.sample(model, prompt, sg.tools(...), n), and read with sg.parse_calls.",
        keyword="tools",
    ),
    Exclusion(
        lambda options, form, kind: form.grammar is None,
        "return",
        "Free text is not conditioned on anything: the model's own texts are draws already.",
        "Annotate a type that has a schema, or call the function with a temperature of 1.",
        keyword="str",
    ),
    Exclusion(
        lambda options, form, kind: options.thinking is not None,
        "thinking",
        "Draws have no thoughts before the document.",
        "Leave thinking out.",
    ),
)
"""Of a typed function's options, the form of what is wanted, and the kind of its writer."""
OF_TOOLS: Final = _each(
    "outline stop wrap",
    "{} has no meaning beside tools.",
    "Leave it out: the prompt tells the tools, and their format where a reply ends.",
)
"""Of the options of a call beside tools."""
