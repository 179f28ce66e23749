"""Liveness of Lark texts: does some accepted text go on from here, and with which bytes?

A text that lark has not refused yet may still be dead: no bytes complete it. A mask must leave its token out,
so this question is asked for nearly every token. Three answers follow each other; each is asked only where
the one before it does not know:

1. **Certified states** (`certified_states`, compiled in `certified_states_search`): parser states from which
   every stack can be completed. They are found once for a grammar; a question is then one load.
2. **Compiled search** (`lark_grammars.compiled.continuation_proofs`): the shortest completions of the rules
   under way are followed on the real stack (`shortest_completions`, and, where no separator ends a lexeme,
   `unseparated_terminals`).
3. **Slow reader** (`oracle`): texts are written and read byte by byte. Its steps have one interface
   (`answers.Answer`: a proof, DEAD, or None): what the parser alone tells (`parser_answers`), completions
   that are written (`written_completions`), a search of all texts (`text_search`, which `emptiness` ends).

`continuation_proofs.live` holds the order of the three, `oracle.LivenessOracle` the order of the slow steps.
"""
