"""Does the map to the EDC fit the protocol: criteria, factors, visits, forms, senders, and what is sent back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings, Path

if TYPE_CHECKING:
    from allocation.study.edc import CriterionItem, EdcItem, FactorItem, Outgoing
    from allocation.study.protocol import Protocol


def check_edc(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in `edc` names what is not there, says one thing twice, or leaves a gap that would bar everybody."""
    edc = protocol.edc
    _check_subject(protocol, findings)
    _check_criteria(protocol, findings)
    _check_factors(protocol, findings)
    visits = [visit.code for visit in protocol.visits]
    for index, dated in enumerate(edc.visit_dates):
        findings.name(("edc", "visit_dates", index, "visit"), dated.visit, visits, "visit")
    findings.unique(("edc", "visit_dates"), [one.visit for one in edc.visit_dates], "visit", "visit")
    _check_forms(protocol, findings)
    _check_screen_failure(protocol, findings)
    _unique_items(("edc", "factors"), edc.factors, findings)
    _unique_items(("edc", "visit_dates"), edc.visit_dates, findings)
    findings.unique(("edc", "senders"), [sender.account for sender in edc.senders], "sender", "account")
    if edc.mode == "unified" and not edc.senders:
        findings.add(
            ("edc", "senders"),
            "(none)",
            "may tell what unified mode waits for",
            "name the account of at least one sender, or redcap",
        )
    if edc.outgoing is not None:
        for code in edc.outgoing.events:
            findings.name(("edc", "outgoing", "events", code), code, visits, "visit")
        _check_unscheduled(protocol, edc.outgoing, findings)
        names = list(edc.outgoing.items.model_dump().values())
        findings.unique(("edc", "outgoing", "items"), names, "ItemOID")
        findings.unique(("edc", "outgoing", "facts"), edc.outgoing.facts, "kind of fact")


def _check_subject(protocol: Protocol, findings: Findings) -> None:
    subject = protocol.edc.subject
    if (subject.source == "item") != (subject.item is not None):
        findings.add(
            ("edc", "subject", "item"),
            "(none)" if subject.item is None else subject.item.item,
            f"does not fit source {subject.source}",
            "name the item with the screening number for source item, and none for source key",
        )


def _check_criteria(protocol: Protocol, findings: Findings) -> None:
    edc = protocol.edc
    known = [criterion.code for criterion in protocol.criteria]
    category = {criterion.code: criterion.category for criterion in protocol.criteria}
    for index, mapped in enumerate(edc.criteria):
        path: Path = ("edc", "criteria", index)
        findings.names((*path, "criteria"), mapped.criteria, known, "criterion")
        if not mapped.met_by and len({category[code] for code in mapped.criteria if code in category}) > 1:
            findings.add(
                (*path, "met_by"),
                "(none)",
                "is ambiguous for inclusion and exclusion criteria in one item",
                "list the values that mean that all of them are met",
            )
    _unique_items(("edc", "criteria"), edc.criteria, findings)
    if edc.mode != "unified":
        return
    if not edc.criteria and not edc.required_forms:
        findings.add(
            ("edc", "criteria"),
            "(none)",
            "says when a subject may be randomized in unified mode",
            "map the criteria, require forms, or set mode: standalone",
        )
    elif edc.criteria and not any(not mapped.criteria for mapped in edc.criteria):
        told = {code for mapped in edc.criteria for code in mapped.criteria}
        for code in known:
            if code not in told:
                findings.add(
                    ("edc", "criteria"),
                    code,
                    "has no item in the EDC, so in unified mode nobody could be randomized",
                    "map it, or add an item without criteria, which stands for all of them",
                )


