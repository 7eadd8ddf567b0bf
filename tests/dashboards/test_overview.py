"""The overview's figures, charts and tables against the database that they are of."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.ledger.schema import kit, subject
from allocation.views.blinded.overview import study_overview
from allocation.views.blinded.overview_models import DayCount, StudyOverview
from dashboards.blinded.charts import (
    against_plan,
    cumulated,
    enrolment_curve,
    plan_bars,
    stock_bars,
    stock_by_place,
    stock_elsewhere,
)
from dashboards.blinded.key_figures import key_figures
from dashboards.blinded.overview_tables import events_table, expiries_table, shipments_table, site_rows
from dashboards.freshness import PublishedDatasets
from dashboards.live_pages import datasets_line, read_overview
from dashboards.look import PAST_LAST_DAY
from dashboards.session import utc_now
from tests.api.conftest import Trial
from tests.api.trial import STUDY


@pytest.fixture
def overview(trial: Trial) -> StudyOverview:
    return study_overview(trial.database, SYSTEM_ACTOR, STUDY)


@pytest.fixture
def past(trial: Trial) -> StudyOverview:
    """The same a year on: every kit may no more be dispensed."""
    return study_overview(
        trial.database, SYSTEM_ACTOR, STUDY, now=trial.clock.now + timedelta(days=365), days_ahead=90
    )


@pytest.fixture
def books(trial: Trial) -> Iterator[dict[tuple[str, str], int]]:
    """Kits on the books by place kind and status."""
    with trial.database.read() as connection:
        rows = connection.execute(
            select(kit.c.place_kind, kit.c.status, func.count()).group_by(kit.c.place_kind, kit.c.status)
        )
        yield {(place_kind, status): count for place_kind, status, count in rows}


def values(figure, name):
    """What a trace of a chart shows, by its label on the other axis."""
    (trace,) = [trace for trace in figure.data if trace.name.startswith(name)]
    return dict(zip(trace.y, trace.x, strict=True)) if trace.orientation == "h" else list(trace.y)


def test_the_curves_end_at_the_totals_and_the_plan_at_the_planned_subjects(overview):
    figure = enrolment_curve(overview, whole_study=True)
    assert values(figure, "Screened")[-1] == overview.enrolment.total.screened == 8
    assert values(figure, "Randomized")[-1] == overview.enrolment.total.randomized == 5
    assert values(figure, "Planned") == [0, 40]
    (plan,) = [trace for trace in figure.data if trace.name.startswith("Planned")]
    assert list(plan.x) == [date(2026, 3, 2), date(2026, 6, 10)]


def test_a_part_of_a_study_is_not_measured_against_the_whole_plan(overview):
    figure = enrolment_curve(overview, whole_study=False)
    assert [trace.name.split()[0] for trace in figure.data] == ["Screened", "Randomized"]
    assert [one.name for one in against_plan(overview, whole_study=False)] == [
        "Site S01 (S01)",
        "Site S02 (S02)",
    ]


def test_a_curve_is_carried_on_to_the_moment_of_the_view():
    days = [DayCount(day=date(2026, 1, 1), subjects=2), DayCount(day=date(2026, 1, 4), subjects=3)]
    assert cumulated(days, date(2026, 1, 9)) == (
        [date(2026, 1, 1), date(2026, 1, 4), date(2026, 1, 9)],
        [2, 5, 5],
    )
    assert cumulated(days, date(2026, 1, 4)) == ([date(2026, 1, 1), date(2026, 1, 4)], [2, 5])
    assert cumulated([], date(2026, 1, 4)) == ([], [])


def test_the_bars_of_countries_are_the_subjects_on_the_books(overview, trial):
    figure = plan_bars(against_plan(overview, whole_study=True))
    with trial.database.read() as connection:
        rows = connection.execute(
            select(subject.c.country, func.count(subject.c.randomized_on)).group_by(subject.c.country)
        ).all()
    assert values(figure, "Randomized") == {"Germany": dict(tuple(row) for row in rows)["DEU"], "France": 0}
    assert values(figure, "Planned") == {"Germany": 25, "France": 15}


def test_the_stock_shown_is_the_stock_on_the_books_kit_for_kit(overview, books):
    rows = stock_by_place(overview, None)
    assert list(rows) == ["Depot D1", "In transit", "Sites"]
    assert sum(rows["Depot D1"].values()) == sum(n for (place, _), n in books.items() if place == "depot")
    assert rows["In transit"] == {"In transit": books["transit", "in_transit"]}
    assert rows["Sites"]["Available"] == books["site", "site_available"]
    elsewhere = books["subject", "dispensed"]
    assert stock_elsewhere(overview, None) == f"{elsewhere} with subjects"
    shown = sum(sum(statuses.values()) for statuses in rows.values())
    assert shown + elsewhere == sum(books.values()) == 60


def test_one_look_is_all_of_this_trial_and_another_has_nothing(overview):
    assert stock_by_place(overview, "Bottle of 35 tablets") == stock_by_place(overview, None)
    assert stock_by_place(overview, "Another look") == {}


def test_kits_past_their_last_day_are_not_shown_as_available(past, books):
    rows = stock_by_place(past, None)
    assert rows["Sites"]["Available"] == 0
    assert rows["Sites"][PAST_LAST_DAY] == books["site", "site_available"]
    figures = {figure.label: figure for figure in key_figures(past, whole_study=True)}
    assert figures["Kits ready at sites"].value == "0"
    passed = sum(one.kits for one in past.expiries_ahead)
    assert (figures["Expiring in 90 days"].note, figures["Expiring in 90 days"].tone) == (
        f"{passed} past it",
        "alert",
    )
    assert site_rows(past)["Kits ready"] == [0, 0]
    assert expiries_table(past).count("passed ") == len(past.expiries_ahead) > 0


def test_the_bars_of_stock_carry_their_numbers_as_text(overview):
    figure = stock_bars(overview, None)
    labels = {text for trace in figure.data for text in trace.text if text}
    labels |= {annotation.text for annotation in figure.layout.annotations}
    for statuses in stock_by_place(overview, None).values():
        assert str(sum(statuses.values())) in labels


def test_behind_and_ahead_of_plan_are_told_apart(overview):
    by_label = {figure.label: figure for figure in key_figures(overview, whole_study=True)}
    randomized = by_label["Randomized of 40"]
    # 16 of 100 days are over: the plan expects 6.4 of 40.
    assert (randomized.value, randomized.note, randomized.tone) == ("5", "1 behind plan", "alert")
    early = overview.enrolment.plan.model_copy(update={"expected_by_now": 3.0})
    ahead = overview.model_copy(update={"enrolment": overview.enrolment.model_copy(update={"plan": early})})
    figure = key_figures(ahead, whole_study=True)[0]
    assert (figure.note, figure.tone) == ("2 ahead of plan", "good")


def test_a_hair_behind_plan_is_said_and_is_no_alarm(overview):
    nearly = overview.enrolment.plan.model_copy(update={"expected_by_now": 500.0})
    total = overview.enrolment.total.model_copy(update={"randomized": 497})
    enrolment = overview.enrolment.model_copy(update={"plan": nearly, "total": total})
    figure = key_figures(overview.model_copy(update={"enrolment": enrolment}), whole_study=True)[0]
    assert (figure.note, figure.tone) == ("3 behind plan", "neutral")


def test_screening_failures_are_a_share_of_those_whose_screening_has_ended(overview):
    by_label = {figure.label: figure for figure in key_figures(overview, whole_study=True)}
    assert by_label["Screened"].note == "29% failed screening"  # 2 of the 7 that are decided


def test_late_shipments_come_first(overview):
    (under_way,) = overview.shipments_under_way
    soon = under_way.model_copy(update={"shipment_id": "SOON", "late": False})
    table = shipments_table(overview.model_copy(update={"shipments_under_way": (soon, under_way)}))
    assert table.index(under_way.shipment_id) < table.index("SOON")


def test_nothing_is_said_in_words_where_there_is_nothing(overview):
    empty = overview.model_copy(update={"shipments_under_way": (), "events": (), "expiries_ahead": ()})
    assert "No shipment is under way." in shipments_table(empty)
    assert "Nothing has happened yet." in events_table(empty)
    assert "No usable kit expires in the next 90 days." in expiries_table(empty)


def test_how_far_the_datasets_are_behind_is_said(overview):
    position = overview.ledger_position
    assert position > 30
    for behind, words in (
        (0, "datasets up to date"),
        (1, "datasets 1 entry behind"),
        (30, "datasets 30 entries behind"),
    ):
        assert datasets_line(overview, PublishedDatasets(position - behind, utc_now(), {})) == words
    assert datasets_line(overview, None) == "datasets not built yet"


def test_a_study_that_is_played_is_judged_at_its_own_last_moment(trial):
    assert read_overview(trial.database, SYSTEM_ACTOR, STUDY).as_of == trial.clock.now
