"""Whether some text goes on from a place of the parser, behind the end of a lexeme.

`letters` tells apart the ends that go on differently; `cells` are the states of the parser with open
brackets, `saturation` has the compiled fixpoints over them, and `lark_liveness` the answers.
"""
