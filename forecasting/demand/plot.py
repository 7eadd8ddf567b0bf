"""The forecast as a fan for each kit type: kits dispensed since the study began, seen until the cut and forecast from there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from forecasting.demand.errors import BadRequest
from forecasting.demand.forecast import DemandForecast, summary
from simulation.randomization.chart_file import INK, MUTED, styled, write_chart

_FAN: Final = "#2f6f9f"
_WIDTH, _HEIGHT = 420, 210


def check_folder(folder: Path) -> None:
    """Raises BadRequest where there is no such folder."""
    if not folder.is_dir():
        raise BadRequest(f"there is no folder {folder}", field="--plots", fix="make it, or name another")


def write_plots(found: DemandForecast, folder: Path) -> list[Path]:
    """Write demand.svg and demand.png into `folder`; gives the files. Raises BadRequest or PlotError."""
    check_folder(folder)
    import altair as alt  # after the check: it takes a while

    panels = [_panel(alt, found, kit) for kit in range(len(found.cut.kits))]
    cut = found.cut
    target = "" if found.target is None else f", enrolment ends at {found.target} subjects"
    chart = alt.concat(*panels, columns=2, spacing=36, align="all", bounds="full").properties(
        title=alt.TitleParams(
            f"Demand to {found.until}, forecast on {cut.cut_on}",
            subtitle=[
                f"Kits dispensed since {cut.begins_on}. Dark: seen; bands: 50 % and 90 % of {len(found.newcomers):,} draws; line: median.",
                f"{len(cut.subjects)} subjects randomized, {int((~cut.ended).sum())} on study{target}.",
            ],
            anchor="start",
            color=INK,
            subtitleColor=MUTED,
        )
    )
    files = [folder / "demand.svg", folder / "demand.png"]
    for file in files:
        write_chart(styled(chart), file)
    return files


def _panel(alt: Any, found: DemandForecast, kit: int) -> Any:
    cut = found.cut
    day = cut.randomized[cut.visit_subject] + cut.visit_day
    by_day = np.bincount(day, weights=cut.quantities[:, kit], minlength=cut.cut_day + 1)
    before = np.cumsum(by_day)
    seen = [
        {"on": (cut.begins_on + timedelta(days=at)).isoformat(), "kits": float(before[at])}
        for at in [*range(0, cut.cut_day, 3), cut.cut_day]
    ]
    already = float(before[-1])
    running = np.cumsum(found.of_present[:, :, kit] + found.of_new[:, :, kit], axis=1)
    fan: list[dict[str, Any]] = [
        {"on": cut.cut_on.isoformat(), **dict.fromkeys(("q05", "q25", "q50", "q75", "q95"), already)}
    ]
    for week in range(running.shape[1]):
        end = min(cut.cut_on + timedelta(days=7 * (week + 1)), found.until)
        levels = np.quantile(running[:, week], (0.05, 0.25, 0.5, 0.75, 0.95))
        names = ("q05", "q25", "q50", "q75", "q95")
        fan.append(
            {
                "on": end.isoformat(),
                **{name: already + float(value) for name, value in zip(names, levels, strict=True)},
            }
        )
    x = alt.X("on:T", title=None, axis=alt.Axis(format="%b %y", tickCount=6))
    ahead = alt.Chart(alt.Data(values=fan)).encode(x=x)
    kits = alt.Y("q05:Q", title="kits since the study began", axis=alt.Axis(minExtent=38))
    wide = ahead.mark_area(color=_FAN, opacity=0.22).encode(y=kits, y2="q95:Q")
    narrow = ahead.mark_area(color=_FAN, opacity=0.35).encode(y="q25:Q", y2="q75:Q")
    middle = ahead.mark_line(color=_FAN, strokeWidth=2).encode(y="q50:Q")
    past = (
        alt.Chart(alt.Data(values=seen))
        .mark_line(color=INK, strokeWidth=2)
        .encode(x=x, y=alt.Y("kits:Q", axis=alt.Axis(minExtent=38)))
    )
    whole = summary(found.total[:, kit])
    return (wide + narrow + middle + past).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=alt.TitleParams(
            cut.kits[kit],
            subtitle=f"{whole['median']} more ({whole['low']} to {whole['high']})",
            anchor="start",
            fontSize=14,
            color=INK,
            subtitleColor=MUTED,
        ),
    )
