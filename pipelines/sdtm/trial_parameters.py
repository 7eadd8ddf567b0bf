"""The rows of TS that the protocol gives: those that it states, then those that follow from its parts.

A parameter that the protocol states itself is never replaced. The concept codes are NCI's (SDTM terminology of CT_VERSION).
"""

from collections.abc import Iterator

from allocation.study.protocol import Protocol
from data_contracts.standard import codelist
from pipelines.sdtm.trial_design import TrialParameter

CT_VERSION = "2025-03-28"
CT, COUNTRIES = "CDISC CT", "ISO 3166"
# Codelists C66735 (blinding schema) and C66737 (trial phase), whose terms TS uses as values.
BLINDING = {
    "double_blind": ("DOUBLE BLIND", "C15228"),
    "single_blind": ("SINGLE BLIND", "C28233"),
    "open_label": ("OPEN LABEL", "C49659"),
}
PHASES = {
    "I": ("PHASE I TRIAL", "C15600"),
    "II": ("PHASE II TRIAL", "C15601"),
    "III": ("PHASE III TRIAL", "C15602"),
    "IV": ("PHASE IV TRIAL", "C15603"),
}


def stated_parameters(protocol: Protocol) -> tuple[TrialParameter, ...]:
    """Every row of TS that the protocol gives, in order of parameter and sequence."""
    rows = list(_stated(protocol))
    stated = {row.code for row in rows}
    rows += [row for row in _known(protocol) if row.code not in stated]
    return tuple(sorted(rows, key=lambda row: (row.code, row.sequence)))


def _stated(protocol: Protocol) -> Iterator[TrialParameter]:
    for parameter in protocol.trial_parameters:
        for index, value in enumerate(parameter.values):
            code = parameter.codes[index] if index < len(parameter.codes) else None
            yield TrialParameter(
                parameter.code,
                index + 1,
                value or None,
                (parameter.null_flavor or None) if not value else None,
                code or None,
                parameter.code_reference or None,
                parameter.code_version or None,
            )


def _known(protocol: Protocol) -> Iterator[TrialParameter]:
    study = protocol.study
    yield TrialParameter("TITLE", 1, study.title)
    yield coded("RANDOM", "Y")
    yield TrialParameter("NARMS", 1, str(len(protocol.arms)))
    if study.planned_subjects:
        yield TrialParameter("PLANSUB", 1, str(study.planned_subjects))
    term, code = BLINDING[study.blinding]
    yield TrialParameter("TBLIND", 1, term, None, code, CT, CT_VERSION)
    phase = study.phase.upper().removeprefix("PHASE").strip()
    if phase in PHASES:
        term, code = PHASES[phase]
        yield TrialParameter("TPHASE", 1, term, None, code, CT, CT_VERSION)
    if study.sponsor:
        yield TrialParameter("SPONSOR", 1, study.sponsor)
    if study.indication:
        yield TrialParameter("INDIC", 1, study.indication)
    for index, factor in enumerate(protocol.stratification, start=1):
        yield TrialParameter("STRATFCT", index, factor.name)
    for index, country in enumerate(protocol.countries, start=1):
        yield TrialParameter("FCNTRY", index, country.code, None, country.code, COUNTRIES)
    yield _age("AGEMIN", protocol.screening.age_min, "NINF")
    yield _age("AGEMAX", protocol.screening.age_max, "PINF")


def coded(parameter: str, answer: str) -> TrialParameter:
    """A yes-or-no parameter with the concept code of its answer (Y or N)."""
    return TrialParameter(parameter, 1, answer, None, codelist("NY").terms[answer], CT, CT_VERSION)


def _age(parameter: str, years: int | None, unbounded: str) -> TrialParameter:
    if years is None:
        return TrialParameter(parameter, 1, None, unbounded)
    return TrialParameter(parameter, 1, f"P{years}Y")
