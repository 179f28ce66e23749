"""Schedulers from papers beside today's default: steps and right fields of hand-written sentences.

    python bench/methods/schedulers_rows.py [--prompts 60] [--sentences 120] [--dparallel FILE]

structgen/infill fills one canvas for each sentence (`bench_infill.drawn_sentences`), at temperature 0. Rows:
steps and passes of the model a canvas, shares of valid documents and of right fields, process CPU seconds a
canvas. Learn2PD's filters and dParallel's weights are trained first, on `--sentences` templated sentences.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "models"))

from bench_infill import asked_of, drawn_sentences, is_valid
from evaluate import right_fields

import structgen as sg
from methods.ada_block import AdaBlock
from methods.blocks import Blocks
from methods.coherent_contextual import CoherentContextual
from methods.credit_decoding import CreditDecoding
from methods.dparallel import model_of, read, trained
from methods.entropy_bound import EntropyBound
from methods.eos_rejection import AscendingSteps, EosRejection
from methods.fast_dllm import Factor, Threshold
from methods.first_hitting import FirstHitting
from methods.free_dave import FreeDave
from methods.learn2pd import Learn2Pd, OwnText, filter_of, own_texts
from methods.left_window import LeftWindow
from methods.local_leap import LocalLeap
from methods.low_confidence import LowConfidence
from methods.prophet import Prophet
from structgen.decoding.infilling.presets import load_masked_model
from structgen.decoding.infilling.schedulers import ConfidentPrefix, Scheduler, find_scheduler

COMPARED: dict[tuple[str, str], Scheduler] = {
    ("default", "confident-prefix"): ConfidentPrefix(),
    ("fast-dllm", "threshold 0.9"): Threshold(),
    ("fast-dllm", "factor 1"): Factor(),
    **{("low-confidence", f"{rate} a step"): LowConfidence(rate) for rate in (2, 4, 8)},
}
"""By method and constants: those that dParallel's weights are measured with before and after."""


def cases(model: Any, tokenizer: sg.Tokenizer) -> Iterator[tuple[str, str, Any]]:
    """Yield each method, its constants, and the scheduler; first those that others are compared with."""
    for (method, case), scheduler in COMPARED.items():
        yield method, case, scheduler
    yield "option", "left-to-right", find_scheduler("left-to-right")
    yield "low-confidence", "1 a step", LowConfidence()
    yield "left-window", "4 a step", LeftWindow(4)
    yield "blocks", "of 32, threshold", Blocks(Threshold())
    yield "blocks", "of 32, low-confidence 4", Blocks(LowConfidence(4))
    yield "entropy-bound", "0.1 nats", EntropyBound()
    yield "prophet", "around low-confidence 1", Prophet()
    yield "free-dave", "around low-confidence 1", FreeDave(model, LowConfidence())
    yield "first-hitting", "", FirstHitting()
    yield "local-leap", "0.9, 0.75, radius 4", LocalLeap()
    yield "local-leap", "0.9, 0.5, radius 4", LocalLeap(relaxed=0.5)
    yield "local-leap", "0.99, 0.9, radius 2", LocalLeap(0.99, 0.9, 2)
    for alpha in (0.0, 0.3, 0.7, 1.5):
        for beta, gamma in ((0.8, 0.2), (0.7, 0.5)) if alpha else ((0.8, 0.2),):
            name = f"alpha {alpha}, beta {beta}, gamma {gamma}"
            yield "credit-decoding", f"threshold, {name}", CreditDecoding(Threshold(), alpha, beta, gamma)
    for alpha in (0.3, 0.7):
        around = CreditDecoding(ConfidentPrefix(), alpha)
        yield "credit-decoding", f"confident-prefix, alpha {alpha}, beta 0.8, gamma 0.2", around
    for tau in (0.3, 0.5):
        yield "ada-block", f"threshold, tau {tau}", AdaBlock(tokenizer, Threshold(), tau)
    yield "ada-block", "low-confidence 4, tau 0.3", AdaBlock(tokenizer, LowConfidence(4))
    inners = ("1 a step", LowConfidence()), ("4 a step", LowConfidence(4)), ("ascending", AscendingSteps())
    for name, inner in (*inners, ("threshold 0.9", Threshold()), ("threshold 0.95", Threshold(0.95))):
        for least in (0.01, 0.4, 1.0):
            yield "eos-rejection", f"{name}, g from {least}", EosRejection(inner, least)
    for steps in (1, 2, 3):
        for information in (0.01, 0.1) if steps > 1 else (0.1,):
            name = f"h {steps}, {information} nats"
            yield "coherent-contextual", name, CoherentContextual(steps, information)


