"""What `/metrics` tells, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.model_protocol import KeepsPrompts
from structgen.decoding.engine.requests import Result


class ServerMetrics:
    """The counts of one server, whose engine tells what it has now."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, engine: Engine) -> None:
        self._registry = registry = CollectorRegistry()
        self._answers = Counter(
            "structgen_requests", "Answers by address and status", ["path", "status"], registry=registry
        )
        self._prompt = Counter("structgen_prompt_tokens", "Tokens of prompts", registry=registry)
        self._cached = Counter(
            "structgen_prompt_tokens_cached", "Tokens of prompts that were kept", registry=registry
        )
        self._text_tokens = Counter(
            "structgen_generated_tokens", "Tokens of texts and thoughts", registry=registry
        )
        self._ends = Counter("structgen_texts", "Texts by their finish reason", ["reason"], registry=registry)
        self._seconds = Histogram(
            "structgen_request_seconds",
            "Seconds from a request to the end of its answer",
            ["path"],
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
        )
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "texts_now": ("Texts that are written or wait", lambda: engine.count),
            "grammars_now": ("Compiled grammars that are kept", lambda: engine.held_grammars),
            "cache_bytes": ("Bytes that kept grammars and masks hold", lambda: engine.held_bytes),
            "cache_bytes_most": ("The most of them, by -o cache_bytes", lambda: engine.cache_bytes),
        }
        if isinstance(engine.model, KeepsPrompts):
            kept = engine.model.kept_prompts
            gauges |= {
                "kept_prompts_bytes": ("Bytes of kept beginnings of prompts", lambda: kept.nbytes),
                "kept_prompts_evictions": ("Pages that made room for others", lambda: kept.evictions),
            }
        for name, (help_text, read_value) in gauges.items():
            Gauge(f"structgen_{name}", help_text, registry=registry).set_function(read_value)

    def count_answer(
        self,
        path: str,
        status: int,
        seconds: float,
        results: Sequence[Result],
    ) -> None:
        """Count an answer that is over, and its texts."""
        self._answers.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        for result in results:
            # samples of one request share its prompt
            if result.sample == 0:
                self._prompt.inc(result.usage.prompt_tokens)
                self._cached.inc(result.usage.cached_tokens)
            self._text_tokens.inc(result.usage.tokens + result.usage.thought_tokens)
            self._ends.labels(result.finish_reason.value).inc()

    def build_page(self) -> bytes:
        """Return the page."""
        return generate_latest(self._registry)
