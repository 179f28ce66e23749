"""Print a failed test when it fails: its name, and what the failure says. The traceback comes at the end."""

from __future__ import annotations

import pytest

MOST_LINES = 20
"""How many lines of a message are printed at once; the traceback at the end has all of them."""


class FailurePrinter:
    """A plugin of pytest. With xdist the process that has the terminal prints, as each report arrives."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a test whose setup, call or teardown failed."""
        self._print(report, "" if report.when == "call" else f" ({report.when})")

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Print a file that cannot be collected."""
        self._print(report, " (collection)")

    def _print(self, report: pytest.TestReport | pytest.CollectReport, part: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if not report.failed or terminal is None:  # a worker of xdist has no terminal
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = (crash.message if crash else report.longreprtext).splitlines()
        if crash:
            lines.insert(MOST_LINES, f"at {crash.path}:{crash.lineno}")
        if self._config.get_terminal_writer().width_of_current_line:
            terminal.line("")
        terminal.write_line(f"FAILED {report.nodeid}{part}", red=True)
        for line in lines[: MOST_LINES + 1]:
            terminal.write_line(f"    {line}")
