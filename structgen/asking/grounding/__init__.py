"""What a text states: the numbers, dates, times and addresses in it, each with its place.

What comes in: a text in English, German, French, Spanish, Italian, Portuguese or Dutch. What goes out:
readings of it. A reading that is missed is a value that nobody may answer, so all seven languages are read
at once, and where a text leaves open what it means, all of its meanings are readings.

1. `readings` is the door: it folds a text, asks each reader, and orders what they find.
2. `numerals` reads figures and addresses, `signs` what makes them negative, `number_words` words, `calendars`
   dates and times, `durations` the rest. Each is linear in its text. babel and text2num are loaded at the
   first use.
3. `stated_text` says how a value is written in JSON. `narrowing` holds the values of a JSON Schema to these
   spellings, and strings to runs of the text (`text_runs`). `grounded_grammar` is its door.
4. `unread_values` guesses what stands in a form that is not read, for answers that need not be verified.
5. `evidence` joins an answer with the readings afterwards (`places`), and shows them (`evidence_page`).
"""
