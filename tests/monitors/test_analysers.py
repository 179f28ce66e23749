"""Analysers that hang, raise, crash or answer nonsense: the text goes on, and the result counts them."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from monitor_examples import ANY, PIECES, TOKENS, Dots, Hangs, Raises, allowed, monitored, walk

import structgen as sg
from structgen.monitors.monitored_text import under_monitors


def _used(
    monitor: sg.monitors.Monitor, texts: list[list[bytes]]
) -> tuple[list[sg.monitors.MonitorUse], list[set[bytes]]]:
    compiled = under_monitors(sg.compile(ANY, TOKENS), [monitor])
    uses, masks = [], []
    for text in texts:
        matcher = sg.Matcher(compiled)
        walk(matcher, [PIECES.index(one) for one in text])
        masks.append({[*PIECES, b"<end>"][one] for one in allowed(matcher)})
        matcher.advance(PIECES.index(b"a"))
        uses += compiled.uses(matcher.state_indices, matcher.tokens)
    return uses, masks


def test_a_late_answer_counts_and_leaves_the_text_free() -> None:
    monitor = Hangs()
    (late, answered), masks = _used(monitor, [[b"a", b"."], [b"c", b"."]])
    assert (late.triggers, late.suggested, late.late) == (1, 0, 1)
    assert "within 0.05 seconds" in late.error
    assert {b"a", b"c"} <= masks[0]
    assert answered.triggers == 1


def test_after_a_late_answer_the_next_call_is_answered(tmp_path: Path) -> None:
    class OnceLate(Dots):
        def suggest(self, text: str) -> list[str]:
            while text == "a." and not is_over.exists():
                time.sleep(0.01)
            return ["ab"]

    is_over = tmp_path / "over"

    monitor = OnceLate()
    monitor.seconds = 0.05
    (late,), _ = _used(monitor, [[b"a", b"."]])
    is_over.touch()
    monitor.seconds = 60.0
    (answered,), (mask,) = _used(monitor, [[b"c", b"."]])
    assert (late.late, answered.late, answered.suggested) == (1, 0, 1)
    assert mask == {b"a", b"ab", b"ab("}


def test_three_late_answers_in_a_row_are_enough() -> None:
    monitor = Hangs()
    texts = [[b"a"] * n + [b"a", b"."] for n in range(6)]
    uses, _ = _used(monitor, texts)
    assert [one.late for one in uses] == [1] * 6
    assert "asked no more" in uses[-1].error


def test_a_monitor_that_raises_or_crashes_or_answers_nonsense_is_counted() -> None:
    monitor = Raises()
    uses, masks = _used(monitor, [[b"a", b"."], [b"b", b"."], [b"c", b"."], [b"(", b"."]])
    assert [one.failed for one in uses] == [1, 1, 1, 0]
    assert "no attributes today" in uses[0].error
    assert "exit code 3" in uses[1].error
    assert "Return texts" in uses[2].error
    assert masks[3] == {b"a", b"ab", b"ab("}


def test_a_monitor_that_cannot_prepare_is_counted() -> None:
    class Unready(Dots):
        def prepare(self) -> None:
            raise KeyError("no library")

    (used,), _ = _used(Unready(), [[b"a", b"."]])
    assert used.failed == 1
    assert "exit code 1" in used.error


def test_no_process_is_left_of_a_monitor_that_hangs() -> None:
    before = set(multiprocessing.active_children())
    monitor = Hangs()
    _used(monitor, [[b"a", b"."]])
    assert set(multiprocessing.active_children()) - before
    monitor.close()
    assert not set(multiprocessing.active_children()) - before


def test_a_process_that_is_late_ends_by_itself(monkeypatch: object) -> None:
    from structgen.monitors import monitor as analysis

    monkeypatch.setattr(analysis, "_PATIENCE", 0.05)  # type: ignore[attr-defined]
    before = set(multiprocessing.active_children())
    monitor = Hangs()
    _used(monitor, [[b"a", b"."]])
    for _ in range(60_000):
        if not set(multiprocessing.active_children()) - before:
            break
        time.sleep(0.01)
    assert not set(multiprocessing.active_children()) - before


def test_a_trigger_that_raises_is_an_error_of_the_text() -> None:
    class Broken(Dots):
        def trigger(self, text: str) -> bool:
            if text:
                raise KeyError("broken")
            return False

    matcher = monitored(Broken())
    with pytest.raises(sg.errors.OptionError, match=r"Broken|dots"):
        matcher.advance(0)
