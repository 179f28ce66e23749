"""The members that bodies share: which are offered, how tokens are chosen, how many there may be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from structgen.engine.requests import NUMBERS, Sampling
from structgen.engine.strategies.repetitions import repetitions_of
from structgen.errors import OptionError
from structgen.request_reading.request_members import HANDED, members_of, nearest, read_members
from structgen.serving.api_errors import ApiError, unsupported

_OFFERED: Final = frozenset(
    "n seed stop logit_bias logprobs top_logprobs max_tokens max_completion_tokens max_output_tokens "
    "thinking_token_budget outline choices repetition".split()
).union(NUMBERS)
"""Members handed to whoever generates that this server's engine has."""
_HARMLESS: Final = MappingProxyType(
    {
        "background": (False,),
        "include": ([],),
        "modalities": (["text"],),
        "prediction": None,
        "truncation": ("disabled",),
        **dict.fromkeys(("echo", "use_beam_search", "ignore_eos", "continue_final_message"), (False,)),
        **dict.fromkeys(("skip_special_tokens", "add_generation_prompt", "separate_reasoning"), (True,)),
        "best_of": (1,),
    }
)
"""Other members, with the values that do not change the text; None: any value."""


def check_members(body: Mapping[str, Any], address: str) -> dict[str, Any]:
    """Return a body whose members are known, of their types, and offered by this server. Errors: ApiError for
    what is not offered at this address, OptionError with the place for all else."""
    known = members_of(address)
    if address == "messages":
        return read_members(body, address)
    for name, value in body.items():
        if name not in known and value is not None:
            raise unsupported(name, f"{nearest(name, known)}It is none of the members of {address}.")
        is_idle = name in HANDED and name not in _OFFERED
        if value is None or not (is_idle or (address == "responses" and name == "prompt")):
            continue
        values = _HARMLESS.get(name, ())
        if values is not None and value not in values:
            raise unsupported(f"{name}={value!r}" if values else name)
    return read_members(body, address)


def count_of(body: Mapping[str, Any], *names: str, most: int | None = None) -> int | None:
    """Return the first of some members that is there, a whole number; None where none is."""
    for name in names:
        found = body.get(name)
        if found is not None and (found < 0 or (most is not None and found > most)):
            bounds = f"from 0 to {most:,}" if most is not None else "0 or more"
            raise ApiError(f"{name} is {found:,}, and may be {bounds} here.", param=name)
        if found is not None:
            return int(found)
    return None


def sampling_of(body: Mapping[str, Any], *, is_greedy: bool) -> Sampling:
    """Return how tokens are chosen. Without a seed there is a new one each time; without a temperature it is
    0 where `is_greedy`, else 1. Errors: OptionError."""
    given: dict[str, Any] = {name: body[name] for name in NUMBERS if body.get(name) is not None}
    given.setdefault("temperature", 0.0 if is_greedy else 1.0)
    if given.get("top_k") == -1:  # vLLM's word for all
        del given["top_k"]
    bias = body.get("logit_bias") or {}
    try:
        given["logit_bias"] = {int(token): value for token, value in dict(bias).items()}
    except (TypeError, ValueError):
        raise OptionError(
            f"It is {str(bias)[:40]!r}.",
            where="logit_bias",
            cure='Give token ids and numbers: {"50256": -100}.',
        ) from None
    if body.get("repetition") is not None:
        given["repetition"] = repetitions_of(body["repetition"])
    seed = body.get("seed")
    return Sampling(**given, seed=secrets.randbits(32) if seed is None else seed)


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts at which a text ends."""
    found = body.get("stop") or ()
    listed = (found,) if isinstance(found, str) else tuple(found)
    if not all(listed):
        raise ApiError("A text of stop is empty. Leave it out.", param="stop")
    return listed


def usage_wanted(body: Mapping[str, Any]) -> bool:
    """Return whether a stream ends with its usage (`stream_options`)."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not body.get("stream"):
        raise ApiError("stream_options is of streams. Leave it out.", param="stream_options")
    return bool(options.get("include_usage"))
