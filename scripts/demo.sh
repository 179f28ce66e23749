#!/usr/bin/env bash
# What `make demo` shows: a document and an object from a sentence, an object with a known field that is filled in any order, a text of a Lark
# grammar, the library, `structgen check` on good and bad texts, and `structgen maskbench`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BIN=${BIN:-.venv/bin}

show() {
  local command="" word
  for word in "$@"; do
    word=${word//"$BIN/"/}
    [[ $word =~ ^[A-Za-z0-9_./=:-]+$ ]] || word="\"$word\""  # so that the line can be pasted
    command+=" $word"
  done
  printf '\n$%s\n' "$command"
  "$@"
}

show "$BIN/structgen" warmup
show "$BIN/structgen" generate --device cpu --schema examples/order.schema.json \
  --prompt "Zorvik ordered 3 lamps and 2 chairs on 4 May 2026 and has paid; deliver to Mandelport."
# The slots of the canvas are filled two a step, the surest first (examples/person.given.json has the city).
show "$BIN/structgen" infill --schema examples/person.schema.json --given examples/person.given.json --slots 10 \
  --scheduler low-confidence --tokens-per-step 2 --stream --prompt "Maria Keller is 34 years old and lives in Hamburg."
show "$BIN/python" examples/person.py
show "$BIN/python" examples/first_mask.py
# A Lark grammar in place of a schema: the model knows JSON, and grammars/json.lark is a grammar of JSON.
show "$BIN/structgen" generate --device cpu --grammar grammars/json.lark --max-tokens 60 \
  --prompt "{name: string, age: integer} Maria Keller is 34."
show "$BIN/structgen" check --schema examples/book.schema.json examples/book.json
# The faults are the point here: exit status 1 is what must come.
fault() {
  local status=0
  show "$@" || status=$?
  if [ "$status" -ne 1 ]; then
    echo "the text with a fault should have exit status 1, not $status" >&2
    exit 1
  fi
}
fault "$BIN/structgen" check --schema examples/book.schema.json examples/book_with_a_fault.json
fault "$BIN/structgen" check --grammar grammars/arithmetic.lark examples/sum_with_a_fault.txt
show "$BIN/structgen" maskbench schemas/ --tokenizer tests/data/bpe/tokenizer.json
