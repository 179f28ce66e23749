"""The members that bodies share: which are known, how tokens are chosen, how many there may be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Set
from typing import Any, Final

from structgen.engine.requests import OF_TOKENS_BEFORE, Sampling
from structgen.errors import OptionError
from structgen.request_reading.request_reader import FORMS, TOOLS
from structgen.serving.api_errors import ApiError, unsupported

_NUMBERS: Final = ("temperature", *OF_TOKENS_BEFORE)
"""Members that are options of `sg.Sampling`; some are vLLM's and SGLang's alone."""
SHARED: Final = {"model", "stream", "n", "seed", "stop", "logit_bias", *_NUMBERS}
CHAT: Final = {
    *SHARED,
    *FORMS,
    *TOOLS,
    *("messages", "stream_options", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
} - {"text"}
COMPLETIONS: Final = {*SHARED, *FORMS, "prompt", "stream_options", "max_tokens", "logprobs"} - {"text"}
RESPONSES: Final = {*FORMS, *TOOLS, *SHARED, "input", "instructions", "max_output_tokens"} - {"n", "stop"}
IDLE: Final = {
    "background": (False,),
    "include": ([],),
    "metadata": None,
    "modalities": (["text"],),
    "prediction": None,
    "prompt_cache_key": None,
    "prompt_cache_options": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": None,
    "store": None,
    "truncation": ("disabled",),
    "user": None,
}
"""Members that cannot change the text, with the values for which that holds; None: any value."""


def check_members(body: Mapping[str, Any], known: Set[str]) -> None:
    """Raise ApiError for members that are not known, and for known ones that would change the text and are
    not offered. A member that is null is not there."""
    for name, value in body.items():
        if value is None or name in known or name.startswith("guided_"):
            continue
        if name not in IDLE:
            raise unsupported(name, f"Members of this address are {', '.join(sorted(known))}.")
        values = IDLE[name]
        if values is not None and value not in values:
            raise unsupported(f"{name}={value!r}")


def text_of(body: Mapping[str, Any], name: str) -> str:
    """Return a member that is a text. Raises ApiError where it is none."""
    found = body.get(name)
    if not isinstance(found, str):
        raise ApiError(f"{name} is a text, and must be given.", param=name)
    return found


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """Return a member that is true or false; False where it is not there."""
    found = body.get(name)
    if not isinstance(found, bool | None):
        raise ApiError(f"{name} is {str(found)[:40]!r}, and must be true or false.", param=name)
    return bool(found)


def count_of(body: Mapping[str, Any], *names: str, most: int | None = None) -> int | None:
    """Return the first of some members that is there, a whole number that is not negative; None where none
    is."""
    for name in names:
        found = body.get(name)
        if found is None:
            continue
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise ApiError(f"{name} is {str(found)[:40]!r}, and must be a whole number.", param=name)
        if most is not None and found > most:
            raise ApiError(f"{name} is {found:,}, and may be {most:,} here.", param=name)
        return found
    return None


def sampling_of(body: Mapping[str, Any], *, is_greedy: bool) -> Sampling:
    """Return how tokens are chosen. Without a seed there is a new one each time; without a temperature it is
    0 where `is_greedy`, else 1. Errors: OptionError."""
    given: dict[str, Any] = {name: body[name] for name in _NUMBERS if body.get(name) is not None}
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
    seed = body.get("seed")
    return Sampling(**given, seed=secrets.randbits(32) if seed is None else seed)


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts at which a text ends."""
    found = body.get("stop") or ()
    listed = (found,) if isinstance(found, str) else found
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one for one in listed):
        raise ApiError("stop is a text or a list of texts.", param="stop")
    return tuple(listed)


def usage_wanted(body: Mapping[str, Any]) -> bool:
    """Return whether a stream ends with its usage (`stream_options`)."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not body.get("stream"):
        raise ApiError("stream_options is an object, and is of streams.", param="stream_options")
    unknown = options.keys() - {"include_usage", "include_obfuscation"}
    if unknown:
        raise unsupported(f"stream_options.{min(unknown)}")
    return flag_of(options, "include_usage")
