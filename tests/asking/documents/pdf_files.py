"""PDF files written by hand, from the operators of their pages."""

from __future__ import annotations


def pdf_of(*pages: str, rest: str = "", labels: str = "") -> bytes:
    """Return a PDF with these streams of operators as pages, whose font is /F1. `rest` is more of the
    dictionary of the first page, `labels` the tree of labels of pages."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {f'/PageLabels {labels}' if labels else ''} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for at, page in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * at} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> {rest if at == 0 else ''}>>"
        )
        objects.append(f"<< /Length {len(page)} >>\nstream\n{page}\nendstream")
    return pdf_of_objects(*objects)


def pdf_of_objects(*objects: str) -> bytes:
    """Return a PDF with these objects, from number 1; the first is its catalogue."""
    written, places = "%PDF-1.4\n", []
    for at, one in enumerate(objects, 1):
        places.append(f"{len(written):010} 00000 n \n")
        written += f"{at} 0 obj\n{one}\nendobj\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{''.join(places)}"
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(written)}\n%%EOF"
    return f"{written}{table}{end}".encode("latin-1")


def lines(*texts: str, mode: int = 0) -> str:
    """Return the operators of some lines of text; mode 3 is invisible."""
    return f"BT {mode} Tr /F1 12 Tf 72 700 Td {' '.join(f'({text}) Tj 0 -14 Td' for text in texts)} ET"
