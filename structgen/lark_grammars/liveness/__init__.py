"""Liveness of Lark texts: can the text so far be completed to an accepted text, and how?

A text that lark has not refused yet may still be dead: nothing completes it. A mask must not allow such a
token, so this is asked for nearly every token. There are three methods; each is used only if the one before
it does not know:

1. **Certified states** (`certified_states`, compiled in `certified_states_search`): parser states from which
every stack
   can be completed. They are found once for a grammar; a question is then one load.
2. **Compiled search** (`lark_grammars.compiled.continuation_proofs`): the shortest completions of the rules
under way are
   followed on the real stack (`shortest_completions`; if no separator ends a lexeme,
   `unseparated_terminals`).
3. **Slow reader** (`oracle`): texts are written and read byte by byte. Its steps have one interface
(`answers.Answer`: a
   proof, DEAD, or None): answers of the parser alone (`parser_answers`), completions that are written
   (`written_completions`), a search of all texts (`text_search`, cut short by `emptiness`).

`continuation_proofs.live` has the order of the three, `oracle.LivenessOracle` the order of the slow steps.
"""
