"""What a text states: the numbers, dates, times and addresses in it, each with its place.

What comes in: a text in English, German, French, Spanish, Italian, Portuguese or Dutch. What goes out:
readings of it. A reading that is missed is a value that nobody may answer, so all seven languages are read
at once, and where a text leaves open what it means, all of its meanings are readings.

1. `readings` is the door: it folds a text, asks each reader, and orders what they find.
2. `numerals` reads figures, `number_words` words, `calendar_dates` dates, times and durations; `marked_texts`
   finds what is no number of its own: addresses, phone numbers, identifiers.
3. Each reader is linear in its text. babel and text2num are loaded at the first use.
"""
