"""The formats of JSON Schema (`date-time`, `idn-hostname`, `regex`, ...) as automata.

`named_formats` is the list: for each name its pattern, or the module that recognises it. `idna`, `alabels`,
`punycode` and `label_lengths` are host names; `mailbox` is e-mail; `time_of_day` knows leap seconds;
`regex_format`, `regex_escapes` and `regex_registers` recognise ECMA-262 patterns; `encoded_content` and
`json_content` are strings that hold base64 or a JSON text.
"""
