"""Explanations of a schema, in words: for `structgen explain` and for reports.

What comes in: a document that was read, or its network. What goes out: values with text for people.

- `keyword_report`: for each keyword whether it is enforced, an annotation, redundant or refused, and why. It
  needs the document alone. Read it first.
- `outline`: the places of the documents as a tree of lines, read from the network.
- `impossible`: parts that no document uses, with the keywords that exclude each other.
"""
