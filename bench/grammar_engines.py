"""The engines of bench_grammars, each in a process of its own: one that does not come to an end is ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from grammar_cases import Case

import structgen as sg
from structgen.maskbench.engines import EngineConfig, EngineRefusal, Session, Unavailable
from structgen.maskbench.peers import GlrmaskEngine, LlguidanceEngine
from structgen.maskbench.vocabularies import load
from structgen.system.worker_process import EndedError, LateError, WorkerProcess

_STOP_S = 10.0
PREPARING = "structgen, preparing"
"""Works out ahead what masks are put together from, for another process."""


class LlguidanceOfLark(LlguidanceEngine):
    """llguidance, which reads a form of Lark's grammars."""

    of_json = False

    def read(self, text: str) -> Any:
        return self._module.LLMatcher.grammar_from_lark(text)


class GlrmaskOfLark(GlrmaskEngine):
    """glrmask, which reads a form of Lark's grammars."""

    def read(self, text: str) -> Any:
        return self._module.Grammar.from_lark(text)


PEERS = {
    "llguidance": partial(LlguidanceOfLark, EngineConfig("llguidance", "")),
    "glrmask AUTO": partial(GlrmaskOfLark, EngineConfig("glrmask", "", variant="auto")),
}


def session_of(compiled: sg.CompiledGrammar, mask: sg.core.TokenMask) -> Session:
    """Return a document under a grammar of structgen's, which fills a mask of its own."""
    matcher = sg.Matcher(compiled)
    return Session(partial(matcher.fill_mask, mask), matcher.advance, memoryview(mask.array[0]), ())


@dataclass
class Times:
    """What an engine took, in seconds; and how many texts it did not allow."""

    load: float = 0.0
    """Of reading the grammar, where that is told apart."""
    compile: float = 0.0
    masks: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    refused: int = 0


class Served:
    """An engine with one grammar. It answers in a worker's process: with all times so far, or with why there
    are none."""

    def __init__(self, name: str, case: Case, tokenizer: str, folder: Path | None) -> None:
        """`folder`: of structgen's store, which another process has filled or is to find filled; without it
        nothing was there before."""
        self.name, self.case, self.vocabulary, self.folder = name, case, tokenizer, folder
        self.times = Times()

    def __call__(self, question: str, *given: Any) -> Times | str:
        try:
            getattr(self, question)(*given)
        except Unavailable as error:
            return f"is not here: {error}"
        except (EngineRefusal, sg.StructgenError) as error:
            said = str(error).strip().splitlines()[0]
            return f"stops: {error}" if question == "replay" else f"refuses it: {said}"
        return self.times

    def load(self) -> None:
        """Make the engine."""
        tokenizer = load(self.vocabulary)
        if self.name in PEERS:
            self.engine: Any = PEERS[self.name](tokenizer)
            return
        self.store: Any = False if self.folder is None else sg.MaskStore(path=self.folder)
        self.tokenizer, self.mask = tokenizer, sg.allocate_mask(1, tokenizer.vocab_size)
        # what a process loads once is nobody's cost
        session_of(sg.compile(sg.lark('start: "a"'), tokenizer, store=False), self.mask).fill()

    def compile(self) -> None:
        """Read and compile the grammar."""
        text, begun = self.case.path.read_text("utf-8"), time.perf_counter()
        if self.name in PEERS:
            self.session: Callable[[], Session] = self.engine.compile(text)
            self.times.compile = time.perf_counter() - begun
            return
        grammar = self.case.grammar()
        loaded = time.perf_counter()
        compiled = sg.compile(grammar, self.tokenizer, store=self.store)
        self.times.load, self.times.compile = loaded - begun, time.perf_counter() - loaded
        if self.name == PREPARING:
            compiled.prepare()
        self.session = partial(session_of, compiled, self.mask)

    def replay(self, tokens: list[int]) -> None:
        """Replay a text: a mask, a commit, until a token is not allowed."""
        session, times = self.session(), self.times
        for token in tokens:
            begun = time.perf_counter()
            session.fill()
            filled = time.perf_counter()
            if not session.allows(token):
                times.refused += 1
                return
            taken = time.perf_counter()
            session.commit(token)
            times.commits.append(time.perf_counter() - taken)
            times.masks.append(filled - begun)

    def close(self) -> None:
        """Write what is to be kept."""
        if self.folder is not None:
            self.store.flush()


class Worker:
    """An engine with one grammar, in a process of its own. `refused` says why there is none."""

    def __init__(
        self, name: str, case: Case, tokenizer: str, seconds: float, folder: Path | None = None
    ) -> None:
        """Start it, and wait until it has compiled the grammar, `seconds` at most; `folder`: of its store."""
        self.times, self._seconds = Times(), seconds
        # what lark built stays here: it does not go through a pipe
        served = Served(name, Case(case.name, case.path, case.arguments), tokenizer, folder)
        self._process = WorkerProcess(served, name, "", is_fresh=True)
        # a vocabulary may take its time
        self.refused = self._asked(3600.0, "load") or self._asked(seconds, "compile")

    def replay(self, tokens: list[int]) -> None:
        """Replay a text; where it takes too long, the engine is ended, and `refused` says so."""
        self.refused = self.refused or self._asked(self._seconds, "replay", tokens)

    def _asked(self, seconds: float, question: str, *given: Any) -> str:
        """Wait for the times; return why there are none."""
        try:
            answer = self._process.ask((question, *given), seconds, question, "")
        except LateError:
            return f"does not come to an end in {seconds:g} s"
        except EndedError:
            return "dies"
        if isinstance(answer, str):
            return answer
        self.times = answer
        return ""

    def stop(self) -> None:
        """End the process; what is to be kept is written."""
        if not self.refused:
            self._asked(_STOP_S, "close")
        self._process.end()
