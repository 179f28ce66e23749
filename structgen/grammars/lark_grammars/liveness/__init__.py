"""Whether some text goes on from a place of the parser, after the end of a lexeme.

`letters` tells apart the ends that go on differently; `frames` are what the parser's stack is made of,
`saturation` has the compiled fixpoints over them, and `lark_liveness` the answers. The words of this room, in
one grammar whose indenter counts the brackets ( and ):

    start: line+
    line: NAME "=" value _NL [_INDENT line+ _DEDENT]
    value: NAME | OPEN value CLOSE
    NAME: /[a-z]+/
    OPEN: "("
    CLOSE: ")"
    _NL: /(\\n *)+/
    %ignore " "
    %declare _INDENT _DEDENT

- *Context*: the terminals that lark's lexer looks for in a state of the parser. Here are five.
- *Carry*: what an end owes to the text after it. NAME owes that no letter of a to z follows, _NL that
  neither a blank nor a line break does, "=" nothing.
- *Separator*: a class of bytes after which an ignored lexeme goes on to all that may come at once. Here the
  blank is one, in each context.
- *Freed*: a carry that a separator fulfils counts as nothing. NAME's is freed: after a blank no letter of a
  to z follows.
- *Kind*: carries after which the same may come. Kind 0 owes nothing, kind 2 is the carry of _NL. Kind 1 is
  kept for *unsettled* letters: a terminal has one where not all of its carries were looked for. Here is none.
- *Letter*: a terminal with a kind. Letters, and no characters, are the input alphabet of the parser as a
  pushdown system. Here are seven; they are of kind 0, but for (_NL, 2).
- *Class of endings*: the letters that a state of the lexer may become: after `a` (NAME, 0) alone.
- *Boundary*: a kind with the line that it is in. After `a=b`, a line break and (_NL, 2) blocks may open or
  close: its boundary is that of kind 2 and LINE. Letters of the indenter follow it: _INDENT, _DEDENT.
- *Frame*: a symbol of the stack: a state of the parser with the open brackets, here 0, 1, or 2 and more.
  16 states have 21 frames. Only frames after OPEN have open brackets, so only these drop line breaks.
- *Run*: what is read above a frame until it is reduced away. Above the frame after `a=(` the run `b)` does.
- *Exit*: how a run ends: reduced to a nonterminal, so many more frames below. That run ends as a `value`,
  0 more below; the letters that may be next are (_NL, 2) and (CLOSE, 0). After `a=((` only (CLOSE, 0) is.
- *Variable*: the exits of all runs that begin above a frame with a letter, or at a boundary. To *saturate* is
  to find the least values of all variables: so pushdown systems are solved.
- *Certain*: some text leads to the end whatever frames are below. Here each boundary is that texts reach. In
  `start: A "a"` with `A: /a+/` none after A is: its carry forbids what must come.
"""
