"""`rtsm excursion` on a database, as people type it: from a logger's file to the signed release, and a picture of the curve."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.commands.service import utc_now
from tests.api.trial import PASSWORD, make_people
from tests.commands.desk import desk_at
from tests.commands.test_excursions import cold_chain, readings
from tests.project.test_kit_commands import answer


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, datetime]:
    """A stocked trial with everybody's account, and a moment when its sites had their kits."""
    address = f"sqlite:///{tmp_path_factory.mktemp('excursions') / 'rtsm.db'}"
    with desk_at(address) as desk:
        desk.set_up(document=cold_chain())
        make_people(desk.database, utc_now)
        return address, desk.now


def run(url: str, *arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(rtsm.app, ["excursion", *arguments, "--db", url], input=said)


def test_a_loggers_file_is_recorded_shown_plotted_and_its_kits_released(
    trial: tuple[str, datetime], tmp_path: Path
) -> None:
    url, now = trial
    file, pdf = tmp_path / "logger.csv", tmp_path / "logger.pdf"
    file.write_bytes(readings(now + timedelta(hours=1), 5, 5, 7, 11, 9, 6, 5, 4, 3, 5))
    pdf.write_bytes(b"%PDF-1.7 report")
    why = ("--reason", "alarm")
    found = answer(run(url, "record", str(file), "--site", "S01", "--attach", str(pdf), *why, "--json"))
    assert {one["minutes_above"] for one in found["kits"]} == {21}
    assert found["quarantined"]
    listed = answer(run(url, "list", "--site", "S01", "--json"))["excursions"]
    assert (listed[0]["open"], len(listed[0]["attachments"])) == (len(found["quarantined"]), 1)
    for words in (("list",), ("show", "S01-E1")):
        shown = run(url, *words)
        assert (shown.exit_code, "ZZ" in shown.output) == (0, False), shown.output
    picture = tmp_path / "curve.svg"
    plotted = run(url, "plot", "S01-E1", "--out", str(picture))
    assert plotted.exit_code == 0, plotted.output
    drawn = picture.read_text()
    assert "Excursion S01-E1" in drawn
    assert "8 °C" in drawn
    settle = ("settle", "S01-E1", "release", *why, "--as", "supply", "--json")
    assert answer(run(url, *settle, said=f"{PASSWORD}\n{PASSWORD}\n"))["kits"] == found["quarantined"]
    verified = CliRunner().invoke(rtsm.app, ["ledger", "verify", "--db", url])
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("Date time;Temperature\n", ("--site", "S01"), "names no unit"),
        ("Date time;Temperature (K)\n", ("--site", "S01"), "names no unit"),
        (
            "Date time;Temperature (C)\n2026-03-04 10:00;5\n2026-03-04 10:10;5\n",
            (),
            "shipment_id, parcel_id, site_id and depot_id",
        ),
        ("Date time;Temperature (C)\n2026-03-04 10:00;5\n2026-03-04 10:10;5\n", ("--site", "S99"), "S99"),
        ("Date time;Temperature (C)\n2026-03-04 10:00;5\n2026-03-04 10:10;5\n", ("--shipment", "X"), "X"),
    ],
)
def test_what_cannot_be_recorded_gets_one_line_that_names_it(
    trial: tuple[str, datetime], tmp_path: Path, content: str, arguments: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "logger.csv"
    file.write_text(content)
    result = run(trial[0], "record", str(file), "--reason", "alarm", *arguments)
    assert (result.exit_code, said in result.output) == (1, True), result.output
