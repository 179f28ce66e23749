"""Python types as languages: their JSON Schema, and the way back from a document to an object.

What comes in: a type hint. What goes out: a schema, and a reader of documents.

1. `type_hints` is the door. `pydantic_schema` corrects pydantic's schema so that whatever it accepts
   validates; `pydantic_formats` knows which strings pydantic takes for dates; `attrs_classes` reads attrs
   classes; `descriptions` finds what people write beside a type.
2. `type_places` reads a member that has closed while the rest is still being written, and finds the
   validators at a place of a document.
3. `regex_annotation` is `sg.Regex`, `grounding_marks` are `sg.Quote`, `sg.Inferred` and `sg.Key`. pydantic
   is loaded only where a type needs it.

Helpers: `definitions` keeps types that were read, `temporal_bounds` are bounds of dates and times as
patterns, `pattern_dialects` rewrites the text of Rust's and Python's patterns, as pydantic writes them into
schemas, to ECMA-262.
"""
