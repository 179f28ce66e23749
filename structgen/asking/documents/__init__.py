"""Documents that people hand in, as plain texts with names, and the pieces that they are cut into.

What comes in: texts, and files of text, Markdown, HTML or PDF. What goes out: a `TextDocument` for each, with
remarks about what its reader left out or guessed.

1. `documents` is the door: it names the documents, and chooses the reader of each file.
2. `encoded_texts` finds the encoding of a text, `page_encodings` that of a page of HTML, as browsers do.
   `html_text` and `pdf_text` run in `confined_reading`, a process with limits of time and memory: their input
   is anybody's.
3. `page_cuts` cuts a text at headings, paragraphs, sentences and words, into pieces that overlap.
4. `sheets` finds where a person looks a place up: the sheet of a PDF, or the nearest heading.
"""
