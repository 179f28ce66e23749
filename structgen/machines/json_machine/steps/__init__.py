"""One byte of JSON text: registers before -> registers after, or no, or a question.

`byte_step` is the transition; `white_space`, `escapes` and `decoded_text` are its parts; `unused_keys`,
`item_values` and `excepted_words` hold what an object or array must not repeat.
"""
