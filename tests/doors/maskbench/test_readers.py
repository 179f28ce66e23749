from __future__ import annotations

import json
import sys

import pytest

from structgen.doors.maskbench.readers import Instance, ReaderError, select_cases, split_of

SCHEMA = {"type": "number", "minimum": 0}
FILE = (
    '{"description": "d", "schema": {"type": "number", "minimum": 0}, '
    '"tests": [{"data": 1.0, "valid": true}, {"data": {"é": [1e-7]}, "valid": false}]}'
)
INSTANCES = (Instance(b"1.0", True), Instance('{"é": [1e-7]}'.encode(), False))


def cases(*paths, **options):
    return [read() for _, read in select_cases(paths, **options)]


def test_a_maskbench_file_gives_its_schema_and_instances(tmp_path):
    (tmp_path / "Easy---a.json").write_text(FILE, encoding="utf-8")
    (case,) = cases(tmp_path / "Easy---a.json")
    assert (json.loads(case.schema), case.instances) == (SCHEMA, INSTANCES)
    assert (case.name, case.split, case.bare) == ("Easy---a.json", "Easy", False)


def test_a_bare_schema_is_passed_on_as_the_text_it_is(tmp_path):
    text = '{ "type": "number",\n "minimum": 0.50 }'
    (tmp_path / "one.json").write_text(text)
    (case,) = cases(tmp_path / "one.json")
    assert (case.schema, case.bare, case.instances) == (text, True, ())


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": {"type": "object"}, "properties": {}}',
        '{"schema": {}, "tests": [{"data": 1}]}',
        '{"schema": 3, "tests": []}',
    ],
)
def test_a_schema_with_keys_like_those_of_maskbench_is_bare(tmp_path, text):
    (tmp_path / "one.json").write_text(text)
    assert cases(tmp_path)[0].bare


def test_a_folder_is_read_with_its_subfolders_as_splits(tmp_path):
    (tmp_path / "Kubernetes").mkdir()
    (tmp_path / "Kubernetes" / "b.json").write_text("true")
    (tmp_path / "JME_12.json").write_text(FILE, encoding="utf-8")
    assert [(case.name, case.split) for case in cases(tmp_path)] == [
        ("JME_12.json", "JME"),
        ("Kubernetes/b.json", "Kubernetes"),
    ]


def test_the_parquet_files_of_the_hub_are_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(
        {"json_schema": [json.dumps(SCHEMA), "false"], "unique_id": ["Github_easy---o1", "Github_easy---o2"]}
    )
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "state.json").write_text("{}")
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "train" / "data.parquet")
    found = cases(tmp_path)
    assert [(case.name, case.split, case.bare) for case in found] == [
        ("train/Github_easy---o1", "Github_easy", True),
        ("train/Github_easy---o2", "Github_easy", True),
    ]
    assert json.loads(found[0].schema) == SCHEMA


def test_without_pyarrow_a_table_is_refused_with_the_cure(tmp_path, monkeypatch):
    (tmp_path / "data.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReaderError, match=r"pyarrow, which is not installed.*pip install"):
        select_cases([tmp_path])


def test_a_table_without_schemas_is_refused_by_its_columns(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "data.parquet")
    with pytest.raises(ReaderError, match="only text"):
        select_cases([tmp_path])


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another(tmp_path):
    for index in range(40):
        (tmp_path / f"{index:02}.json").write_text("true")
    drawn = [{case.name for case in cases(tmp_path, sample=10, seed=seed)} for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 10


@pytest.mark.parametrize(
    ("data", "problem"), [(b'{"a": ', "not JSON at line 1"), (b'"\xff"', "not UTF-8 at byte 1")]
)
def test_a_file_that_cannot_be_read_is_a_case_with_a_problem(tmp_path, data, problem):
    (tmp_path / "a.json").write_bytes(data)
    assert problem in cases(tmp_path)[0].problem


def test_a_byte_order_mark_is_no_problem(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbftrue")
    assert cases(tmp_path)[0].schema == "true"


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_path_without_schemas_is_an_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReaderError, match=name):
        select_cases([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Github_easy---o1.json", "Github_easy"),
        ("x/Github_easy---o1.json", "Github_easy"),
        ("Kubernetes/a_1.json", "Kubernetes"),
        ("BFCL_java_0.json", "BFCL_java"),
        ("invoice.json", "root"),
        ("12.json", "root"),
    ],
)
def test_the_name_tells_the_split(name, split):
    assert split_of(name, "root") == split
