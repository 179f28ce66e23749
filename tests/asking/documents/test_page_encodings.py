"""The encoding of a page of HTML is the one that a browser takes."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import random
import re
from pathlib import Path

import pytest
from chromium_pages import CHROMIUM, read_in_chromium
from for_each import for_each

from structgen.asking.documents.page_encodings import PRESCANNED, decode_page
from structgen.base.errors import OptionError

lookup = pytest.importorskip("webencodings").lookup
LABELS = sorted(pytest.importorskip("webencodings.labels").LABELS)

REFUSED = {label for label in LABELS if lookup(label).name == "replacement"}
"""Encodings of which browsers show one U+FFFD."""
WIDE = {"big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis"}
DECLARATIONS = (
    "<meta charset={}>",
    "<!-- <meta charset=x> --><META  CharSet = '{}' />",
    '<meta http-equiv="Content-Type" content="text/html; charset={}">',
    "<html><meta content='charset = \"{}\"; x' http-equiv=content-type>",
    '<?xml version="1.0" encoding="{}"?>',
)


def name_of(head: str | bytes, mark: bytes = b"") -> str:
    """Return which of some encodings a page is read in; "other" for all others."""
    head = head if isinstance(head, bytes) else head.encode()
    byte, text = b"\xd0\xa4\xc2\xb8", ""
    text = decode_page(mark + head + b"@" + byte)[0].rpartition("@")[2]
    names = ("utf-8", "windows-1251", "windows-1252", "koi8-r", "shift_jis", "iso-8859-5")
    return next((name for name in names if lookup(name).codec_info.decode(byte)[0] == text), "other")


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_printable_ascii_says_the_same_under_all_labels_and_names_of_codecs(declaration: str) -> None:
    """Nothing that a page says of itself can forge a digit."""
    names = {name for _, name, _ in pkgutil.iter_modules(encodings.__path__)} | set(encodings.aliases.aliases)
    text = r"Ada is 36\x30, \u0033 +ADw- ~{ &amp; =33 " + "".join(map(chr, range(0x21, 0x7F)))
    for name in sorted((names | {*LABELS, "utf-16le\t", "x-user-defined", "unicode_escape"}) - REFUSED):
        assert decode_page(f"{declaration.format(name)}\n{text}".encode())[0].endswith(f"\n{text}"), name


@for_each(
    "label",
    [
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
        "cp037",
        "rot13",
        "utf-32",
        "latin_1",
        "idna",
        "nonsense",
    ],
)
@for_each("declaration", DECLARATIONS)
def test_a_name_that_is_no_label_is_passed_over_and_told(declaration: str, label: str) -> None:
    page = declaration.format(label) + r"Zürich 36\x30"
    text, remarks = decode_page(page.encode())
    assert text == page
    assert remarks == (f"The declared encoding, {label!r}, is ignored, as in browsers.",)


@pytest.mark.parametrize(
    ("declared", "encoding", "is_told"),
    [
        ("utf-16", "utf-8", True),
        ("UTF-16BE", "utf-8", True),
        ("unicode", "utf-8", True),
        ("x-user-defined", "cp1252", True),
        ("ascii", "cp1252", False),
        ("latin1", "cp1252", False),
        ("gb2312", "gb18030", False),
        ("shift_jis", "cp932", False),
        ("ks_c_5601-1987", "cp949", False),
        (" UTF-8\t", "utf-8", False),
    ],
)
def test_a_label_means_what_it_means_in_a_browser(declared: str, encoding: str, is_told: bool) -> None:
    page = (
        f"<meta charset='{declared}'><p>Zürich"
        if encoding in ("utf-8", "cp1252")
        else (
            f"<meta charset='{declared}'><p>" + {"gb18030": "朱镕基", "cp932": "①", "cp949": "똠"}[encoding]
        )
    )
    text, remarks = decode_page(page.encode(encoding))
    assert text == page
    assert bool(remarks) is is_told
    if is_told:
        assert f"{lookup(declared).name!r}, is ignored" in remarks[0]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-8"),
    ],
)
def test_a_byte_order_mark_wins_and_is_no_text(mark: bytes, encoding: str) -> None:
    page = "<?xml version='1.0'?><p>Zürich"
    assert decode_page(mark + page.encode(encoding)) == (page, ())
    _, remarks = decode_page(codecs.BOM_UTF8 + b"<meta charset=koi8-r>\xc3\xa9")
    assert remarks == ("The declared encoding, 'koi8-r', is ignored, as in browsers.",)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_xml_in_utf_16_needs_no_mark(encoding: str) -> None:
    page = "<?xml version='1.0'?><p>Zürich"
    assert decode_page(page.encode(encoding)) == (page, ())


@for_each(
    ("head", "name"),
    [
        # comments, also of no characters
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1251>", "windows-1251"),
        ("<!--><meta charset=windows-1251>-->", "windows-1251"),
        ("<!---><meta charset=windows-1251>-->", "windows-1251"),
        ("<!-- > <meta charset=koi8-r>", "utf-8"),
        ("<!-- --!> <meta charset=koi8-r>", "utf-8"),
        # other markup, and attributes of other tags
        ("<!doctype <meta charset=koi8-r><meta charset=windows-1251>", "windows-1251"),
        ("</ <meta charset=koi8-r><meta charset=windows-1251>", "windows-1251"),
        ("<p title='<meta charset=koi8-r>'><meta charset=windows-1251>", "windows-1251"),
        ("</p title='<meta charset=koi8-r>'><meta charset=windows-1251>", "windows-1251"),
        ("<metadata charset=koi8-r><meta-x charset=koi8-r></meta charset=koi8-r>", "utf-8"),
        ("1 < 2 <meta charset=koi8-r>", "koi8-r"),
        ("<title><meta charset=koi8-r></title>", "koi8-r"),
        # how attributes are written
        ("<meta/charset=koi8-r>", "koi8-r"),
        ("<meta/name='x'/charset\n=\t'koi8-r'>", "koi8-r"),
        ("<meta ==x charset=koi8-r>", "koi8-r"),
        ("<meta charset = koi8-r\fname=x>", "koi8-r"),
        ("<meta name='charset=utf-8'charset=koi8-r>", "koi8-r"),
        ("<meta charset=koi8-r/>", "utf-8"),
        ("<meta charset>koi8-r", "utf-8"),
        ("<meta charset=koi8-r charset=windows-1251>", "koi8-r"),
        ("<meta charset='koi8-r", "utf-8"),
        # the two forms, and more than one tag
        ("<meta content='text/html; charset=koi8-r'>", "utf-8"),
        ("<meta http-equiv=refresh content='charset=koi8-r'>", "utf-8"),
        ("<meta content='charset charset=koi8-r;' http-equiv=CONTENT-TYPE>", "koi8-r"),
        ("<meta content='CHARSET=\"koi8-r' http-equiv=content-type>", "utf-8"),
        ("<meta http-equiv=content-type content='charset=koi8-r' charset=windows-1251>", "windows-1251"),
        ("<meta charset=nonsense><meta charset=koi8-r><meta charset=windows-1251>", "koi8-r"),
        # XML
        ("<?xml version='1.0' encoding = 'koi8-r' ?>", "koi8-r"),
        ("<?xml encoding='koi8-r'?><meta charset=windows-1251>", "windows-1251"),
        (" <?xml encoding='koi8-r'?>", "utf-8"),
        ("<?XML encoding='koi8-r'?>", "utf-8"),
        ("<?xml encoding='koi8 r'?>", "utf-8"),
        ("<?xml encoding='utf-16'?>", "utf-8"),
    ],
)  # fmt: skip
def test_the_declaration_is_found_as_the_standard_finds_it(head: str, name: str) -> None:
    assert name_of(head) == name


@pytest.mark.parametrize(("before", "name"), [(0, "koi8-r"), (1, "utf-8")])
def test_only_the_first_bytes_declare(before: int, name: str) -> None:
    tag = "<meta charset=koi8-r> "
    assert name_of(" " * (PRESCANNED - len(tag) + before * 2) + tag) == name


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("utf-8", b"Z\xfcrich 5\xa0000", "Z\ufffdrich 5\ufffd000"),
        ("utf-8", b"\xe2\x82 5", "\ufffd 5"),
        ("windows-1252", b"\x80 5 \x81", "€ 5 \x81"),
        ("windows-1253", b"5\xaa6", "5\ufffd6"),
        ("shift_jis", b"\x81<b>\x87\x40\x85\xff5", "\ufffd<b>①\ufffd5"),
        ("euc-kr", b"\x8136\xff5", "\ufffd36\ufffd5"),
        ("gbk", b"\x81\x30\x84\x36 \xd2\x36\x38 \x87\x30\xf2\x31 \x813", "\xa5 \ufffd68 \ufffd \ufffd"),
        ("big5", b"\xa6\x31 \xa4\xff5", "\ufffd1 \ufffd5"),
        ("euc-jp", b"\xa46 \x80\xa4\xa2", "\ufffd6 \ufffdあ"),
    ],
)
def test_bytes_that_are_not_of_the_encoding_are_told_and_hide_no_ascii(
    label: str, data: bytes, text: str
) -> None:
    found, remarks = decode_page(b"<meta charset=%s>%s" % (label.encode(), data))
    assert found.partition(">")[2] == text
    lost = text.count("\ufffd")
    remark = f"{lost} bytes that are not {lookup(label).name} were replaced by U+FFFD."
    assert remarks == (remark,) * (lost > 0)


def test_a_character_that_is_u_fffd_itself_is_no_fault() -> None:
    assert decode_page("<meta charset=utf-8>\ufffd".encode())[1] == ()


@pytest.mark.parametrize("label", sorted(REFUSED))
def test_encodings_that_browsers_do_not_read_are_refused(label: str) -> None:
    with pytest.raises(OptionError, match=r"an encoding that browsers do not read.* Pass its text"):
        decode_page(f"<meta charset={label}>Ada is 36.".encode())


@pytest.mark.parametrize(
    "piece", [b"\x1b(I36", b"3\x1b(B\x1b(B6", b"\x0e36", b"\x1b$\x1b(J", b"\x1b$B\x29\x37 36"]
)
def test_what_python_reads_otherwise_in_japanese_mail_is_refused(piece: bytes) -> None:
    assert decode_page(b"<meta charset=iso-2022-jp>" + "東京 36".encode("iso2022_jp"))[0].endswith("東京 36")
    with pytest.raises(OptionError, match="or do not read in this form"):
        decode_page(b"<meta charset=iso-2022-jp>" + piece)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("head", ["", "<meta charset=utf-8>"])
def test_a_page_with_nul_is_no_text(head: str, encoding: str) -> None:
    with pytest.raises(OptionError, match="not text"):
        decode_page(f"{head}<p>Ada is 3\x006, and Bo is 4.".encode(encoding))


def test_what_a_page_says_has_no_say_in_a_guess() -> None:
    page = "<p>charset=cp037 encoding: cp037 coding=cp037 Der Vertrag gilt für Größe 36 in Zürich.".encode(
        "cp1252"
    )
    assert decode_page(page) == (page.decode("cp1252"), ("The encoding is a guess: cp1252.",))


# --- Chromium ---


def declared_pages(count: int) -> list[tuple[str, bytes]]:
    """Return random pages with their encodings: a declaration, and bytes that are valid in it or not."""
    random_number = random.Random(108)
    pages = []
    labels = [label for label in LABELS if lookup(label).name not in ("replacement", "iso-2022-jp")]
    for at in range(count):
        label = labels[at % len(labels)]
        name = lookup(label).name
        declaration = random_number.choice(DECLARATIONS[: 4 + ("user" not in label)]).format(label)
        choices = [range(0x80, 0x100), range(0x30, 0x3A), range(0x41, 0x5B), range(0x80, 0x100)]
        data = bytes(random_number.choice(random_number.choice(choices)) for _ in range(24))
        pages.append((name, f"{declaration}<body>@".encode() + data + b"@</body>"))
    return pages


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_chromium_reads_the_same_digits_and_the_same_text(tmp_path: Path) -> None:
    """Of the encodings that Python does not have whole, the digits; of the others, all but the number of
    U+FFFD for several invalid bytes."""
    pages = declared_pages(2_000)
    for (name, page), (_, seen) in zip(
        pages, read_in_chromium([page for _, page in pages], tmp_path), strict=True
    ):
        ours, theirs = (text.partition("@")[2].rpartition("@")[0] for text in (decode_page(page)[0], seen))
        assert re.findall("[0-9]+", ours) == re.findall("[0-9]+", theirs), page
        if name not in (*WIDE - {"euc-kr"}, "koi8-u", "windows-1255"):
            assert ours.replace("\ufffd", "") == theirs.replace("\ufffd", ""), page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_chromium_finds_the_same_declaration(tmp_path: Path) -> None:
    """Of two `charset` of one tag the standard takes the first, and Chromium the last: no page has two."""
    random_number = random.Random(108)
    choose = random_number.choice

    def quoted(value: str) -> str:
        quote = choose(("'", '"')) if re.search(r"[\s'\">]", value) else choose(("'", '"', ""))
        return quote + value.replace(quote or '"', "") + quote

    def tag() -> str:
        label = choose((choose(LABELS), choose(("utf-7", "utf-16", "latin_1", "cp037", "unicode_escape"))))
        label = choose((label, label.upper(), f" {label}\t"))
        values = {
            "charset": label,
            "http-equiv": choose(("content-type", "Content-Type", "refresh")),
            "content": choose(("text/html;charset={}", "charset = {}; x", "charset {}", "x")).format(label),
            "id": choose(("x>y", "<meta charset=koi8-r>", "")),
        }
        names = choose((["charset"], ["http-equiv", "content"], ["content", "http-equiv"], ["id", "charset"]))
        pairs = [f"{name}{choose(('=', ' = '))}{quoted(values[name])}" for name in names]
        name = choose(("meta", "META", "metax", "/meta", "p"))
        return f"<{name}{choose((' ', '/', chr(10)))}{' '.join(pairs)} >"

    def page() -> bytes:
        parts = [choose((tag, tag, lambda: f"<!-- {tag()} -->", lambda: "<!-->", lambda: f"<!x {tag()}"))()]
        parts += [tag() for _ in range(choose((0, 1, 2)))]
        return f"{''.join(parts)}<body>@é@</body>".encode()

    pages = [
        one
        for one in (page() for _ in range(1_000))
        if not re.search("iso-?2022|hz-gb|csiso2022|replacement", one.decode(), re.I)
    ]
    for one, (_, seen) in zip(pages, read_in_chromium(pages, tmp_path), strict=True):
        assert decode_page(one)[0].split("@")[-2].replace("\ufffd", "") == seen.split("@")[-2].replace(
            "\ufffd", ""
        ), one
