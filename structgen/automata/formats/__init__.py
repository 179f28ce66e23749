"""The formats of JSON Schema (`date-time`, `idn-hostname`, `regex`, ...) as formulas and programs.

`named_formats` is the list: each name has a pattern or a module. Host names: `alabels`
(ASCII and A-labels), `idna` (IDNA 2008). E-mail: `mailbox`. Times: `time_of_day`, with
leap seconds. ECMA-262 patterns: `regex_format`, `regex_escapes`, `regex_registers`.
"""
