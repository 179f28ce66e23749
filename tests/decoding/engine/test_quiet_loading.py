"""A good model of transformers is read without its notices; what its files lack is told in our words."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from long_waits import without_waits
from safetensors.torch import load_file, save_file
from small_models import write_llama
from transformers.utils import logging as told

import structgen as sg
from structgen.decoding.engine.forward_pass.quiet_loading import silence_transformers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "model")


OF_ALL_DOORS = """
import logging, sys
import structgen as sg
from structgen.doors.serving.served_model import ServedModel
engine = sg.Engine(sys.argv[1])
sg.run(engine, "Hi", sg.choice(["a", "b"]))
ServedModel(engine).describe_calls()
"""


def test_a_good_model_says_nothing_on_stderr_at_any_door(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "chat_template.jinja").write_text("{% for one in messages %}{{ one.content }}{% endfor %}")
    monkeypatch.setattr(sys, "argv", ["", str(folder)])
    exec(OF_ALL_DOORS, {})
    out, err = capfd.readouterr()
    assert (out, without_waits(err)) == ("", "")


@pytest.mark.slow
def test_a_good_model_says_nothing_on_stderr_in_a_process_of_its_own(folder: Path) -> None:
    command = [sys.executable, "-c", OF_ALL_DOORS, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, without_waits(done.stderr)) == ("", "")


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO, logging.CRITICAL])
def test_levels_and_progress_bars_are_as_before_after_a_model_was_read(level: int) -> None:
    before = told.get_verbosity()
    try:
        told.set_verbosity(level)
        with pytest.raises(ZeroDivisionError), silence_transformers():
            assert not told.is_progress_bar_enabled()
            assert told.get_verbosity() == (logging.ERROR if level == logging.WARNING else level)
            with silence_transformers():
                _ = 1 / 0
        assert told.is_progress_bar_enabled() and told.get_verbosity() == level
    finally:
        told.set_verbosity(before)


def test_weights_that_are_missing_are_refused_by_name(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    gone = sorted(weights)[1]
    del weights[gone]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(
        sg.StructgenError, match=f"1 weights of the model are missing in the folder, such as '{gone}'"
    ):
        sg.Engine(folder)


def test_weights_without_a_place_are_told_to_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with caplog.at_level(logging.WARNING, "structgen"):
        sg.Engine(folder)
    assert "have no place in the model" in caplog.text and "model.layers.1." in caplog.text
