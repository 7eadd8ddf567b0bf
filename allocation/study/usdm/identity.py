"""Who and what a study is: title, identifiers, phase, sponsor, blinding, population, and the trial parameters that say so."""

from __future__ import annotations

from typing import Any

from allocation.study.usdm.document import JsonObject, UsdmDocument, code_of, decode_of, number_of, text
from allocation.study.usdm.naming import CodeMaker, shortened
from allocation.study.usdm.readable_text import TextReader

_BLINDING = {"open": "open_label", "single": "single_blind", "double": "double_blind"}
_TITLE_ORDER = ("official study title", "public study title", "brief study title")


def study_identity(document: UsdmDocument) -> dict[str, Any]:
    """The `study` part of a study file."""
    identity: dict[str, Any] = {
        "id": CodeMaker().code(_sponsor_identifier(document), text(document.study, "name")).replace("_", "-"),
        "title": official_title(document) or text(document.study, "label", "name") or "Untitled study",
        "version": 1,
        "amendment": _amendment(document),
        "phase": decode_of(document.design.get("studyPhase")),
        "sponsor": sponsor_name(document),
        "indication": indication(document),
    }
    blinding = _blinding(document)
    if blinding:
        identity["blinding"] = blinding
    planned = planned_number(document)
    if planned is not None:
        identity["planned_subjects"] = planned
    return {key: value for key, value in identity.items() if value != ""}


def official_title(document: UsdmDocument) -> str:
    """The official title, else the public or brief one, else the first; empty where the document has none."""
    titles = document.items(document.version, "titles")
    by_type = {decode_of(title.get("type")).lower(): text(title, "text") for title in reversed(titles)}
    for wanted in _TITLE_ORDER:
        if by_type.get(wanted):
            return by_type[wanted]
    return text(titles[0], "text") if titles else ""


def _sponsor(document: UsdmDocument) -> JsonObject | None:
    for role in document.items(document.version, "roles"):
        if "sponsor" in decode_of(role.get("code")).lower():
            named = document.referred(role, "organizationIds")
            if named:
                return named[0]
    organizations = document.items(document.version, "organizations")
    return next((one for one in organizations if "sponsor" in decode_of(one.get("type")).lower()), None)


def sponsor_name(document: UsdmDocument) -> str:
    """The name of the organization in the role of sponsor; empty where there is none."""
    return text(_sponsor(document), "label", "name")


def _sponsor_identifier(document: UsdmDocument) -> str:
    identifiers = document.items(document.version, "studyIdentifiers")
    sponsor = _sponsor(document)
    for identifier in identifiers:
        if sponsor is not None and identifier.get("scopeId") == sponsor.get("id"):
            return text(identifier, "text")
    return text(identifiers[0], "text") if identifiers else ""


def registry_identifiers(document: UsdmDocument) -> list[str]:
    """The identifiers that a study registry gave."""
    found = []
    for identifier in document.items(document.version, "studyIdentifiers"):
        scope = document.by_id(identifier.get("scopeId"))
        if scope is not None and "registry" in decode_of(scope.get("type")).lower():
            found.append(text(identifier, "text"))
    return [one for one in found if one]


def _amendment(document: UsdmDocument) -> str:
    amendments = document.items(document.version, "amendments")
    label = text(amendments[-1], "label", "name", "number") if amendments else ""
    version = text(document.version, "versionIdentifier")
    return ", ".join(part for part in (f"protocol version {version}" if version else "", label) if part)


def indication(document: UsdmDocument) -> str:
    """The first indication; the same one told twice under two code systems counts once, others are remarked."""
    labels: list[str] = []
    for one in document.items(document.design, "indications"):
        label = text(one, "label", "description", "name")
        if label and label not in labels:
            labels.append(label)
    if len(labels) > 1:
        document.findings.doubtful(
            f"{document.path(document.design)}.indications", f"only the first is taken: {', '.join(labels)}"
        )
    return labels[0] if labels else ""


def _blinding(document: UsdmDocument) -> str:
    path = f"{document.path(document.design)}.blindingSchema"
    words = decode_of(document.design.get("blindingSchema"))
    if not words:
        document.findings.to_fill_in(("study", "blinding"), "double_blind, single_blind or open_label")
        return ""
    kind = _BLINDING.get(words.lower().replace("-", " ").split()[0])
    if kind is None:
        document.findings.doubtful(path, f"{words!r} is taken as double_blind")
    return kind or "double_blind"


def population(document: UsdmDocument) -> JsonObject:
    """The population of the design, or an empty object."""
    value = document.design.get("population")
    return value if isinstance(value, dict) else {}


def planned_number(document: UsdmDocument) -> int | None:
    """The planned number of subjects (of a range the largest), or None."""
    number = number_of(population(document).get("plannedEnrollmentNumber"))
    if number is None or number < 0 or not number.is_integer():
        document.findings.doubtful(
            f"{document.path(document.design)}.population.plannedEnrollmentNumber",
            "the planned number of subjects is not stated as a whole number; left out",
        )
        return None
    return int(number)


