#!/usr/bin/env bash
# What `make demo` shows: a document and an object from a sentence, the library, `structgen check` on a good and a bad text, and
# `structgen maskbench`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BIN=${BIN:-.venv/bin}

show() {
  printf '\n$ %s\n' "${*//"$BIN/"/}"
  "$@"
}

show "$BIN/structgen" warmup
show "$BIN/structgen" generate --device cpu --schema examples/order.schema.json \
  --prompt "Zorvik ordered 3 lamps and 2 chairs on 4 May 2026 and has paid; deliver to Mandelport."
show "$BIN/python" examples/person.py
show "$BIN/python" examples/first_mask.py
show "$BIN/structgen" check --schema examples/book.schema.json examples/book.json
# The fault is the point here: exit status 1 is what must come.
status=0
show "$BIN/structgen" check --schema examples/book.schema.json examples/book_with_a_fault.json || status=$?
if [ "$status" -ne 1 ]; then
  echo "the text with a fault should have exit status 1, not $status" >&2
  exit 1
fi
show "$BIN/structgen" maskbench schemas/ --tokenizer tests/data/bpe/tokenizer.json
