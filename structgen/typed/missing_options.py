"""Options that a writer does not have, and those that exclude one another in a call: rows for
`contradictions.refuse`. Each constant says which options its tests take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from structgen.engine.contradictions import Contradiction
from structgen.engine.requests import OF_TOKENS_BEFORE, Sampling
from structgen.typed.options import TypedOptions


def _given(name: str) -> Callable[..., bool]:
    """Return the test whether a typed function's option is not its default."""
    plain = TypedOptions.__dataclass_fields__[name].default
    return lambda options: getattr(options, name) != plain


def _sampled(name: str) -> Callable[..., bool]:
    """Return the test whether an option of the sampling is not its default."""
    plain = Sampling.__dataclass_fields__[name].default
    return lambda options: getattr(options.sampling, name) != plain


OF_SERVERS: Final = (
    *(
        Contradiction(_sampled(name), "sampling", f"{name} is not in OpenAI's protocol.", "Leave it out.")
        for name in "top_k min_p repetition_penalty min_tokens strategy monitors banned repetition".split()
    ),
    *(
        Contradiction(
            _given(name), name, f"{name} cannot be had from a server.", "Leave it out, or use an engine."
        )
        for name in ("thinking", "policies", "chat")
    ),
    *(
        Contradiction(
            _given(name),
            name,
            f"A server chooses its tokens itself, so {name} cannot be had from it.",
            "Leave it out, or use an engine.",
        )
        for name in ("canonical", "healing")
    ),
    Contradiction(
        _given("speculation"),
        "speculation",
        "Whether a server speculates is the server's own affair.",
        "Leave it out, or use an engine.",
    ),
)
"""Of a typed function's options."""
OF_SERVER_FIELDS: Final = (
    *(
        Contradiction(
            lambda options, server, name=name, plain=plain: (
                name in server.leave_out and getattr(options.sampling, name) != plain
            ),
            name,
            f"{name} is given, and sg.Server leaves it out.",
            "Take it out of one of them.",
        )
        for name, plain in (("temperature", 0.0), ("seed", 0))
    ),
    Contradiction(
        lambda options, server: options.max_tokens is not None and server.max_tokens_field is None,
        "max_tokens",
        "max_tokens is given, and sg.Server has no field for it.",
        'Leave it out, or write max_tokens_field="max_completion_tokens".',
    ),
)
"""Of a typed function's options, and an `sg.Server`."""
OF_SERVER_FORMS: Final = (
    Contradiction(
        lambda options, form: form.tools is not None and form.tools.thinking is not False,
        "thinking",
        "thinking cannot be had from a server.",
        "Leave it out: what a server sends of thoughts is in reply.thinking.",
    ),
    Contradiction(
        lambda options, form: options.stop and form.grammar is not None,
        "stop",
        "A stop string would cut a document short.",
        "Leave it out, or return str.",
    ),
)
"""Of a typed function's options, and the form of what is wanted from a server."""
OF_INFILLING: Final = (
    *(
        Contradiction(
            _sampled(name),
            "sampling",
            f"{name} is about the next token behind those before it; slots are filled in any order.",
            "Leave it out; temperature and seed are there.",
        )
        for name in (*OF_TOKENS_BEFORE, "logit_bias", "strategy", "monitors", "banned", "repetition")
    ),
    Contradiction(
        _given("stop"),
        "stop",
        "A stop string ends a text that is written from left to right; slots are filled in any order.",
        "Leave it out; the grammar says where the document ends.",
    ),
    Contradiction(
        _given("thinking"),
        "thinking",
        "A masked-diffusion model writes no thoughts before the document.",
        "Leave it out, or give the type a field for them.",
    ),
    *(
        Contradiction(
            _given(name),
            name,
            f"{name} is about texts that are written from left to right; slots are filled in any order.",
            "Leave it out.",
        )
        for name in ("canonical", "healing")
    ),
    Contradiction(
        lambda options: options.speculation not in ("auto", "off"),
        "speculation",
        "Speculation guesses next tokens, and infilling has none.",
        'Leave it out; sg.Infilling(model, scheduler="freedave") saves passes of the model.',
    ),
)
"""Of a typed function's options."""
OF_DRAWS: Final = (
    Contradiction(
        lambda options, form, kind: kind == "infilling",
        "model",
        "A masked-diffusion model gives no probabilities of whole documents, so its own distribution cannot "
        "be drawn from.",
        "Call the function with sampling=sg.Sampling(temperature=1.0, seed=...) for each draw, or use a "
        "causal model.",
        keyword="sample",
    ),
    Contradiction(
        lambda options, form, kind: kind == "server",
        "model",
        "A server gives texts, not the probability of each token behind each prefix, so the model's own "
        "distribution cannot be drawn from.",
        "Load the model in this process: a folder, structgen/extract, or an sg.Engine.",
        keyword="openai:",
    ),
    Contradiction(
        lambda options, form, kind: form.items,
        "return",
        "A draw is a whole document, and an Iterator hands out its items one by one.",
        "Annotate list[T].",
        keyword="Iterator",
    ),
    Contradiction(
        lambda options, form, kind: form.tools is not None,
        "return",
        "Draws of a typed function are documents, and replies that may call tools are texts.",
        "Draw from sg.sample(model, prompt, sg.tools(...), n), and read with sg.parse_calls.",
        keyword="tools",
    ),
    Contradiction(
        lambda options, form, kind: form.grammar is None,
        "return",
        "Free text is not conditioned on anything: the model's own texts are draws already.",
        "Annotate a type that has a schema, or call the function with a temperature of 1.",
        keyword="str",
    ),
    Contradiction(
        lambda options, form, kind: options.thinking is not None,
        "thinking",
        "Draws have no thoughts before the document.",
        "Leave thinking out.",
    ),
)
"""Of a typed function's options, the form of what is wanted, and the kind of its writer."""
OF_TOOLS: Final = tuple(
    Contradiction(
        _given(name),
        name,
        f"{name} has no meaning beside tools.",
        "Leave it out: the prompt tells the tools, and their format where a reply ends.",
    )
    for name in ("outline", "stop", "wrap")
)
"""Of the options of a call beside tools."""