def _check_factors(protocol: Protocol, findings: Findings) -> None:
    edc = protocol.edc
    factors = {factor.code: factor for factor in protocol.stratification}
    findings.unique(("edc", "factors"), [one.factor for one in edc.factors], "factor", "factor")
    for index, mapped in enumerate(edc.factors):
        path: Path = ("edc", "factors", index)
        if not findings.name((*path, "factor"), mapped.factor, list(factors), "stratification factor"):
            continue
        factor = factors[mapped.factor]
        if factor.source not in ("edc", "entered"):
            findings.add(
                (*path, "factor"),
                mapped.factor,
                f"comes from the {factor.source}, not from the EDC",
                "remove it here, or set its source to edc (or to entered, to compare)",
            )
        levels = [level.code for level in factor.levels]
        for value, level in mapped.levels.items():
            findings.name((*path, "levels", value), level, levels, f"level of {factor.code}")
        for level in levels:
            if level not in mapped.levels.values():
                findings.add(
                    (*path, "levels"),
                    level,
                    "is a level that no value of the EDC leads to",
                    "map a value to it",
                )
    mapped_factors = {one.factor for one in edc.factors}
    for index, factor in enumerate(protocol.stratification):
        if edc.mode == "unified" and factor.source == "edc" and factor.code not in mapped_factors:
            findings.add(
                ("stratification", index, "source"),
                "edc",
                "has no item in edc.factors",
                "map it there, or let the site enter it",
            )


def _check_screen_failure(protocol: Protocol, findings: Findings) -> None:
    failure = protocol.edc.screen_failure
    if failure is None:
        return
    path: Path = ("edc", "screen_failure")
    if failure.item is None and failure.form is None:
        findings.add(path, "(empty)", "says nothing", "name an item with its values, a form, or both")
    if (failure.item is None) != (not failure.values):
        findings.add(
            (*path, "values"),
            ", ".join(failure.values) or "(none)",
            "does not fit the item",
            "name an item, and the values of it that mean a screen failure",
        )
    findings.unique((*path, "values"), failure.values, "value")
    if failure.form is not None and not protocol.edc.criteria:
        findings.add(
            (*path, "form"),
            failure.form,
            "means a screen failure only while a criterion is not met, and no criterion is mapped",
            "map the criteria, or name the item that says so",
        )


def _check_unscheduled(protocol: Protocol, outgoing: Outgoing, findings: Findings) -> None:
    taken = {outgoing.events.get(visit.code, visit.code): visit.code for visit in protocol.visits}
    if outgoing.unscheduled in taken:
        findings.add(
            ("edc", "outgoing", "unscheduled"),
            outgoing.unscheduled,
            f"is the event of visit {taken[outgoing.unscheduled]}, too",
            "name an event of its own: the two would overwrite each other",
        )


def _check_forms(protocol: Protocol, findings: Findings) -> None:
    edc = protocol.edc
    dispensing = [visit.code for visit in protocol.visits if visit.dispensing]
    for index, required in enumerate(edc.required_forms):
        path: Path = ("edc", "required_forms", index)
        findings.names((*path, "visits"), required.visits, dispensing, "dispensing visit")
        if not required.randomization and not required.visits:
            findings.add(
                path, required.form, "is required nowhere", "set randomization: true, or name the visits"
            )
    places = [(form.form, form.event or "") for form in edc.required_forms]
    findings.unique(("edc", "required_forms"), places, "form")
    status = edc.form_status
    for value in status.complete:
        if value in status.validated:
            findings.add(
                ("edc", "form_status", "complete"),
                value,
                "is a validated state, too",
                "name it under validated only: a validated form is complete",
            )
    if status.source == "item" and "{form}" not in status.name:
        findings.add(
            ("edc", "form_status", "name"),
            status.name,
            "names one item for every form",
            "write it with {form}, such as {form}_complete",
        )


def _unique_items(
    path: Path, items: Sequence[CriterionItem] | Sequence[FactorItem] | Sequence[EdcItem], findings: Findings
) -> None:
    """No item stands twice in one list: two meanings of one value would have to be told apart by chance."""
    places = ["/".join((one.event or "*", one.form or "*", one.group or "*", one.item)) for one in items]
    findings.unique(path, places, "mapped item", "item")
