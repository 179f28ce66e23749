"""What every compiled machine shares: JSON's, that of texts, and that of Lark grammars.

What comes in: a machine's own step over one byte. What goes out: states as numbers, and masks that are worked
out once.

1. `layout` declares the block of memory that a machine reads (`Core`). A machine derives its own `Context`
   from it, and its registers from `Registers`; no machine knows the words of another.
2. `interning` makes equal rows one number, so that equal states are one state, and notes questions: compiled
   code that meets something unknown notes it, and answers ASKED; Python answers, and calls again.
3. `questions` is the loop that has Python answer and calls again.
4. `masks` collects tokens, remembers a state's mask in its row, and writes it; `fill` copies a known one.
5. `token_steps` reads texts and tokens, and finds where texts may end, by the machine's step (`ByteSteps`).
   `draft_nodes` follows draft trees so; `row_batches` does it for a token of each of many texts.
6. `growing_tables` allocates the block and its tables, and lets them grow.
7. `lexeme_records` notes what the tokens of a trie do in a state of a lexer, and `lexeme_masks` joins that
   to a mask, for machines that have a lexer (`lexeme_layout`: their block; `lexeme_tables`: in Python).
8. `text_costs` finds the fewest tokens that write a text.
9. `workspace` is the scratch memory of a thread, `wanted_nodes` finds nodes of a trie where a text may end.

What an exception leaves behind. Ctrl-C, a lack of memory or another thread may end a call of Python between
any two lines; compiled calls are whole. So *what is written becomes visible by one last assignment*, here and
in all rooms whose tables outlive a call:

- A thing is made first, then entered: a row before its number, a value before its key, an array before its
  address. What Python and compiled code must agree in is written by one statement without calls.
- What was entered nowhere is garbage. Lists that must have as many entries are cut off before they grow.
- What is forgotten goes before what it refers to.
- What is under way is known by an object that a frame holds (`public_calls.Part`), by no mark that must be
  taken away. Scratch memory is written before it is read, in each call.
"""
