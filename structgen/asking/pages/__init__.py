"""Pages of HTML that people look at in a browser or in a notebook.

What comes in: values, texts, and templates of jinja2. What goes out: an HTML file, or a notebook's cell.

1. `html_pages` makes pages of one style, each one file that loads nothing else, and the HTML of a value.
2. `marked_texts` shows texts with marks: a mark is a run of characters that leads to the value it gave.
"""
