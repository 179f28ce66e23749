"""Everything that a type asks for, from documents of any length: `sg.extract`.

What comes in: a model, documents, and a type. What goes out: an `Extraction`, which has the items with their
places in the documents, and what the pages of a document said differently.

1. `extract_calls` is the door: it reads the options, cuts the documents, and has the pages asked.
2. `page_asking` asks a model about one page, again where that fails, and by halves where its answer is cut.
   `unasked_pages` tells of those that state too little to be asked.
3. `page_runs` asks many pages at once, in this process or on Ray, with a line in a file for each.
4. `item_places` finds where a page states each value of an item; `merging` makes one item of those that
   overlapping pages have.
5. `extraction` is the result; `extraction_page` shows it as a page of HTML, `extraction_tables` as tables.

Values: `extract_options` are checked once, `found_items` is what is found. `page_schema` is the schema of
one page.
"""
