"""What Chromium reads of pages: their encodings and their texts."""

from __future__ import annotations

import base64
import html
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

_PAGE = """<!doctype html><meta charset=utf-8><body><script>
const pages = %s, read = [];
let begun = 0, ended = 0;
function next() {
  if (begun == pages.length) return;
  const at = begun++, frame = document.createElement("iframe");
  const bytes = Uint8Array.from(atob(pages[at]), c => c.charCodeAt(0));
  frame.src = URL.createObjectURL(new Blob([bytes], {type: "text/html"}));
  frame.onload = () => {
    const page = frame.contentDocument;
    read[at] = [page.characterSet, page.body.textContent];
    frame.remove();
    next();
    if (++ended < pages.length) return;
    const escape = char => "\\\\u" + char.charCodeAt(0).toString(16).padStart(4, "0");
    document.body.textContent = JSON.stringify(read).replace(/[^ -~]/g, escape);
  };
  document.body.append(frame);
}
for (let at = 0; at < 50; at++) next();
</script>"""


def read_in_chromium(pages: Sequence[bytes], folder: Path) -> list[tuple[str, str]]:
    """Return of each page the name of its encoding, and the text of its body, as Chromium reads them: a page
    that declares nothing is UTF-8, because the page that it stands in is. Cost: 1 ms a page, and 2 s."""
    assert CHROMIUM is not None, "the test is skipped without"
    file = folder / "pages.html"
    file.write_text(_PAGE % json.dumps([base64.b64encode(page).decode() for page in pages]))
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        f"--user-data-dir={folder / 'chromium'}",
    ]
    done = subprocess.run(
        [*command, "--virtual-time-budget=600000", "--dump-dom", file.as_uri()],
        capture_output=True,
        timeout=600,
        check=True,
    )
    body = done.stdout.decode().rpartition("<body>")[2].rpartition("</body>")[0]
    return [(encoding, text) for encoding, text in json.loads(html.unescape(body))]
