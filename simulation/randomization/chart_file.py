"""Writing a chart to a file, SVG or PNG, without a browser, and the look that all charts share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from simulation.errors import SimulationError

INK: Final = "#1c2b36"
MUTED: Final = "#55636f"
_RULE: Final = "#dfe5ea"
_FONT: Final = "Helvetica Neue, Arial, sans-serif"


class PlotError(SimulationError):
    """A plot cannot be written as it was asked for."""

    default_code = "plot"


def check_chart_file(file: Path) -> None:
    """Check what can be checked before the work: raises PlotError for another kind of file, or a folder that is not there."""
    if file.suffix.lower() not in (".svg", ".png"):
        raise PlotError(
            f"{file.name} is neither .svg nor .png", field="--plot", fix="name it like balance.svg"
        )
    if not file.parent.is_dir():
        raise PlotError(f"there is no folder {file.parent}", field="--plot", fix="make it, or name another")


def styled(chart: Any) -> Any:
    """The chart (Altair) with the look that all charts share."""
    return (
        chart.properties(padding=18, background="white")
        .configure(font=_FONT)
        .configure_title(fontSize=18, subtitleFontSize=12, subtitlePadding=6, offset=12)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=INK,
            gridColor=_RULE,
            domainColor="#9aa7b2",
            tickColor="#9aa7b2",
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=10,
        )
        .configure_legend(labelColor=INK, labelFontSize=12, columnPadding=18)
    )


def write_chart(chart: Any, file: Path) -> None:
    """Write the chart to `file` (.svg or .png at twice the size). Raises PlotError for a place that cannot be written to."""
    specification = chart.to_json()
    import vl_convert  # after the checks: it takes a while

    content: bytes
    if file.suffix.lower() == ".svg":
        content = vl_convert.vegalite_to_svg(specification).encode()
    else:
        content = vl_convert.vegalite_to_png(specification, scale=2)
    try:
        file.write_bytes(content)
    except OSError as unwritable:
        raise PlotError(
            f"{file} cannot be written ({unwritable.strerror})", field="--plot", fix="name another file"
        ) from unwritable
