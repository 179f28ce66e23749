"""Options that a writer does not have, and those that exclude one another in a call. Each table says which
options it takes."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from structgen.decoding.engine.requests import Request, Sampling
from structgen.decoding.engine.thinking import Thinking
from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.doors.typed.signatures.call_options import CallOptions

_OR_AN_ENGINE: Final = "Remove it, or use an engine."
_OF_OTHERS: Final = ("sampling", "max_tokens", "stop", "timeout", "outline", "choices")
_OF_ENGINES: Final = tuple(
    name for name in CallOptions.__annotations__.keys() & Request.__annotations__ if name not in _OF_OTHERS
)
"""Options of a request that other writers than engines have only where they say so."""
_OF_OWN_SERVERS: Final = ("thinking", "continue_final_message")
"""Those of them that structgen's own server takes."""
OWN_NUMBERS: Final = ("top_k", "min_p", "repetition_penalty", "min_tokens")
"""Options of a sampling that structgen's own server takes, and OpenAI's protocol lacks."""
OF_SERVERS: Final = Exclusions(
    Exclusion(("strategy", "banned"), "{} is not in OpenAI's protocol.", "Remove it."),
    Exclusion(
        "thinking",
        "The closing tag of thoughts is set by the server.",
        "Remove it, or pass sg.Thinking(max_tokens=...) without until; or use an engine.",
        beside=lambda options, sampling: options.thinking and options.thinking.until != Thinking().until,
    ),
    Exclusion(
        "choices",
        "The probabilities of values after a neutral prompt are not available with a server.",
        'Remove it, or pass choices="tokens"; or use an engine.',
        beside=lambda options, sampling: options.choices == "calibrated",
    ),
    Exclusion(
        "policies",
        "{} cannot be sent to a server.",
        "Remove it: a server reads the draft that $schema names, and what the schema itself has.",
        when=lambda options, sampling: next(
            (name for name in ("draft", "resources") if name in (options.policies or ())), None
        ),
    ),
    Exclusion(
        ("canonical", "healing"),
        "{} is not available with a server, which chooses its tokens itself.",
        _OR_AN_ENGINE,
    ),
    Exclusion("speculation", "Speculation is a setting of the server.", _OR_AN_ENGINE),
    Exclusion(
        tuple(name for name in _OF_ENGINES if name not in _OF_OWN_SERVERS),
        "{} is not available with a server.",
        _OR_AN_ENGINE,
    ),
)
"""Of a typed function's options, and its sampling."""
OF_OTHER_SERVERS: Final = Exclusions(
    Exclusion(
        (*OWN_NUMBERS, "repetition"),
        "{} is not in OpenAI's protocol.",
        "Remove it, or use a server of structgen's.",
    ),
    Exclusion(
        "continue_final_message",
        "OpenAI's protocol has no such field; servers may ignore it.",
        "Remove it, and write what your server reads into the last message; or use a server of "
        "structgen's, or an engine.",
    ),
    Exclusion(
        ("thinking", "policies"),
        "{} is not available with a server that is not structgen's.",
        "Remove it, or use a server of structgen's, or an engine.",
    ),
)
"""Of a typed function's options and its sampling, with a server that is not structgen's own."""


def _left_out(option: str) -> Exclusion:
    """Return the row of an option of a sampling that an `sg.Server` may leave out."""
    return Exclusion(
        option,
        "{} is set, but sg.Server(leave_out=...) excludes it.",
        "Remove it from one of them.",
        when=lambda options, server: getattr(options.sampling, option) and option in server.leave_out,
    )


