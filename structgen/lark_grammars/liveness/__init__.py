"""Liveness of Lark texts: can the text so far be completed to an accepted text, and how?

A text that lark has not refused yet may still be dead: nothing completes it. A mask must not allow such a
token, so this is asked for nearly every token. There are three methods; each is used only if the one before
it does not know:

1. **Certified states** (`certified_states`, compiled in `certified_states_search`): parser states from which
   every stack can be completed. They are found once for a grammar; a question is then one load.
2. **Compiled search** (`lark_grammars.compiled.continuation_proofs`): the shortest completions of the rules
   under way are followed on the real stack (`shortest_completions`).
3. **Saturation** (`oracle`, `saturated_reader`): which stacks lead to an end, computed over the parser's
   states (`saturation`) and what its lexer may read next (`letters`). Where patterns look around, completions
   are written and read (`written_completions`), and texts are searched (`text_search`).

`continuation_proofs.live` has the order of the three.
"""
