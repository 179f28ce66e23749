"""Earlier answers: whose they are, how much is kept, and which files are read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from draft_cases import answer, facts, tokenizer

import structgen as sg
from structgen.native.array_file import encode_arrays
from structgen.speculation.drafters.answer_history import AnswerHistory
from structgen.speculation.planning.drafting import Drafting


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*/*.answers")
    return path


def saved(folder: Path) -> Path:
    history = AnswerHistory(tokenizer(), folder)
    history.add("a", "s", answer({"x": 1}))
    history.add("a", "s", answer({"x": 22}))
    assert history.save("a") == 1
    return only_file(folder)


def test_what_is_saved_is_read_by_another_process(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert AnswerHistory(tokenizer(), tmp_path).answers("a", "s") == [answer({"x": 1}), answer({"x": 22})]
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*/.*"))  # nothing is left beside it


def test_two_that_save_keep_what_both_have_learnt(tmp_path: Path) -> None:
    one, two = AnswerHistory(tokenizer(), tmp_path), AnswerHistory(tokenizer(), tmp_path)
    assert one.answers("a", "s") == two.answers("a", "s") == []
    one.add("a", "s", answer(1))
    two.add("a", "s", answer(2))
    one.save("a")
    two.save("a")
    assert AnswerHistory(tokenizer(), tmp_path).answers("a", "s") == [answer(1), answer(2)]


def test_tenants_and_schemas_are_apart(tmp_path: Path) -> None:
    history = AnswerHistory(tokenizer(), tmp_path)
    history.add("a", "s", answer("secret"))
    for tenant, schema in (("b", "s"), ("a", "t"), ("", "s"), ("a", "")):
        assert history.answers(tenant, schema) == [] and history.index(tenant, schema) is None
    history.save("a")
    assert b"secret" not in b"".join(path.name.encode() for path in tmp_path.rglob("*"))
    # a file that was moved to another tenant's place is refused
    path = only_file(tmp_path)
    other = AnswerHistory(tokenizer(), tmp_path)
    other.add("b", "s", answer(1))
    other.save("b")
    (place,) = (one for one in tmp_path.glob("*/*.answers") if one != path)
    place.write_bytes(path.read_bytes())
    with pytest.raises(sg.StructgenError, match="schema or tenant"):
        AnswerHistory(tokenizer(), tmp_path).answers("b", "s")


def test_deleted_is_deleted_from_memory_and_disk(tmp_path: Path) -> None:
    saved(tmp_path)
    history = AnswerHistory(tokenizer(), tmp_path)
    history.add("a", "t", answer(3))
    history.add("b", "s", answer(4))
    history.save("a")
    history.save("b")
    assert history.index("a", "s") is not None and history.index("a", "t") is not None
    assert history.delete("a", "t") == 1
    assert history.answers("a", "t") == [] and len(history.answers("a", "s")) == 2
    assert history.delete("a") == 2
    assert history.answers("a", "s") == [] and history.index("a", "s") is None
    assert len(list(tmp_path.glob("*/*.answers"))) == 1
    assert AnswerHistory(tokenizer(), tmp_path).answers("a", "s") == []
    assert history.nbytes == 4 * len(answer(4)) + 128


def test_a_damaged_file_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    damaged = [content[:cut] for cut in range(0, len(content), 7)]
    damaged += [content[:i] + bytes((content[i] ^ 1,)) + content[i + 1 :] for i in range(0, len(content), 3)]
    damaged += [content + b"\0", b"\x80\x04N."]
    for one in damaged:
        path.write_bytes(one)
        with pytest.raises(sg.StructgenError, match=r"No earlier answers can be read.*Delete it with"):
            AnswerHistory(tokenizer(), tmp_path).answers("a", "s")
    # and it can be mended as the message says
    history = AnswerHistory(tokenizer(), tmp_path)
    history.delete("a")
    assert history.answers("a", "s") == []


def written(path: Path, tokenizer_: str = "", tenant: str = "a", schema: str = "s", **arrays: object) -> None:
    """Write a file whose checksum is right: by default one that is read."""
    digests = [blake2b(name.encode(), digest_size=16).hexdigest() for name in (tenant, schema)]
    held = {"ends": np.array([2, 3], "<i8"), "tokens": np.array([5, 6, 7], "<i4")}
    held |= {name: np.array(value, held[name].dtype) for name, value in arrays.items()}
    about = " ".join([tokenizer_ or tokenizer().fingerprint, *digests])
    path.write_bytes(encode_arrays("answers 2", about, {}, held))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "t"}, "of another version, tokenizer, schema or tenant"),
        ({"tenant": "b"}, "of another version, tokenizer, schema or tenant"),
        ({"tokenizer_": "0" * 40}, "of another version, tokenizer, schema or tenant"),
        ({"ends": []}, "do not add up"),
        ({"ends": [2]}, "do not add up"),
        ({"ends": [-1, 3]}, "do not add up"),
        ({"ends": [3, 3]}, "do not add up"),
        ({"ends": [2, 1 << 40]}, "do not add up"),
        ({"tokens": [5, 6, 1 << 20]}, "none of the tokenizer's"),
        ({"tokens": [5, -6, 7]}, "none of the tokenizer's"),
    ],
)
def test_a_file_of_something_else_is_refused_though_its_sum_is_right(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = saved(tmp_path)
    written(path)
    assert AnswerHistory(tokenizer(), tmp_path).answers("a", "s") == [[5, 6], [7]]
    written(path, **change)
    with pytest.raises(sg.StructgenError, match=rf"{said}.*Delete it with"):
        AnswerHistory(tokenizer(), tmp_path).answers("a", "s")


def test_tokens_out_of_range_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="none of the tokenizer's"):
        AnswerHistory(tokenizer()).add("a", "s", [1 << 20])


def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0o666)
    with pytest.raises(sg.StructgenError, match="others may write to it"):
        AnswerHistory(tokenizer(), tmp_path).answers("a", "s")


def test_a_refused_file_drops_the_drafter_and_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path).write_bytes(b"")
    drafting = Drafting([AnswerHistory(tokenizer(), tmp_path).drafter()], facts(schema="s", tenant="a"))
    assert "No earlier answers can be read" in drafting.dropped["earlier"]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    history = AnswerHistory(tokenizer(), tenant_bytes=2000, most_bytes=3000)
    answers = [answer({"number": number}) for number in range(100)]
    for one in answers:
        history.add("a", "s", one)
        assert history.nbytes <= 2000
    kept = history.answers("a", "s")
    assert len(kept) > 3 and kept == answers[-len(kept) :]
    history.add("a", "s", kept[0])  # is the newest now, and not there twice
    assert history.answers("a", "s") == [*kept[1:], kept[0]]
    for one in answers:
        history.add("b", "s", one)
        assert history.nbytes <= 3000
    assert len(history.answers("b", "s")) == len(kept)
    history.add("c", "s", answers[0] * 1000)  # larger than all that may be kept
    assert history.answers("c", "s") == []


def test_the_index_is_bounded_and_holds_the_newest() -> None:
    history = AnswerHistory(tokenizer())
    history.add("a", "s", answer("first"))
    first = history.index("a", "s")
    assert first is not None and history.index("a", "s") is first
    long = answer(list(range(3000)))
    for number in range(20):
        history.add("a", "s", [*long, number])
    index = history.index("a", "s")
    assert index is not None and index is not first
    assert len(index.text) <= 1 << 13
    assert len(long) > 1 << 12 and list(index.text)[:2] == [-1, long[0]]


def test_threads_may_add_and_read_at_once() -> None:
    history = AnswerHistory(tokenizer(), tenant_bytes=4000, most_bytes=6000)

    def work(tenant: str) -> None:
        for number in range(60):
            history.add(tenant, "s", answer(number))
            index = history.index(tenant, "s")
            assert index is None or len(index.text)
            if number % 20 == 19:
                history.delete(tenant)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, "aabb"))
    assert history.nbytes <= 6000


def test_a_history_without_a_folder_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(sg.errors.OptionError, match="no folder"):
        AnswerHistory(tokenizer()).save("a")
    (tmp_path / "file").write_bytes(b"")
    history = AnswerHistory(tokenizer(), tmp_path / "file")
    history.add("a", "s", answer(1))
    with pytest.raises(sg.StructgenError, match=r"Choose a folder that can be written\."):
        history.save("a")
    assert history.answers("a", "s") == [answer(1)]
