"""Monitors that raise or answer nonsense: the text goes on, and the use of the monitor counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from command_line import commanded
from methods.monitored_text import Monitor, Monitored, MonitoredText, MonitorUse
from monitor_examples import ANY, PIECES, TOKENS, Dots, Raises, allowed, monitored, walk

import structgen as sg


def _used(monitor: Monitor, texts: list[list[bytes]]) -> tuple[list[MonitorUse], list[set[bytes]]]:
    compiled = sg.compile(Monitored(ANY, monitor), TOKENS)
    assert isinstance(compiled, MonitoredText)
    uses, masks = [], []
    for text in texts:
        matcher = sg.Matcher(compiled)
        walk(matcher, [PIECES.index(one) for one in text])
        masks.append({[*PIECES, b"<end>"][one] for one in allowed(matcher)})
        matcher.advance(PIECES.index(b"a"))
        uses += compiled.uses(matcher.tokens)
    return uses, masks


def test_a_monitor_that_raises_or_answers_nonsense_is_counted() -> None:
    uses, masks = _used(Raises(), [[b"a", b"."], [b"b", b"."], [b"c", b"."], [b"(", b"."]])
    assert [one.failed for one in uses] == [1, 1, 1, 0]
    assert [one.triggers for one in uses] == [1, 1, 1, 1]
    assert "no attributes today" in uses[0].error
    assert "Error: " in uses[1].error
    assert "Return texts" in uses[2].error
    assert all({b"a", b"c"} <= one for one in masks[:3])
    assert masks[3] == {b"a", b"ab", b"ab("}


def test_what_a_monitor_did_is_told_in_words() -> None:
    (one,), _ = _used(Raises(), [[b"a", b"."]])
    assert str(one) == "raises: 0 of 1 triggers had suggestions, 1 failed"


def test_a_trigger_that_raises_is_an_error_of_the_text() -> None:
    class Broken(Dots):
        def trigger(self, text: str) -> bool:
            if text:
                raise KeyError("broken")
            return False

    matcher = monitored(Broken())
    with pytest.raises(sg.errors.OptionError, match=r"dots failed: KeyError"):
        matcher.advance(0)


@pytest.mark.parametrize(
    ("grammar", "monitors", "where"),
    [(ANY, ["dots"], "monitors"), (ANY, [Dots(), Dots], "monitors"), (None, [Dots()], "grammar")],
    ids=["a text", "a class", "free text"],
)
def test_wrong_monitors_are_refused(grammar: Any, monitors: Any, where: str) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        Monitored(grammar, *monitors)
    assert caught.value.where == where and caught.value.cure.endswith(".")


def test_tokens_that_are_none_of_the_grammar_have_no_use() -> None:
    compiled: Any = sg.compile(Monitored(sg.regex("a+"), Dots()), TOKENS)
    with pytest.raises(sg.errors.OptionError, match="Token 1 is none of the grammar's"):
        compiled.uses([PIECES.index(b"a"), PIECES.index(b"b")])


@pytest.mark.parametrize(
    "asked",
    [
        lambda: sg.Sampling(monitors=[]),
        lambda: sg.Request("a", ANY, monitors=[]),
        lambda: sg.run("structgen/extract-draft", "a", ANY, monitors=[]),
        lambda: sg.generate(model="structgen/extract-draft", monitors=[]),
        lambda: sg.sample("structgen/extract-draft", "a", ANY, 1, monitors=[]),
    ],
    ids=["Sampling", "Request", "run", "generate", "sample"],
)
def test_an_option_that_went_says_where_monitors_are(asked: Callable[[], Any]) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"bench/methods .* grammar=Monitored.*\.$") as caught:
        asked()
    assert caught.value.where == "monitors"


def test_the_module_that_went_says_where_monitors_are() -> None:
    with pytest.raises(AttributeError, match=r"structgen\.monitors is no longer .* bench/methods"):
        sg.monitors  # noqa: B018
    assert not hasattr(sg, "monitors") and "monitors" not in dir(sg)


@pytest.mark.parametrize("words", [("-o", "monitors=python-names"), ("--monitor", "python-names")])
@pytest.mark.parametrize("command", ["generate", "bulk"])
def test_the_command_line_says_where_monitors_are(command: str, words: tuple[str, str]) -> None:
    more = ("--prompts", "x", "--out", "y") if command == "bulk" else ()
    found = commanded(command, *words, *more)
    assert found.exit_code == 2
    assert "bench/methods of the sources" in " ".join(found.output.replace("│", " ").split())
