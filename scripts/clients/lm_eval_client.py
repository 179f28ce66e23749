"""The package lm-eval: a task of multiple choice of a local file, by local-completions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from features import CHATS, KEY, V1, feature, first_page, run

QUESTIONS = [
    {"question": "The capital of France is", "choices": ["Paris", "Berlin", "a red apple"], "answer": 0},
    {"question": "Two plus two is", "choices": ["seven", "four", "the moon"], "answer": 1},
]


def evaluate(*options: str, kind: str = "multiple_choice") -> None:
    """Run a task; raise AssertionError where it has no result."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "questions.json").write_text(json.dumps(QUESTIONS), encoding="utf-8")
        task = {
            "task": "local_questions",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": str(home / "questions.json")},
            "test_split": "train",
            "output_type": kind,
            "doc_to_text": "{{question}}",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc"}],
        }
        if kind == "generate_until":
            del task["doc_to_choice"], task["metric_list"]
            task |= {"doc_to_target": "{{choices[answer]}}", "metric_list": [{"metric": "exact_match"}]}
            task["generation_kwargs"] = {"until": ["\n"], "max_gen_toks": 16}
        (home / "local_questions.yaml").write_text(json.dumps(task), encoding="utf-8")
        command = [sys.executable, "-m", "lm_eval", "run", *options, "--tasks", "local_questions"]
        command += ["--include_path", folder, "--output_path", folder]
        settings = {**os.environ, "OPENAI_API_KEY": KEY, "HF_HOME": folder}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        found = list(home.rglob("results_*.json"))
        assert done.returncode == 0 and found, done.stderr[-3000:]
        assert "local_questions" in json.loads(found[0].read_text(encoding="utf-8"))["results"]


@first_page(
    "`base_url=http://HOST/v1/completions` of `--model_args`",
    mend="no `batch_size=16` in `--model_args`",
    fault="lm-eval takes `batch_size` twice where it stands in `--model_args`",
)
def _(mended: bool) -> None:
    more = "" if mended else ",batch_size=16"
    arguments = f"model=smollm2,base_url={V1}/completions,num_concurrent=1,max_retries=3"
    evaluate("--model", "local-completions", "--model_args", f"{arguments},tokenized_requests=False{more}")


@feature("local-chat-completions, generate_until", CHATS)
def _() -> None:
    arguments = f"model=smollm2,base_url={V1}/chat/completions"
    options = ("--model", "local-chat-completions", "--model_args", arguments, "--apply_chat_template")
    evaluate(*options, kind="generate_until")


run()
