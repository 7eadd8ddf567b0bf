"""A file that is no USDM 4 document is refused in one line that names the file, the place and the fix."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from allocation.study.usdm import UsdmUnreadable, import_usdm
from tests.study.small_usdm import Json, small_usdm


def refusal(file: Path) -> str:
    with pytest.raises(UsdmUnreadable) as refused:
        import_usdm(file)
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(str(file))
    assert text.endswith(")"), "the fix is missing"
    return text


def written(folder: Path, content: object) -> Path:
    file = folder / "study.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.81, 0.99])
def test_a_truncated_file_is_named_as_cut_off_with_the_place(tmp_path: Path, share: float) -> None:
    whole = json.dumps(small_usdm(), indent=1)
    text = refusal(written(tmp_path, whole[: int(len(whole) * share)]))
    assert "ends in the middle" in text
    assert "line " in text
    assert "copy it again" in text


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    assert "cut off or empty" in refusal(written(tmp_path, " \n"))


def test_a_file_that_is_no_json_says_where(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "study:\n  versions: []\n"))
    assert "line 1 column 1: is no JSON" in text


def edit(change: Callable[[Json], object]) -> Json:
    document = small_usdm()
    change(document)
    return document


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ([], "study", "not a USDM document"),
        ("text", "study", "not a USDM document"),
        ({"resourceType": "ResearchStudy"}, "study", "not a USDM document"),
        ({"study": None, "usdmVersion": "4.0.0"}, "study", "not a USDM document"),
        (edit(lambda d: d["study"].update(versions=[])), "study.versions", "no study version"),
        (edit(lambda d: d["study"].pop("versions")), "study.versions", "no study version"),
        (edit(lambda d: d["study"]["versions"][0].pop("studyDesigns")), "study.versions[0].studyDesigns", "no study design"),
        (edit(lambda d: d.update(usdmVersion="3.0.0")), "usdmVersion", "'3.0.0' is not supported"),
        (edit(lambda d: d.update(usdmVersion=2)), "usdmVersion", "2 is not supported"),
    ],
)  # fmt: skip
def test_a_json_that_is_no_usdm_4_study_is_refused(
    tmp_path: Path, document: Json, path: str, words: str
) -> None:
    file = written(tmp_path, json.dumps(document))
    text = refusal(file)
    assert f"{file}: {path}: " in text
    assert words in text


def test_a_missing_file_a_folder_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.json")
    assert "cannot be read" in refusal(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b'{"study": "\xff\xfe"}')
    assert "not text in UTF-8" in refusal(binary)


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    assert "nested too deep" in refusal(written(tmp_path, '{"study":' + "[" * 200_000 + "]" * 200_000 + "}"))


def test_a_document_without_its_version_is_read_with_a_remark(tmp_path: Path) -> None:
    outcome = import_usdm(written(tmp_path, edit(lambda d: d.pop("usdmVersion"))))
    assert any(finding.path == "usdmVersion" for finding in outcome.of_kind("doubtful"))


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "bom.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(small_usdm()).encode())
    assert import_usdm(os.fspath(file)).protocol_data["study"]["id"] == "SMALL-1"
