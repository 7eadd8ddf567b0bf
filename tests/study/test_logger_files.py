"""CSV files of loggers, as several makers' programs write them; what cannot be read for certain is refused with its line."""

from datetime import UTC, datetime

import pytest

from allocation.errors import FileRefused
from allocation.logger_files import read_logger_file

START = datetime(2026, 3, 31, 12, 5, tzinfo=UTC).timestamp()  # 14:05 in Berlin

SENSITECH = """Serial Number,ABC123
Trip Number,7
Date,Time,Temperature (F)
03/31/2026,02:05:00 PM,41.0
03/31/2026,02:15:00 PM,50.0
"""
ELPRO = """LIBERO CS;SN 123
Start delay;00:30
No.;Date/Time;Temperature [°C];Lower limit [°C];Upper limit [°C]
1;31.03.2026 14:05:00;5,0;2,0;8,0
2;31.03.2026 14:15:00;10,0;2,0;8,0
"""
TESTO = '"Datum/Zeit";"Temperatur [°C]";"Feuchte [%]"\n"31.03.2026 14:05";"5,0";"40"\n"31.03.2026 14:15";"10,0";"41"\n'
BERLINGER = "Timestamp (UTC)\tTemperature °C\n2026-03-31T12:05:00\t5.0\n2026-03-31T12:15:00\t10.0\n"
ISO = "date time,temp_celsius\n2026-03-31T12:05:00Z,5\n2026-03-31T12:15:00Z,+10.0\n"
WITH_UNITS = "Date and time;Temp °C\n31-Mar-2026 14:05;5,0 °C\n31-Mar-2026 14:15;10,0 °C\n"


@pytest.mark.parametrize("text", [SENSITECH, ELPRO, TESTO, BERLINGER, ISO, WITH_UNITS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_the_same_readings_come_from_every_makers_file(text: str, encoding: str) -> None:
    found = read_logger_file(text.encode(encoding), "Europe/Berlin").curve
    assert found.seconds.tolist() == [START, START + 600]
    assert found.celsius.tolist() == pytest.approx([5.0, 10.0])


def file(*rows: str, header: str = "Date time;Temperature (°C)") -> bytes:
    return "\n".join([header, *rows]).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            file("2026-03-31 14:05;5", header="Date time;Temperature"),
            "line 1: column 'Temperature' names no unit",
        ),
        (file("2026-03-31 14:05;5", header="Date time;Humidity (%)"), "no header"),
        (file("2026-03-31 14:05;5;"), "fewer than two readings"),
        (file("2026-03-31 14:05;5", "2026-03-31 14:15;cold"), "line 3: 'cold' is not a temperature"),
        (file("2026-03-31 14:05;5", "2026-03-31 14:15;50 °F"), "line 3: '50 °F' is in °F"),
        (file("2026-03-31 14:05;278", "2026-03-31 14:15;279"), "line 2: 278 °C is outside"),
        (file("2026-03-31 14:05;5", "2026-03-31"), "line 3: has 1 columns"),
        (file("2026-03-31 14:05;5", "2026-03-31 14:05;6"), "line 3: 2026-03-31 14:05 is not after"),
        (file("2026-03-31 14:05;5", "tomorrow;6"), "line 3: 'tomorrow' is no date and time"),
        (
            file("03/04/2026 14:05;5", "04/04/2026 14:05;5"),
            "line 2: '03/04/2026 14:05' may be day or month first",
        ),
        (b"\x00\x01\xff\xfe\x80", "line 1"),
        (b"", "no header"),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused_with_its_line_and_what_to_do(
    content: bytes, said: str
) -> None:
    with pytest.raises(FileRefused) as caught:
        read_logger_file(content, "Europe/Berlin")
    assert said in str(caught.value)


def test_a_day_above_twelve_tells_which_comes_first() -> None:
    rows = ("04/03/2026 14:05;5", "13/03/2026 14:05;5")
    found = read_logger_file(file(*rows), "UTC").curve
    assert datetime.fromtimestamp(found.seconds[0], UTC).date().isoformat() == "2026-03-04"
