"""Kit labels: what is printed is read back by another library, and what a scanner sends is understood, or refused in words."""

import io
from datetime import date

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from allocation.errors import DomainRefusal
from allocation.gs1_labels import SEPARATOR, barcode_text, element_string, is_gtin, read_label
from allocation.kit_labels import PrintedLabel, label_sheet
from allocation.rules.scanned_kits import KitLabel

GTIN = "09501101530003"  # the example of the GS1 General Specifications
FULL = KitLabel("A-12", GTIN, date(2028, 6, 30), "L26.01")
NUMBERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,19}", fullmatch=True)


def test_printed_labels_are_read_back_by_an_independent_reader() -> None:
    labels = [KitLabel("483920"), KitLabel("483921", GTIN), FULL, KitLabel("K" * 40)]
    sheet = label_sheet([PrintedLabel(one, ("STUDY", f"Kit {one.kit_number}")) for one in labels], "png")
    found = {one.bytes.decode(): one for one in zxingcpp.read_barcodes(Image.open(io.BytesIO(sheet)))}
    assert set(found) == {
        "483920",
        f"01{GTIN}21483921",
        f"01{GTIN}1728063010L26.01\x1d21A-12",
        "K" * 40,
    }
    kinds = {text: one.symbology_identifier for text, one in found.items()}
    assert {text for text, kind in kinds.items() if kind == "]C1"} == {text for text in found if "21" in text}
    for one in labels:
        assert one in [read_label(f"{kinds[text]}{text}" if GTIN in text else text) for text in found]


@pytest.mark.parametrize(("format_", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_a_sheet_is_written_in_each_format(format_, begins) -> None:
    assert label_sheet([PrintedLabel(FULL, ("STUDY",))], format_).startswith(begins)


@given(
    number=NUMBERS,
    lot=st.none() | NUMBERS,
    expiry=st.none() | st.dates(date(2020, 1, 1), date(2050, 12, 31)),
    before=st.sampled_from(("", "]C1", "]d2", "]Q3")),
    separator=st.sampled_from(("\x1d", SEPARATOR)),
)
def test_what_is_written_is_read_again_however_it_is_sent(number, lot, expiry, before, separator) -> None:
    label = KitLabel(number, GTIN, expiry, lot)
    spelled = element_string(label)
    assert read_label(spelled) == label
    assert read_label(before + barcode_text(spelled).replace("\x1d", separator)) == label


@given(number=st.from_regex(r"[A-Za-z1-9][A-Za-z0-9_.\-]{0,39}", fullmatch=True))
def test_a_kit_number_alone_is_itself(number) -> None:
    assert read_label(number) == KitLabel(number)


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        ("", "neither"),
        ("two words", "neither"),
        ("4" * 41, "neither"),
        (f"]C101{GTIN}17280630", "serial number (21)"),
        ("]C10109501101530004" + "21A1", "check digit"),
        (f"]C101{GTIN}17289930" + "21A1", "not a whole GS1"),
        ("(01)09501101530003(21)", "serial number (21)"),
        ("(99", "neither"),
    ],
)
def test_an_unreadable_scan_is_refused_with_what_to_do(scan, said) -> None:
    with pytest.raises(DomainRefusal, match="scanned") as refused:
        read_label(scan)
    assert said in refused.value.message
    assert (refused.value.code, refused.value.field) == ("label-unreadable", "scan")


def test_what_gs1_has_no_room_for_is_refused() -> None:
    with pytest.raises(DomainRefusal, match="longer than the 20"):
        element_string(KitLabel("1" * 21, GTIN))


def test_a_gtin_has_fourteen_digits_and_a_check_digit() -> None:
    assert is_gtin(GTIN)
    assert not any(is_gtin(text) for text in ("09501101530004", "9501101530003", "", "0950110153000X"))
