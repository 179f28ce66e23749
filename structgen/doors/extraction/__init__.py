"""Everything that a type asks for, from documents of any length: `sg.extract`.

A *document* is a text; it is cut into *pages*, parts that fit the model's context. The model is asked about
each page. For people it is a *piece*: a page is what they see in a browser, and a *sheet* of a PDF is where
they look a place up. An *item* is one value of the type that a page has, e.g. a `Person`. A *place* is where
a document states a value: from one character to another. A *line* is the answer to a page, as a file keeps
it. A *conflict* is another value that another page has for the same field.

What comes in: a model, documents, and a type. What goes out: an `Extraction`, which has the items with their
places and conflicts.

1. `extract_calls` is the door: it reads the options, cuts the documents, and has the pages asked.
2. `page_asking` asks a model about one page, again where that fails, and by halves where its answer is cut.
   `unasked_pages` describes the pages that state too little to be asked about.
3. `page_runs` asks many pages at once, in this process or on Ray, with a line in a file for each.
4. `item_places` finds where a page states each value of an item. `merging` makes one item of the items that
   overlapping pages have in common.
5. `extraction` is the result; `extraction_page` shows it as a page of HTML, `extraction_tables` as tables.

Values: `extract_options` has the options, which are checked once, and `found_items` the items. `page_schema`
makes the schema of the answer to one page.
"""