def planned_age(document: UsdmDocument, end: str) -> int | None:
    """The planned age in years at `end` (minValue or maxValue); None where not stated, or not in whole years."""
    limits = population(document).get("plannedAge")
    quantity = limits.get(end) if isinstance(limits, dict) else None
    number = number_of(quantity)
    if number is None or not isinstance(quantity, dict):
        return None
    unit = decode_of(quantity.get("unit")).lower()
    if not unit.startswith("year") or not number.is_integer():
        document.findings.doubtful(
            f"{document.path(document.design)}.population.plannedAge.{end}",
            f"{number:g} {unit or 'without unit'} is not whole years; left out",
        )
        return None
    return int(number)


def _sexes(document: UsdmDocument) -> str:
    stated = population(document).get("plannedSex")
    sexes = {decode_of(sex).upper() for sex in (stated if isinstance(stated, list) else [stated])} - {""}
    return "BOTH" if len(sexes) > 1 else "".join(sexes)


def _submission_value(value: Any) -> str:
    """`Parallel Study` -> `PARALLEL`: the CDISC submission values of these codelists are the decodes without the word Study."""
    words = decode_of(value).upper().replace("-", " ")
    return words.removesuffix(" STUDY").strip()


def _codes_and_values(document: UsdmDocument, key: str) -> list[tuple[str, str]]:
    stated = document.design.get(key)
    values = stated if isinstance(stated, list) else [stated]
    return [(code_of(one), _submission_value(one)) for one in values if _submission_value(one)]


def trial_parameters(document: UsdmDocument) -> list[dict[str, Any]]:
    """The trial summary parameters (SDTM TS) that the document states, in the order of their codes."""
    found: dict[str, dict[str, Any]] = {}

    def add(code: str, name: str, values: list[tuple[str, str]]) -> None:
        kept = [(coded, words) for coded, words in values if words]
        if not kept:
            return
        found[code] = {"code": code, "name": name, "values": [words for _, words in kept]}
        if all(coded for coded, _ in kept):
            found[code] |= {"codes": [coded for coded, _ in kept], "code_reference": "CDISC CT"}

    def plain(*values: str) -> list[tuple[str, str]]:
        return [("", value) for value in values]

    planned, youngest, oldest = (
        planned_number(document),
        planned_age(document, "minValue"),
        planned_age(document, "maxValue"),
    )
    healthy = population(document).get("includesHealthySubjects")
    add("AGEMAX", "Planned Maximum Age of Subjects", plain(f"P{oldest}Y" if oldest is not None else ""))
    add("AGEMIN", "Planned Minimum Age of Subjects", plain(f"P{youngest}Y" if youngest is not None else ""))
    add(
        "HLTSUBJI",
        "Healthy Subject Indicator",
        plain("Y" if healthy is True else "N" if healthy is False else ""),
    )
    add("INDIC", "Trial Disease/Condition Indication", plain(indication(document)))
    add("INTMODEL", "Intervention Model", _codes_and_values(document, "model"))
    for level, kind in (("primary", "PRI"), ("secondary", "SEC")):
        objectives, outcomes = _objectives(document, level)
        add(f"OBJ{kind if kind == 'SEC' else 'PRIM'}", f"Trial {level.title()} Objective", plain(*objectives))
        add(f"OUTMS{kind}", f"{level.title()} Outcome Measure", plain(*outcomes))
    add("PLANSUB", "Planned Number of Subjects", plain(str(planned) if planned is not None else ""))
    add("REGID", "Registry Identifier", plain(*registry_identifiers(document)))
    add("SEXPOP", "Sex of Participants", plain(_sexes(document)))
    add("SPONSOR", "Clinical Study Sponsor", plain(sponsor_name(document)))
    add("STYPE", "Study Type", _codes_and_values(document, "studyType"))
    add("TBLIND", "Trial Blinding Schema", _codes_and_values(document, "blindingSchema"))
    add("TINDTP", "Trial Intent Type", _codes_and_values(document, "intentTypes"))
    add("TITLE", "Trial Title", plain(official_title(document)))
    add("TPHASE", "Trial Phase Classification", _codes_and_values(document, "studyPhase"))
    add("TTYPE", "Trial Type", _codes_and_values(document, "subTypes"))
    return [found[code] for code in sorted(found)]


def _objectives(document: UsdmDocument, level: str) -> tuple[list[str], list[str]]:
    reader = TextReader(document)
    objectives, outcomes = [], []
    for objective in document.items(document.design, "objectives"):
        if level not in decode_of(objective.get("level")).lower():
            continue
        objectives.append(shortened(reader.plain(objective), 2000))
        for endpoint in document.items(objective, "endpoints"):
            words = shortened(reader.plain(endpoint), 2000)
            if "to be determined" in words.lower():
                document.findings.ignored(document.path(endpoint), f"an endpoint without content: {words}")
            else:
                outcomes.append(words)
    return objectives, outcomes