def learned(texts: list[OwnText], *, predicts_ends: bool) -> dict[str, Learn2Pd]:
    """Return the cases of a filter that is trained on the model's own texts."""
    weights, told = filter_of(texts, predicts_ends=predicts_ends), "on" if predicts_ends else "off"
    return {
        f"sure {sure}, end-of-text prediction {told}": Learn2Pd(weights, sure, predicts_ends)
        for sure in (0.8, 0.9, 0.96)
    }


def measured(model: Any, tokenizer: sg.Tokenizer, questions: list[Any], scheduler: Any) -> dict[str, float]:
    """Return the figures of a scheduler over all questions."""
    steps = valid = right = fields = 0
    began = time.process_time()
    reads = scheduler if isinstance(scheduler, FreeDave) else model
    for one in questions:
        schema, prompt, slots = asked_of(one, tokenizer)
        found = sg.infill(
            reads, grammar=schema, prompt=prompt, slots=slots, scheduler=scheduler, tokenizer=tokenizer
        )
        if found.usage.scheduler:
            raise RuntimeError(found.usage.scheduler)
        good = right_fields(one, found.text).values()
        steps = steps + found.usage.steps
        valid, right, fields = valid + is_valid(schema, found.text), right + sum(good), fields + len(good)
    n = len(questions)
    return {
        "steps": steps / n,
        "passes": getattr(reads, "passes", steps) / n,
        "valid": valid / n,
        "right_fields": right / fields,
        "fields": fields,
        "seconds": (time.process_time() - began) / n,
    }


def ways(
    model: Any, tokenizer: sg.Tokenizer, texts: list[OwnText], certain: Any
) -> Iterator[tuple[Any, str, str, Any]]:
    """Yield the model, method, case and scheduler of each row; `certain` is the model after dParallel."""
    for one in cases(model, tokenizer):
        yield (model, *one)
    filters = learned(texts, predicts_ends=True)
    for case, scheduler in (learned(texts, predicts_ends=False) | filters).items():
        yield model, "learn2pd", case, scheduler
    for (method, case), compared in COMPARED.items():
        yield certain, "dparallel", f"{method}, {case}", compared
    for case, scheduler in filters.items():
        yield certain, "dparallel", f"learn2pd, {case}", scheduler


def rows(prompts: int = 60, sentences: int = 120, file: Path | None = None) -> list[dict[str, Any]]:
    """Return a row for each scheduler; `file` has the weights of dParallel (`dparallel.py --train`)."""
    model, tokenizer = load_masked_model("structgen/infill")
    questions, texts = drawn_sentences(prompts), list(own_texts(model, tokenizer, sentences))
    certain = model_of(trained(texts)) if file is None else read(file)
    return [
        {"family": "schedulers", "method": method, "case": case}
        | measured(used, tokenizer, questions, scheduler)
        for used, method, case, scheduler in ways(model, tokenizer, texts, certain)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--dparallel", type=Path, metavar="FILE")
    asked = parser.parse_args()
    for row in rows(asked.prompts, asked.sentences, asked.dparallel):
        figures = "".join(
            f"{row[name]:>9.3f}" for name in ("steps", "passes", "valid", "right_fields", "seconds")
        )
        print(f"{row['method']:<22}{row['case']:<56}{figures}")
