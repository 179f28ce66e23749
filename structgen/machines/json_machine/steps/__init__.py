"""One byte of JSON text: registers before -> registers after, or no, or a question.

Read `byte_step` first: it is the transition. `string_step` is its part inside a string, a key or a listed
word. `keys_and_items` has the keys, strings and items that depend on earlier text, such as keys that an
object must not repeat.
"""
