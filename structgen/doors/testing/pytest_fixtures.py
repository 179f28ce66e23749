"""Fixtures of pytest, which finds this module by its entry point: `scripted` and `scripted_server`.

Each gives a function that makes what `sg.testing.Scripted` and `sg.testing.server` make. At the end of the
test, unused replies fail it, unless it has failed, or was skipped, already. Nothing but the standard library
and pytest is loaded before a test asks for one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

_IS_OVER = pytest.StashKey[bool]()

if TYPE_CHECKING:
    from structgen.doors.testing.scripted import Scripted


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Have pytest import structgen as it is. It rewrites the asserts of all modules that are installed with
    fixtures: 2 CPU seconds of a first run, and of each run where no bytecode is kept."""
    # a private set: where another pytest has none, nothing is lost but this time
    rewritten_names = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if isinstance(rewritten_names, set):
        rewritten_names -= {"structgen", "structgen_kernels"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note whether an error has ended a test: a failure, or what skips it."""
    item.stash[_IS_OVER] = item.stash.get(_IS_OVER, False) or call.excinfo is not None


@pytest.fixture
def scripted(request: pytest.FixtureRequest) -> Iterator[Callable[..., Scripted]]:
    """A function that returns an `sg.testing.Scripted` of its arguments."""
    # start-up: of every run of pytest
    from structgen.doors.testing.scripted import Scripted

    models: list[Scripted] = []

    def make_model(replies: Any, **options: Any) -> Scripted:
        models.append(Scripted(replies, **options))
        return models[-1]

    yield make_model
    for model in models:
        model.close()
    if not request.node.stash.get(_IS_OVER, False):
        for model in models:
            model.done()


@pytest.fixture
def scripted_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that starts an `sg.testing.server` of its arguments, and returns its address."""
    # start-up: of every run of pytest
    from structgen.doors.testing.stand_in import server

    servers = ExitStack()
    yield lambda replies, **options: servers.enter_context(server(replies, **options))
    # to the servers an error is on its way, and they check no replies
    exit_arguments = (
        (Exception, Exception(), None) if request.node.stash.get(_IS_OVER, False) else (None, None, None)
    )
    servers.__exit__(*exit_arguments)
