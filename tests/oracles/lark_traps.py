"""Lark grammars in which a lexer or a parser that is nearly lark's goes wrong."""

from __future__ import annotations

from typing import NamedTuple


class Trap(NamedTuple):
    grammar: str
    alphabet: str
    longest: int = 6


TRAPS = {
    # letters beyond ASCII: what is known of a character before its last byte
    "a word that looks ahead for keywords": Trap(
        'start: (W | "as")+\nW: /(?!as(?![a-z\u00e9]))[a-z\u00e9]+/\n%ignore " "\n', "as é", 5
    ),
    "a look-ahead over all characters": Trap(
        'start: (W | K)+\nK: /as(?![^ ])/\nW: /(?!as(?![^ ]))[^ ]+/\n%ignore " "\n', "as é", 5
    ),
    "a comment that takes all characters": Trap('start: C+ "é"\nC: /(#[^;]*|;)+/\n', "#;é", 6),
    "a better match needs no more than a worse": Trap(
        "start: (A | B)+\nA: /(?=.*é)a+/\nB: /(?=.*é)a|aé|é/\n", "aé", 6
    ),
    # the parser's table
    "shift is preferred to reduce": Trap('start: x "b"\nx: "a" | "a" "b"\n', "ab"),
    "look-ahead is merged, and lets a terminal compete": Trap(
        'start: "p" e X | "q" e Y\ne: "n"\nX: /z/\nY: /z{1,3}/\n', "pqnz"
    ),
    "a rule's priority decides between reductions": Trap(
        'start: a "x" "p" | b "x" "q"\na.2: "n"\nb: "n"\n', "nxpq", 5
    ),
    "the other rule's priority decides between reductions": Trap(
        'start: a "x" "p" | b "x" "q"\na: "n"\nb.2: "n"\n', "nxpq", 5
    ),
    "an operator on both sides": Trap('start: e\ne: e "+" e | "n" | "(" e ")"\n', "n+()"),
    "a dangling else": Trap('start: s\ns: "i" s | "i" s "e" s | "x"\n', "iex"),
    "rules that derive nothing": Trap('start: a b a\na: "x"?\nb: "y"*\n', "xy"),
    "the empty text": Trap('start: | "a" start "b"\n', "ab"),
    "a rule that derives itself": Trap('start: a\n?a: (a) "y" | "x"\n', "xy"),
    "brackets": Trap('start: "(" start ")" start | "[" start "]" |\n', "()[]"),
    # what competes, and in which order
    "a word that is ignored, in an identifier's place": Trap(
        'start: N+\nN: /[a-z]+/\n%ignore "foo"\n', "fox"
    ),
    "a match of a terminal that equals an ignored string": Trap(
        'start: N+\nN: /[a-z]+/\n%ignore "foo"\n%ignore " "\n', "fo ", 7
    ),
    "an ignored terminal whose match equals a string": Trap(
        'start: "ab" X\nX: "1"\n%ignore /[a-c]+/\n', "ab1"
    ),
    "an ignored terminal that a rule uses": Trap('start: A B?\nA: "a"\nB: "b"\n%ignore B\n', "ab"),
    "ignored text that begins a terminal": Trap('start: A+\nA: /bba/ | "a"\n%ignore "b"\n', "ab"),
    "ignored text before the first lexeme and after the last": Trap(
        'start: A A\nA: "a"\n%ignore /b+/\n', "ab"
    ),
    "the wider terminal goes first": Trap('start: A "c" | B\nA: /a{1,5}/\nB: /ab/\n', "abc"),
    "no blank is needed behind a keyword": Trap('start: "if" N\nN: /[a-z]+/\n', "ifa"),
    "a keyword in some states only": Trap('start: N | "if" N "if"\nN: /[a-z]+/\n%ignore " "\n', "if ", 7),
    "a terminal that takes another's beginning": Trap('start: A B\nA: /a+/\nB: "ab"\n', "ab"),
    "a terminal that takes another's beginning, in brackets": Trap(
        'start: "(" start ")" | A B | "c"\nA: /a+/\nB: "ab"\n', "(abc)", 5
    ),
    "brackets that can never be closed": Trap('start: "(" start ")" | A B\nA: /a+/\nB: "ab"\n', "(ab)"),
    "some brackets that can never be closed": Trap(
        'start: "c" | "(" start ")" | "[" x "]"\nx: "[" x "]" | "b" x | A B\nA: /a+/\nB: "ab"\n', "([])abc", 4
    ),
    "priority before width": Trap('start: (A | B)+\nA.2: "a"\nB: /a+b/\n', "ab"),
    "a priority below nought": Trap('start: (A | B "c")+\nA: /a/\nB.-1: /a+b?/\n', "abc"),
    "a keyword of higher priority begins an identifier": Trap(
        'start: (K | N)+ "!"?\nK.2: "ab"\nN: /[a-c]+/\n', "abc!", 5
    ),
    "a keyword of lower priority is an identifier": Trap(
        'start: K N | N "!"\nK.-1: "ab"\nN: /[a-c]+/\n%ignore " "\n', "ab! ", 5
    ),
    "a string and a regular expression of the same text": Trap(
        'start: A "c" | B "d"\nA: "ab"\nB: /ab/\n', "abcd", 5
    ),
    "a string that is longer than the identifier": Trap(
        'start: (K | N)+ ";"\nK: "ab1"\nN: /[ab]+/\n', "ab1;", 5
    ),
    "a string without regard to case goes before": Trap(
        'start: (K "!" | N)+\nK: "ab"i\nN: /[a-c]+/\n%ignore " "\n', "abA! ", 5
    ),
    "an identifier without regard to case swallows a keyword's capitals": Trap(
        'start: (K "!" | N)+\nK: "ab"\nN: /[a-c]+/i\n%ignore " "\n', "abA! ", 5
    ),
    "strings alike but for case": Trap('start: ("ab"i "x" | "AB" "y")+\n', "abABxy", 5),
    "letters that only case makes alike": Trap('start: "k"i+ | /s+/i "!"\n', "kK\u212as\u017f!", 4),
    "two strings that one identifier equals": Trap(
        'start: (K "!" | L "?" | N)+\nK: "ab"i\nL: "aB"i\nN: /[a-c]+/i\n%ignore " "\n', "aB!? ", 5
    ),
    # how a pattern matches
    "lazy to the first end": Trap('start: X "b"\nX: /a.*?b/\n', "axb"),
    "lazy with counts": Trap('start: X "a"*\nX: /a{1,3}?b?/\n', "ab"),
    "lazy and optional": Trap('start: X+ "c"?\nX: /a??b|a/\n', "abc"),
    "the first alternative, not the longest": Trap('start: X "b"\nX: /a|ab/\n', "ab"),
    "alternatives tried again": Trap('start: X "d"?\nX: /(?:a|ab)(?:c|bcd)?/\n', "abcd"),
    "alternatives before what decides": Trap('start: X "c"\nX: /(?:a|ab)(?:cc|b)?/\n', "abc"),
    "a lazy terminal beside a greedy one": Trap("start: (A|B)+\nA: /a*?b/\nB: /aab/\n", "ab"),
    "a match that is given up for a better one": Trap("start: (A|B)+\nA: /a+b/\nB: /a/\n", "ab"),
    "repetitions of what may be empty": Trap('start: X "c"\nX: /(?:a?)*b/ | /(?:a|b??)+c/\n', "abc"),
    "a lazy repetition of what may be empty": Trap('start: X "a"*\nX: /(?:a*)*?b/ | /c(?:a|b?)*?c/\n', "abc"),
    "an undecided tail": Trap('start: N ("." N)?\nN: /1(\\.1)?(e1)?/\n', "1.e"),
    "an optional tail against a priority": Trap('start: A B?\nA: /a(b|c)?/\nB.2: "b"\n', "abc"),
    "a long undecided tail": Trap('start: A ("b"|"c")*\nA: /a(?:b{1,3}c)?/\n', "abc", 7),
    "comments lazily ended": Trap('start: C | "/" s\ns: "*" s | "a"\nC: /\\/\\*(.|\\n)*?\\*\\//\n', "/*a", 7),
    "terminals out of terminals": Trap('start: (A | B)+\nA: B "c" | "d"~2\nB: "a".."b"~1..2\n', "abcd", 5),
    # look-around
    "a look-ahead that fails": Trap("start: A | A B\nA: /a(?!b)/\nB: /ab/\n", "ab"),
    "look-ahead and look-behind meet": Trap("start: A+\nA: /a(?=b)/ | /(?<=a)b/\n", "ab"),
    "a look-ahead over several lexemes": Trap("start: (A|C)+\nA: /a(?=(b|c)c)/\nC: /[bc]+/\n", "abc"),
    "a look-ahead without an end": Trap('start: (A|B|"c")+\nA: /a(?=b*c)/\nB: /[ab]/\n', "abc", 5),
    "a look-ahead to the end of the text": Trap('start: (A|"b"|"c")+\nA: /a(?!.*c)/\n', "abc"),
    "a look-ahead inside a look-ahead": Trap('start: (A|"b"|"c")+\nA: /a(?=b(?!c)|c(?=b))/\n', "abc"),
    "a look-ahead in a repetition": Trap('start: (A|"a"|"b")+ "!"\nA: /(?:a(?=b)|b)+/\n', "ab!"),
    "a look-ahead inside a negative one": Trap('start: (A|"b"|"c")+\nA: /a(?!b(?=c))/\n', "abc"),
    "two look-aheads at one place": Trap('start: (A|"b"|"c")+\nA: /a(?=.c)(?!b)/\n', "abc"),
    "a look-ahead and a better thread": Trap('start: (A|"a"|"b")+\nA: /a(?=b)b|ab(?!a)/\n', "ab"),
    "a look-behind into another lexeme": Trap("start: A (B|C)+\nA: /x/\nB: /.(?<!x)/\nC: /(?<=y)x/\n", "xy"),
    "a look-behind of two letters": Trap('start: ("a"|"b"|C)+\nC: /(?<=ab)c/\n', "abc"),
    "a negative look-behind of two letters": Trap('start: ("a"|"b"|C)+\nC: /(?<!ab)c/\n', "abc"),
    "a look-behind into ignored text": Trap('start: ("a"|B)+\nB: /(?<= )b/\n%ignore " "\n', "ab "),
    "a negative look-behind at the start": Trap('start: ("a"|B)+\nB: /(?<!a)b/\n', "ab"),
    "a look-behind of letters of several bytes": Trap('start: ("é"|"a"|B)+\nB: /(?<=é)b/\n', "éab", 5),
    "a look-behind inside a repetition": Trap('start: A ("a"|"b")*\nA: /(?:a|(?<=a)b)+/\n', "ab"),
    "word boundaries": Trap("start: (A|B)+\nA: /\\bab?/\nB: /b+\\b/\n", "ab"),
    "a word boundary at ignored text": Trap('start: (A|"b")+\nA: /a\\b/\n%ignore " "\n', "ab "),
    "no word boundary": Trap('start: (A|"b")+\nA: /a\\B/ | /\\Ba/\n%ignore " "\n', "ab "),
    "a word boundary beside letters of several bytes": Trap(
        'start: (A|"é"|"\u2013")+\nA: /\\ba\\b/\n', "aé\u2013", 5
    ),
    "an ASCII word boundary": Trap('start: (A|"é")+\nA: /(?a:\\ba\\b)/\n', "aé", 5),
    # the ends of the text and of lines
    "the start and the end": Trap("start: A+\nA: /^a/ | /b$/\n", "ab\n"),
    "the end before a last line break": Trap('start: A "\\n"* "b"?\nA: /a$/\n', "ab\n"),
    "the very end": Trap('start: (A|"\\n")+ "b"?\nA: /a\\Z/\n', "ab\n"),
    "the starts of lines": Trap('start: (A|"b"|"\\n")+\nA: /^a/m\n', "ab\n"),
    "the ends of lines": Trap('start: (A|"b"|"\\n")+\nA: /a$/m\n', "ab\n"),
    "the end inside a repetition": Trap('start: A "\\n"?\nA: /(?:a|a$\\n?)+/\n', "a\n"),
    # flags
    "a dot that takes line breaks": Trap('start: A "b"?\nA: /a./s\n', "ab\n"),
    "a dot that does not": Trap('start: A "b"?\nA: /a.?/\n', "ab\n"),
    "a verbose pattern": Trap('start: A "b"?\nA: /a  b?/x\n', "ab "),
    "flags inside a group": Trap('start: A ("a"|"B")*\nA: /(?i:a)b(?i:(?-i:a)b)?/\n', "abAB", 5),
    "terminals joined with their flags": Trap('start: A+\nA: "a"i B\nB: /b/ | /c/i\n', "abcABC", 4),
    # empty copies end a repetition
    "an empty copy goes before the others": Trap('start: A "!"\nA: /(?:|a)*[ab]/\n', "ab!"),
    "empty copies that are owed": Trap('start: A "!"\nA: /(?:|a){2,}[ab]/\n', "ab!"),
    "lazy copies that are empty": Trap('start: A "!"\nA: /(?:a??)*[ab]/ | /(?:a*?)+[bc]/\n', "abc!"),
    "counted copies that may be empty": Trap('start: A "!"\nA: /(?:a??){1,3}[ab]/ | /(?:|a){2}c/\n', "abc!"),
    "a look-ahead as a copy": Trap('start: A "!"\nA: /(?:(?=a)|a)*[ab]/\n', "ab!"),
    "a look-behind as a copy": Trap('start: A "!"\nA: /(?:(?<=a)|b|a)*[abc]/\n', "abc!"),
    "the end of the text as a copy": Trap('start: A "!"? A?\nA: /(?:$|a)*[ab]/\n', "ab!"),
    "repetitions in repetitions": Trap('start: A "!"\nA: /(?:(?:|a)(?:|b))*[abc]/\n', "abc!"),
    # the notation of rules
    "templates": Trap('start: _list{N, ","}\n_list{x, s}: x (s x)*\nN: /[ab]+/\n', "ab,"),
    "counted repetitions of rules": Trap('start: a~2..3 "c"\na: "a" | "b" a\n', "abc"),
    "optional parts, aliases, kept and inlined rules": Trap(
        'start: [a] !b "c"?\n?a: "a" -> one | "aa" -> two\n!b: "b"+ -> many\n'.replace(" !b ", " b "), "abc"
    ),
    # a lexeme that can end in one way only in the rules, and never does in the lexer
    "ignored text that another terminal always takes": Trap(
        'start: A B?\nA: "a"\nB: /(\\n|#.*\\n)+/\n%ignore /#.*\\n/\n', "a#\n"
    ),
    "a terminal that no text is, behind one that takes another's place": Trap(
        'start: (A "c"?)+ | "c" M N "b"\nM.2: /a(?=b)/\nA: /a+b?/\nN: /[^\\s\\S]/\n%ignore "b"\n', "abc"
    ),
    "a rule that never ends": Trap('start: "a" b? "c"\nb: "b" b\nB.2: "ab"\n%ignore B\n', "abc"),
    "a rule that may do without what no text is": Trap(
        'start: x "c"\nx: "a" y | "ab"\ny: N "b" | "b" N | "b" "b"?\nN: /(?!a)[^\\s\\S]/\n', "abc"
    ),
    # characters of several bytes
    "sets of letters of several bytes": Trap('start: (A "a")+\nA: /[à-é]+?/ | /a(?!é)/\n', "aéè", 5),
    "any letter of several bytes": Trap('start: A "é"\nA: /./ | /.😀?/\n', "é😀", 4),
}
