"""`rtsm study import-usdm`: to the screen, to a file, as JSON; bad input and wrong usage end with their own codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allocation.study.usdm import draft_yaml, import_usdm
from rtsm import app
from tests.study.small_usdm import small_usdm

runner = CliRunner()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(small_usdm()), encoding="utf-8")
    return file


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = runner.invoke(app, ["study", "import-usdm", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_draft_goes_to_standard_output_and_nothing_else(document: Path) -> None:
    assert run(document) == (0, draft_yaml(import_usdm(document), "small.json"), "")


def test_out_writes_the_file_and_lists_what_is_to_fill_in(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.yaml"
    code, shown, _ = run(document, "--out", out)
    assert code == 0
    assert out.read_text(encoding="utf-8") == draft_yaml(import_usdm(document), "small.json")
    assert "2 arms, 3 epochs, 4 elements, 6 cells, 6 visits, 2 criteria" in shown
    assert "  arms[1].ratio: the share of 'Placebo' in the allocation, a whole number\n" in shown
    assert "  kit_types: " in shown


def test_the_drafted_file_fails_validation_until_it_is_filled_in(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.yaml"
    run(document, "--out", out)
    result = runner.invoke(app, ["study", "validate", str(out)])
    assert result.exit_code == 1
    assert result.output.count("TO FILL IN is still to be decided") == 15
    assert f"{out} has 15 problems" in result.output


def test_an_existing_file_is_replaced_only_by_force(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.yaml"
    out.write_text("mine\n", encoding="utf-8")
    code, _, refused = run(document, "--out", out)
    assert code == 2
    assert "exists" in refused
    assert out.read_text(encoding="utf-8") == "mine\n"
    assert run(document, "--out", out, "--force")[0] == 0
    assert out.read_text(encoding="utf-8") != "mine\n"


def test_json_has_the_data_and_every_finding(document: Path) -> None:
    code, shown, _ = run(document, "--json")
    answer = json.loads(shown)
    outcome = import_usdm(document)
    assert code == 0
    assert answer["protocol"] == outcome.protocol_data
    assert answer["counts"]["visits"] == 6
    assert [(one["kind"], one["path"], one["message"]) for one in answer["findings"]] == [
        (finding.kind, finding.path, finding.message) for finding in outcome.findings
    ]


def test_a_truncated_document_ends_with_one_line_and_code_1_and_writes_nothing(
    document: Path, tmp_path: Path
) -> None:
    text = document.read_text(encoding="utf-8")
    document.write_text(text[: len(text) // 2], encoding="utf-8")
    out = tmp_path / "study.yaml"
    code, shown, refused = run(document, "--out", out)
    assert (code, shown) == (1, "")
    assert refused.startswith(f"rtsm: {document}: line 1 column ")
    assert refused.count("\n") == 1
    assert not out.exists()


def test_out_in_a_folder_that_is_not_there_is_wrong_usage(document: Path, tmp_path: Path) -> None:
    code, _, refused = run(document, "--out", tmp_path / "none" / "study.yaml")
    assert code == 2
    assert "--out" in refused
