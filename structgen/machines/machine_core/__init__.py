"""The parts that every compiled machine shares: the machine of JSON, of texts, and of Lark grammars.

A machine brings its own step over one byte. It gets states as numbers, and masks that are worked out once.
Read `layout`, `interning` and `masks` first.

1. `layout` declares the block of memory that a machine reads (`Core`). A machine derives its own `Context`
   from it, and its registers from `Registers`; no machine knows the words of another.
2. `interning` makes equal rows one number, so that equal states are one state, and notes questions: compiled
   code that meets something unknown notes it, and answers ASKED; Python answers, and calls again.
3. `questions` is the loop that has Python answer and calls again.
4. `masks` collects tokens, remembers a state's mask in its row, and writes it; `fill_mask` copies a known
   one.
5. `token_steps` reads texts and tokens, and finds where texts may end, by the machine's step (`ByteSteps`).
   `draft_nodes` reads draft trees in this way, `row_batches` one token of each of many texts.
6. `growing_tables` allocates the block and its tables, and lets them grow.
7. `lexeme_records` notes what the tokens of a trie do in a state of a lexer, and `lexeme_masks` makes masks
   of these records, for machines that have a lexer (`lexeme_layout`: their block; `lexeme_tables`: the Python
   side).
8. `text_costs` finds the fewest tokens that write a text.
9. `workspace` is the scratch memory of a thread, `wanted_nodes` finds nodes of a trie where a text may end.

The state after an exception. Ctrl-C, a lack of memory or another thread may end a call of Python between any
two lines; compiled calls are whole. So *new data becomes visible by one last assignment*, here and in all
rooms whose tables outlive a call:

- A thing is made first, then entered: a row before its number, a value before its key, an array before its
  address. Values in which Python and compiled code must agree are written by one statement without calls.
- A thing that was entered nowhere is garbage. Lists that must have as many entries are cut off before they
  grow.
- An entry is forgotten before the thing to which it refers.
- Work under way is known by an object that a frame holds (`public_calls.Part`), and not by a mark that must
  be taken away. Scratch memory is written before it is read, in each call.
"""
