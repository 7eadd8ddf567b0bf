"""A sheet of kit labels with barcodes, as SVG, PDF or PNG: bars by python-barcode, other formats by the SVG renderer of the reports."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from defusedxml.ElementTree import fromstring

from allocation.gs1_labels import barcode_text, element_string
from allocation.rules.scanned_kits import KitLabel

LabelFormat = Literal["svg", "pdf", "png"]

_SVG: Final = "http://www.w3.org/2000/svg"
_COLUMNS: Final = 2
_WIDTH, _HEIGHT, _MARGIN = 100.0, 36.0, 4.0  # millimetres of one label; a longer code makes it wider
_DOTS_PER_INCH: Final = 300
# Millimetres: GS1 asks for a bar of 0.25 mm or more and ten bars of white beside the symbol (General Specifications, section 5.4).
_STYLE: Final = {
    "module_width": 0.25,
    "module_height": 13.0,
    "quiet_zone": 2.6,
    "font_size": 8,
    "text_distance": 4.0,
}


@dataclass(frozen=True, slots=True)
class PrintedLabel:
    """What stands on one label: `lines` for people above the bars, and what the bars say."""

    label: KitLabel
    lines: tuple[str, ...]


def label_sheet(labels: Sequence[PrintedLabel], format_: LabelFormat = "svg") -> bytes:
    """The labels (one or more) in two columns, 100 x 36 mm each or wider.

    A label with a GTIN is GS1-128, one without is Code 128 of the kit number.

    Raises DomainRefusal as `gs1_labels.element_string`.
    """
    ET.register_namespace("", _SVG)
    bars = [_bars(one.label) for one in labels]
    wide = max([_WIDTH, *(_width_of(one) + 2 * _MARGIN for one in bars)])
    columns = min(_COLUMNS, len(labels))
    sheet = ET.Element(f"{{{_SVG}}}svg", _size(columns * wide, math.ceil(len(labels) / _COLUMNS) * _HEIGHT))
    ET.SubElement(sheet, f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "white"})
    for index, (one, drawn) in enumerate(zip(labels, bars, strict=True)):
        row, column = divmod(index, _COLUMNS)
        sheet.append(_label(one.lines, drawn, wide, column * wide, row * _HEIGHT))
    svg = ET.tostring(sheet, encoding="unicode", xml_declaration=True)
    return svg.encode() if format_ == "svg" else _rendered(svg, format_)


def _rendered(svg: str, format_: LabelFormat) -> bytes:
    import vl_convert  # here, since a whole renderer is loaded with it

    if format_ == "pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    return bytes(vl_convert.svg_to_png(svg, ppi=_DOTS_PER_INCH))


def _size(width: float, height: float) -> dict[str, str]:
    return {"width": f"{width}mm", "height": f"{height}mm"}


def _width_of(bars: ET.Element) -> float:
    return float(bars.attrib["width"].removesuffix("mm"))


def _label(lines: Sequence[str], bars: ET.Element, wide: float, x: float, y: float) -> ET.Element:
    label = ET.Element(f"{{{_SVG}}}svg", {"x": f"{x}mm", "y": f"{y}mm", **_size(wide, _HEIGHT)})
    frame = {"x": "0.5mm", "y": "0.5mm", **_size(wide - 1, _HEIGHT - 1), "fill": "none", "stroke": "#999"}
    ET.SubElement(label, f"{{{_SVG}}}rect", frame)
    for index, text in enumerate(lines):
        style = {
            "x": f"{_MARGIN}mm",
            "y": f"{5.5 + 4 * index}mm",
            "font-size": "8pt",
            "font-family": "sans-serif",
        }
        ET.SubElement(label, f"{{{_SVG}}}text", style).text = text
    bars.attrib |= {"x": f"{(wide - _width_of(bars)) / 2:.2f}mm", "y": "10mm", "font-family": "sans-serif"}
    label.append(bars)
    return label


def _bars(label: KitLabel) -> ET.Element:
    # Here, since it loads an image library, which every `rtsm` command would wait for.
    from barcode import Code128, Gs1_128
    from barcode.writer import SVGWriter

    writer = SVGWriter()
    if label.gtin is None:
        code, spelled = Code128(label.kit_number, writer=writer), label.kit_number
    else:
        spelled = element_string(label)
        code = Gs1_128(barcode_text(spelled).replace("\x1d", Gs1_128.FNC1_CHAR), writer=writer)
    drawn: ET.Element = fromstring(code.render(_STYLE, text=spelled), forbid_dtd=False)
    return drawn
