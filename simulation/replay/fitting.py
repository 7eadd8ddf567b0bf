"""Whether a recorded study can be played by a study file, asked before anything is written."""

from __future__ import annotations

from allocation.study.protocol import Protocol
from simulation.replay.errors import RecordedStudyError
from simulation.replay.recorded_facts import RecordedFact, Screened
from simulation.replay.recorded_study import RecordedStudy
from simulation.replay.sdtm_reader import exact_decimal

_FROM_FILE = "give the study file of this study, or correct it"


def _misfit(field: str, message: str, fix: str = _FROM_FILE) -> RecordedStudyError:
    return RecordedStudyError(message, code="recorded-study-misfit", field=field, fix=fix)


def check_fit(study: RecordedStudy, protocol: Protocol) -> None:
    """Check that the study file is that of the recorded study and names what its records name.

    Raises:
        RecordedStudyError: another study, an arm, visit, country or number that the study file does not have or cannot give, or a
            randomization that cannot be rebuilt from the records (it must draw from a list held by site, without factors).
    """
    if study.study_id != protocol.study.id:
        raise _misfit("study.id", f"the datasets are of study {study.study_id}, not of {protocol.study.id}")
    _check_randomization(protocol)
    _check_design(study, protocol)
    for fact in study.facts:
        _check_subject(fact, protocol)


def _check_randomization(protocol: Protocol) -> None:
    for index, event in enumerate(protocol.randomization):
        for name, value, wanted in (
            ("method", event.method, "list"),
            ("held_by", event.held_by, "site"),
            ("factors", event.factors, ()),
        ):
            if value != wanted:
                raise _misfit(
                    f"randomization[{index}].{name}",
                    f"is {value}, and the recorded allocation is rebuilt as a list held by site without factors",
                    f"set {name} to {list(wanted) if isinstance(wanted, tuple) else wanted}",
                )


def _check_design(study: RecordedStudy, protocol: Protocol) -> None:
    arms = {arm.code for arm in protocol.arms}
    for code in study.source["TA"].get_column("ARMCD").to_list():
        if code.upper() not in arms:
            raise _misfit("arms", f"arm {code.upper()} of TA is not among {', '.join(sorted(arms))}")
    known = {exact_decimal(visit.number): visit.name for visit in protocol.visits}
    for number, name in study.source["TV"].select("VISITNUM", "VISIT").iter_rows():
        if number not in known:
            raise _misfit("visits", f"visit {number} ({name}) of TV is not in the study file")


def _check_subject(fact: RecordedFact, protocol: Protocol) -> None:
    if not isinstance(fact, Screened):
        return
    template = protocol.subject_identifier.template
    made = template.format(study=protocol.study.id, site=fact.site, subject=fact.subject_number)
    if made != fact.subject:
        raise _misfit(
            "subject_identifier.template",
            f"{template} makes {made} of the subject that DM calls {fact.subject}",
        )
    site = next((one for one in protocol.sites if one.code == fact.site), None)
    if protocol.country(fact.country) is None or (site is not None and site.country != fact.country):
        raise _misfit(
            f"DM {fact.subject} COUNTRY", f"is {fact.country}, which is not the country of site {fact.site}"
        )
    if fact.age_unit != "YEARS":
        raise _misfit(f"DM {fact.subject} AGEU", f"is {fact.age_unit}", "give the age in YEARS")
