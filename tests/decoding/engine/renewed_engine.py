"""An engine that tests share forgets between them what it was asked: passes of a text hang on it."""

from __future__ import annotations

import pytest

import structgen as sg
from structgen.decoding.engine import engine as engine_module


def renew(engine: sg.Engine) -> None:
    """Make an engine as it was when it was made, over the model that it has read. Cost: a millisecond.

    What it learnt about drafts goes, and so do its threads, its compiled grammars, and all else that is not
    its model, its tokenizer or an argument that it was made with.
    """
    engine.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "load_model", lambda *_, **__: (engine.model, engine.tokenizer))
        most = engine._driver.max_texts
        new = sg.Engine(
            engine.name or engine.model,
            engine._given_tokenizer,
            max_rows=engine.max_rows,
            max_waiting=None if most is None else most - engine.max_rows,
            cache_bytes=engine.cache_bytes,
            allow_specials=engine.prompts.allow_specials,
        )
    vars(engine).clear()
    vars(engine).update(vars(new))
