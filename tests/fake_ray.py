"""As much of Ray as structgen calls, in one process: a call is made when it is waited for.

What actors are given and return goes through pickle, as between processes. `hidden` actors never start;
`killed` are the numbers of the calls of `work` whose process is killed when they are done: it begins anew,
and the call is made again.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any

import pytest


class _Call:
    def __init__(self, actor: _Actor, given: tuple[Any, ...]) -> None:
        self.actor, self.given = actor, given
        self.value: Any = None


class _Actor:
    def __init__(self, ray: FakeRay, made: Callable[[], Any], is_hidden: bool) -> None:
        self._ray, self._made, self.is_hidden = ray, made, is_hidden
        self._process = made()
        self.call = SimpleNamespace(remote=lambda *given: _Call(self, given))

    def run(self, call: _Call) -> None:
        sent, name, *given = call.given
        said = pickle.loads(pickle.dumps((sent, given)))
        self._ray.calls.append(name)
        try:
            value = self._process.call(said[0], name, *said[1])
        except Exception as error:
            call.value = error
            return
        if name == "work" and self._ray.calls.count("work") in self._ray.killed:
            self._process = self._made()
            value = self._process.call(said[0], name, *said[1])
        call.value = pickle.loads(pickle.dumps(value))


class RayError(Exception):
    """What Ray raises for an error in an actor."""


class FakeRay:
    def __init__(self, processors: int = 2, hidden: int = 0, killed: Collection[int] = ()) -> None:
        self.processors, self.hidden, self.killed = processors, hidden, killed
        self.calls: list[str] = []
        """The names of the calls that were made."""
        self.options: list[dict[str, Any]] = []
        self.actors: list[_Actor] = []
        self.is_up = False
        self.exceptions = SimpleNamespace(RayError=RayError)

    def is_initialized(self) -> bool:
        return self.is_up

    def init(self, **_: Any) -> None:
        self.is_up = True

    def shutdown(self) -> None:
        self.is_up = False
        self.actors.clear()

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.processors)}

    def put(self, value: Any) -> Any:
        pickle.dumps(value)
        return value

    def remote(self, **options: Any) -> Callable[[type], Any]:
        def made(kind: type) -> Any:
            def start() -> _Actor:
                self.options.append(options)
                self.actors.append(_Actor(self, kind, len(self.actors) < self.hidden))
                return self.actors[-1]

            return SimpleNamespace(remote=start)

        return made

    def wait(
        self, calls: list[_Call], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[_Call], list[_Call]]:
        # the last one first: answers come in another order than calls
        ready = [call for call in reversed(calls) if not call.actor.is_hidden][:num_returns]
        assert ready or not num_returns, "nothing will ever be done"
        for call in ready:
            call.actor.run(call)
        return ready, [call for call in calls if call not in ready]

    def get(self, call: _Call) -> Any:
        if isinstance(call.value, Exception):
            raise RayError(f"a trace\n{type(call.value).__name__}: {call.value}\n") from call.value
        return call.value

    def kill(self, actor: _Actor) -> None:
        self.actors.remove(actor)


def use(monkeypatch: pytest.MonkeyPatch, **options: Any) -> FakeRay:
    """Return a fake that is imported as `ray`."""
    fake = FakeRay(**options)
    monkeypatch.setitem(sys.modules, "ray", fake)  # type: ignore[arg-type]
    return fake
