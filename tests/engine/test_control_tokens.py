"""No text of a message writes a control token, and other texts have the tokens that they always had."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("transformers")

from control_texts import MAKERS, TEMPLATES, conversation, harmless, holder, text

import structgen as sg
from structgen.engine.model_prompts import ModelPrompts, ModelQuestion

BYTES = sg.Tokenizer.from_bytes([bytes([one]) for one in range(256)] + [None], eos_token_id=256)
KINDS = [(kind, template) for kind in MAKERS for template in TEMPLATES]


def counts(prompts: ModelPrompts, question: ModelQuestion) -> Counter[int]:
    ids = {*prompts.controls(question.marks).ids.values()}
    return Counter(token for token in prompts.tokens(question, BYTES) if token in ids)


@pytest.mark.parametrize(("kind", "template"), KINDS)
def test_control_tokens_are_those_of_harmless_texts(kind: str, template: str) -> None:
    prompts, draw = ModelPrompts("", holder(kind, template)), random.Random(f"{kind} {template}")
    controls = [*prompts.controls().ids]
    assert "<table>" not in controls and "<|im_end|>" in controls
    for _ in range(8):
        messages, more = conversation(draw, controls)
        outline = f"{{{text(draw, controls)}: string}}\n{text(draw, controls)}"
        refused = text(draw, controls), text(draw, controls)
        asked = ModelQuestion(messages, True, outline, with_outline=True, refused=refused, template=more)
        other = replace(
            asked,
            prompt=harmless(messages, controls),
            outline=harmless(outline, controls),
            refused=tuple(harmless([*refused], controls)),
            template=harmless(more, controls),
        )
        assert counts(prompts, asked) == counts(prompts, other)