OF_SERVER_FIELDS: Final = Exclusions(
    _left_out("temperature"),
    _left_out("seed"),
    Exclusion(
        "max_tokens",
        "{} is set, but sg.Server(leave_out=...) excludes it.",
        "Remove it from one of them.",
        beside=lambda options, server: {"max_tokens", "max_completion_tokens"} <= {*server.leave_out},
    ),
)
"""Of a typed function's options, and an `sg.Server`."""
OF_BEGUN_ANSWERS: Final = Exclusions(
    Exclusion(
        "thinking",
        "Thoughts precede an answer, and this answer has already begun in the last message.",
        "Remove thinking, or pass continue_final_message=False.",
    )
)
"""Of a typed function's options, where an answer of structgen's server continues the last message."""
OF_ANTHROPIC: Final = Exclusions(
    Exclusion(
        ("seed", "presence_penalty", "frequency_penalty", "logit_bias"),
        "{} is not in Anthropic's protocol.",
        "Remove it.",
    )
)
"""Of a sampling."""
OF_SERVER_FORMS: Final = Exclusions(
    Exclusion(
        "thinking",
        "thinking is not available with a server.",
        "Remove it: the thoughts that a server sends are in reply.thinking.",
        when=lambda options, form: form.tools is not None and form.tools.thinking is not False,
    ),
    Exclusion(
        "stop",
        "Stop strings would truncate the document.",
        "Remove it, or return str.",
        beside="grammar",
    ),
)
"""Of a typed function's options, and the form of what is wanted from a server."""
OF_INFILLING: Final = Exclusions(
    Exclusion(
        tuple(option.name for option in fields(Sampling) if option.name not in ("temperature", "seed")),
        "{} is about the next token after those before it; slots are filled in any order.",
        "Remove it; temperature and seed are supported.",
    ),
    Exclusion(
        "stop",
        "A stop string ends a text that is written from left to right; slots are filled in any order.",
        "Remove it; the grammar ends the document.",
    ),
    Exclusion(
        "thinking",
        "A masked-diffusion model does not write thoughts before the document.",
        "Remove it, or add a field for them to the type.",
    ),
    Exclusion(
        ("canonical", "healing"),
        "{} is about texts that are written from left to right; slots are filled in any order.",
        "Remove it.",
    ),
    Exclusion(
        "continue_final_message",
        "Slots are filled in any order, so a document has no beginning to continue.",
        "Remove it; sg.infill takes given fields, and templates.",
    ),
    Exclusion(
        "examples",
        "A masked-diffusion model fills slots, and was not trained on examples before its text.",
        "Remove it, or use a causal chat model.",
    ),
    Exclusion(
        "speculation",
        "Speculation guesses next tokens, and infilling has none.",
        "Remove it; sg.Infilling(model, sure=0.8) makes larger steps.",
        beside=lambda options, sampling: options.speculation != "off",
    ),
    Exclusion(
        tuple(name for name in _OF_ENGINES if name not in ("chat", "speculation")),
        "{} is not available with a masked-diffusion model.",
        _OR_AN_ENGINE,
    ),
)
"""Of a typed function's options, and its sampling."""
OF_DRAWS: Final = Exclusions(
    Exclusion(
        "model",
        "A masked-diffusion model does not compute the probability of a whole document, so it "
        "cannot draw from its own distribution.",
        "Call the function with sampling=sg.Sampling(temperature=1.0, seed=...) for each draw, or use a "
        "causal model.",
        when=lambda options, form, writer: writer.kind == "infilling",
        keyword="sample",
    ),
    Exclusion(
        "model",
        "A server returns texts, not the probability of each token after each prefix, so draws "
        "from the model's own distribution are not available.",
        "Load the model in this process: a folder, structgen/extract, or an sg.Engine.",
        when=lambda options, form, writer: writer.kind == "server",
        keyword="openai:",
    ),
    Exclusion(
        "return",
        "sample() draws whole documents; Iterator[T] yields single items.",
        "Annotate list[T].",
        when="items",
        keyword="Iterator",
    ),
    Exclusion(
        "return",
        "Draws of a typed function are documents, and replies that may call tools are texts.",
        "Draw from sg.sample(model, prompt, sg.tools(...), n), and read with sg.parse_calls.",
        when="tools",
        keyword="tools",
    ),
    Exclusion(
        "return",
        "Free text has no constraint to sample under.",
        "Annotate a type that has a schema, or call the function with a temperature of 1.",
        when=lambda options, form, writer: form.grammar is None,
        keyword="str",
    ),
    Exclusion("thinking", "Draws have no thoughts before the document.", "Remove thinking."),
)
"""Of a typed function's options, the form of what is wanted, and its writer."""
OF_TOOLS: Final = Exclusions(
    Exclusion(
        ("outline", "stop", "wrap"),
        "{} has no effect with tools.",
        "Remove it: the prompt lists the tools, and their format where a reply ends.",
    ),
    Exclusion(
        "examples",
        "An example is a document, and a reply with tools may be calls.",
        "Remove it, or write the turns of the examples into the messages.",
    ),
    Exclusion(
        "thinking",
        "The thoughts of a format only precede calls.",
        "Pass thinking=sg.Thinking(), whose thoughts precede the answer too.",
        when=lambda options, use: use.thinking and use.reply_shape.answer is not None,
    ),
)
"""Of the options of a call beside tools, and its `ToolUse`."""
OF_EMBEDDED: Final = Exclusions(
    Exclusion(
        "examples",
        "The embedded models read one text below one outline, without earlier turns.",
        "Remove it, or use a chat model.",
    )
)
"""Of a typed function's options."""
WITHOUT_TOOLS: Final = Exclusions(
    Exclusion(
        ("tool_choice", "parallel", "tool_format"),
        "{} is set, but no tools are given.",
        "Pass tools=[...], or remove it.",
        without="tools",
    )
)
"""Of the options of a call."""
