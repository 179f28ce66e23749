"""How many answers of a published chat model are right, under our defaults, our options and other libraries?

    python bench/bench_answers.py

The tasks are in bench/answers: 240 questions with certain answers, in 24 kinds. Half of them are `open`, for
choosing defaults. The other half is `sealed`: it is run for the record alone, and no default is chosen by it.
SEALED was committed before any default was tuned. So far this prints how many tasks and fields there are.
"""

from __future__ import annotations

import argparse
from collections import Counter

from answer_tasks import HALVES, count_fields, read_tasks

SEALED = "dc5af8f44adc053ac75be880511806f0928e965ecc1db2b78d5460c5ae847a5b"
"""SHA-256 of bench/answers/sealed.json."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    for half in HALVES:
        fields: Counter[str] = Counter()
        for task in read_tasks(half):
            fields[task.kind] += count_fields(task.answer)
        print(f"{half}: {sum(fields.values())} fields")
        for kind, count in fields.items():
            print(f"  {kind:32} {count:4}")


if __name__ == "__main__":
    main()
