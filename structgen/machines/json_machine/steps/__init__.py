"""One byte of JSON text: registers before -> registers after, or no, or a question.

`byte_step` is the transition. `string_step` is its part inside a string, a key or a listed word;
`keys_and_items` are the keys, strings and items that depend on what was written before, such as keys that an
object must not repeat.
"""
