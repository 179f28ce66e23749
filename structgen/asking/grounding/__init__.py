"""What a text states: the numbers, dates, times and addresses in it, each with its place.

What comes in: a text. Its figures may be of any script, and its dates of 45 languages; its words for numbers
and durations are English, German, French, Spanish, Italian, Portuguese or Dutch, and its numerals Chinese,
Japanese or Korean, too. What goes out: readings of it. A reading that is missed is a value that nobody may
answer, so all languages are read at once, and where a text leaves open what it means, all of its meanings are
readings. The language of the text, by its function words, decides where names of months differ (`languages`).

1. `readings` is the door: it folds a text, asks each reader, and orders what they find.
2. `numerals` reads figures and addresses, `signs` what makes them negative, `number_words` words,
   `calendars` dates and times, `cjk_numerals` numerals and dates in Chinese characters, `durations` the
   rest. Each is linear in its text. babel and text2num are loaded at the first use.
3. `stated_text` says how a value is written in JSON. `narrowing` holds the values of a JSON Schema to these
   spellings, and strings to runs of the text (`text_runs`). `grounded_grammar` is its door.
4. `unread_values` guesses what stands in a form that is not read, for answers that need not be verified.
5. `evidence` joins an answer with the readings afterwards (`places`), and shows them (`evidence_page`).
6. `typography` finds the runs of a text that a value repeats, exactly or in other typography. `repairs` gives
   the quotes of a document that no mask held the letters of the text.
"""
