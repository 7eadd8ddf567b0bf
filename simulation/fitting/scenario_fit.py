"""A whole scenario from a ledger: the parts put together, checked as a scenario is that a person wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.reader import iter_sealed, protocol_at
from allocation.study.inconsistency import path_text
from allocation.study.yaml_files import dump_document, dump_protocol
from simulation.fitting.day_laws import Days, FittedDays, fit_days, moved_to_monday
from simulation.fitting.errors import FitError
from simulation.fitting.estimate import Estimate
from simulation.fitting.excursions import fit_excursions
from simulation.fitting.observed import Observed, observe
from simulation.fitting.on_study import Leaving, WindowDays, fit_drop_out, fit_titration, fit_visits
from simulation.fitting.people import fit_population, fit_screening, screening_days
from simulation.fitting.recruiting import FittedRecruitment, fit_recruitment
from simulation.fitting.supplying import FittedSupply, fit_supply, law_document, law_rows
from simulation.scenario import DayLaw, Scenario
from simulation.scenario_checks import scenario_inconsistencies


@dataclass(frozen=True)
class ScenarioFit:
    """A fitted scenario with what it was fitted on; the parts behind it are for a plot.

    `activation`: the fit and the delays; `screening`: the fit and the durations.
    """

    scenario: Scenario
    estimates: tuple[Estimate, ...]
    observed: Observed
    recruitment: FittedRecruitment
    supply: FittedSupply
    leaving: Leaving
    window: WindowDays
    activation: tuple[FittedDays | None, list[Days]]
    screening: tuple[FittedDays | None, list[Days]]

    def as_json(self) -> dict[str, Any]:
        """The scenario and its estimates as plain values."""
        found = self.observed
        return {
            "study_id": found.study_id,
            "fitted_on": {
                "entries": found.entries,
                "from": found.begins_on.isoformat(),
                "to": found.as_of.isoformat(),
                "sites": len(found.sites),
                "screened": len(found.subjects),
                "randomized": sum(1 for _ in found.randomized()),
                "shipments": len(found.shipments),
            },
            "recruitment_closed_on": None
            if self.recruitment.closed_on is None
            else self.recruitment.closed_on.isoformat(),
            "estimates": [one.as_json() for one in self.estimates],
            "scenario": self.scenario.model_dump(mode="json"),
        }


def fit_scenario(database: Database, actor: Actor, study_id: str, seed: int = 1) -> ScenarioFit:
    """Fit a scenario to the sealed entries of a study. It tells drop-out by arm and lots by kit type: unblinded.

    Raises NotPermitted; NotFound for an unknown study; FitError where no site is open or nobody was screened, or where what was recorded
    makes no scenario that could be played (a lot that reached its depot after the sites opened, say).
    """
    authorize(actor, "scenario.fit", study_id)
    protocol = protocol_at(database, study_id)
    return fit_observed(observe(study_id, protocol, iter_sealed(database, study_id)), seed)


def fit_observed(found: Observed, seed: int = 1) -> ScenarioFit:
    """As `fit_scenario`, from facts."""
    if not found.sites:
        raise FitError(
            f"no site of study {found.study_id} is open yet",
            code="nothing-to-fit",
            field="STUDY",
            fix="write the scenario by hand, like studies/demo-scenario.yaml",
        )
    if not found.subjects:
        raise FitError(
            f"nobody was screened in study {found.study_id} yet",
            code="nothing-to-fit",
            field="STUDY",
            fix="fit it once it recruits; until then write the scenario by hand, like studies/demo-scenario.yaml",
        )
    if not found.protocol.criteria:
        raise FitError(
            f"the protocol of study {found.study_id} has no criteria, and a scenario says which one a screening failure did not meet",
            code="nothing-to-fit",
            field="STUDY",
            fix="amend the protocol with its inclusion and exclusion criteria",
        )
    recruitment = fit_recruitment(found)
    activation_document, activation_rows, activation = _activation(found)
    screening_document, screening_rows, screening = fit_screening(found)
    population_document, population_rows = fit_population(found)
    visits_document, visit_rows, window = fit_visits(found)
    leaving_document, leaving_rows, leaving = fit_drop_out(found)
    titration_document, titration_rows = fit_titration(found)
    supply = fit_supply(found)
    excursions_document, excursion_rows = fit_excursions(found)
    document = {
        "name": f"{found.study_id} as fitted on {found.as_of}",
        "description": f"Fitted on {found.entries} ledger entries from {found.begins_on} to {found.as_of}.",
        "protocol": f"{found.study_id}.yaml",
        "seed": seed,
        "starts_on": found.begins_on,
        "duration_days": max((found.as_of - found.begins_on).days + 1, 1),
        "recruitment": recruitment.document,
        "activation": activation_document,
        "screening": screening_document,
        "population": population_document,
        "visits": visits_document,
        "drop_out": leaving_document,
        "titration": titration_document,
        "shipping": supply.shipping,
        "excursions": excursions_document,
        "randomization_list": {
            "seed": seed,
            "entries_per_stratum": max(found.list_entries.values(), default=300),
        },
        "lots": supply.lots,
    }
    if not supply.lots:
        raise FitError(
            f"study {found.study_id} has no kits yet, and a scenario needs lots",
            code="nothing-to-fit",
            field="STUDY",
            fix="load lots and kits (`rtsm load lots`, `rtsm load kits`) first",
        )
    scenario = Scenario.model_validate(document)
    problems = scenario_inconsistencies(scenario, found.protocol)
    if problems:
        listed = "; ".join(f"{path_text(one.path)}: {one.value} {one.message}" for one in problems[:5])
        raise FitError(
            f"what was recorded makes no scenario that can be played: {listed}",
            code="unplayable-fit",
            field="STUDY",
            fix="correct the study's records, or write the scenario by hand",
        )
    estimates = [
        *recruitment.estimates,
        *activation_rows,
        *screening_rows,
        *population_rows,
        *visit_rows,
        *leaving_rows,
        *titration_rows,
        *supply.estimates,
        *excursion_rows,
        Estimate(
            "campaigns",
            "none",
            "",
            0,
            "not in a ledger",
            note="lots are as they arrived; give what is to be made",
        ),
        Estimate(
            "drop_out.after_missed_dispensing_probability",
            0.0,
            "per visit",
            0,
            "not in a ledger",
            note="a ledger does not say who left for want of a kit; left at 0",
        ),
        Estimate(
            "costs", "0", "", 0, "not in a ledger", note="storage, destruction and lost subjects; give them"
        ),
    ]
    return ScenarioFit(
        scenario,
        tuple(estimates),
        found,
        recruitment,
        supply,
        leaving,
        window,
        activation,
        (screening, screening_days(found)),
    )


def _activation(
    found: Observed,
) -> tuple[dict[str, Any], list[Estimate], tuple[FittedDays | None, list[Days]]]:
    """The delay of openings beyond the planned days; sites that should be open and are not count with the delay so far."""
    delays: list[Days] = []
    for site in found.protocol.sites:
        planned = site.planned_activation or found.begins_on
        seen = found.sites.get(site.code)
        if seen is not None:
            delays.append(moved_to_monday((seen.opened_on - planned).days, seen.opened_on))
        elif planned < found.as_of:
            delays.append(((found.as_of - planned).days + 1, None))
    # A site that opened before its day is on time for a law that gamma may be.
    early = sum(high is not None and high < 0 for _, high in delays)
    law = fit_days(((max(low, 0), None if high is None else max(high, 0)) for low, high in delays), lowest=0)
    note = f"{early} opened before their planned day and count as on time" if early else ""
    rows = law_rows("activation.delay_days", law, DayLaw(), note)
    rows.append(
        Estimate(
            "activation.never_probability",
            0.0,
            "per site",
            len(delays),
            "not in a ledger",
            note="a site that is not open yet counts as late, not as lost; left at 0",
        )
    )
    return {"delay_days": law_document(law.law if law else DayLaw())}, rows, (law, delays)


def write_fit(fit: ScenarioFit, file: Path, protocol: str | None = None) -> Path | None:
    """Write the scenario to `file`, so that `load_scenario` reads it; answers the protocol's file where it wrote one beside it.

    `protocol`: the protocol's file relative to `file`; None: the protocol in the ledger is written beside it. Raises FitError where a file
    cannot be written.
    """
    beside = None if protocol is not None else file.with_name(f"{file.stem}-protocol.yaml")
    named = fit.scenario.model_copy(update={"protocol": protocol or f"{file.stem}-protocol.yaml"})
    try:
        if beside is not None:
            beside.write_text(dump_protocol(fit.observed.protocol), encoding="utf-8")
        file.write_text(_header(fit) + dump_document(named), encoding="utf-8")
    except OSError as unwritable:
        raise FitError(
            f"{unwritable.filename} cannot be written ({unwritable.strerror})",
            field="--out",
            fix="name another file",
        ) from unwritable
    return beside


def _header(fit: ScenarioFit) -> str:
    """What the scenario was fitted on, and which assumptions were not, as comments."""
    weak = [one.path for one in fit.estimates if one.basis in ("prior", "few data", "not in a ledger")]
    lines = [
        fit.scenario.description,
        "Not fitted, or from few observations (rtsm scenario fit shows each):",
        *weak,
    ]
    return "".join(f"# {line}\n" for line in lines)
