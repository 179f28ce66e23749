"""Liveness of Lark texts: can the text so far be completed to an accepted text, and how?

A text that lark has not refused yet may still be dead: nothing completes it. A mask must not allow such a
token, so this is asked for nearly every token. It is one computation, used twice: which stacks of the parser
lead to the text's end is a least fixpoint over the parser's states (`saturation`, compiled in
`saturated_runs`) and the letters that its lexer may read next.

1. **Certain boundaries**: when a grammar is loaded, the saturation over a few letters (`shortest_letters`)
   tells from which states every stack leads to the end. A question is then one load
   (`lark_grammars.compiled.live_texts`). In most grammars this answers all questions that texts ask.
2. **The oracle** (`oracle`) answers others in Python. Where no pattern looks around, the saturation over all
   letters (`letters`) decides, for all that a configuration of the reader holds (`saturated_reader`). Else
   completions are written and read (`written_completions`), and texts are searched (`text_search`).
"""
