"""The blinding linter on what was loaded: kits, lots, and what is in stock. Plain values in; views/unblinded reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from allocation.rules.kit_list_leaks import (
    Leak,
    ListedKit,
    numbers_that_tell_the_type,
    numbers_without_gaps,
    picks_that_follow_numbers,
)
from allocation.study.dose_paths import dispensing_rows
from allocation.study.lint_finding import LintFinding, LintFindings, Severity
from allocation.study.threshold_lint import several_types

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

EVERY_COUNTRY: Final = "*"
RENUMBER: Final = "have these kits numbered anew: scrambled numbers with gaps over all types, and an independent pick sequence"


@dataclass(frozen=True, slots=True)
class LoadedLot:
    """A lot: `released_for` are countries, or "*", and empty where it may not be used; `kits` those of it in stock or on their way.

    `blinded_lot`: the lot number that blinded people read; `expiry_by_country`: where the expiry is another.
    """

    lot_id: str
    kit_type: str
    expiry_date: date
    released_for: tuple[str, ...]
    kits: int
    blinded_lot: str | None = None
    expiry_by_country: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedStock:
    """What the database knows: every kit ever loaded, every lot, and the available kits by depot and kit type."""

    kits: tuple[ListedKit, ...]
    lots: tuple[LoadedLot, ...]
    at_depots: Mapping[str, Mapping[str, int]]


def lint_stock(protocol: Protocol, stock: LoadedStock) -> list[LintFinding]:
    """Everything that kit numbers, pick sequences, lots and expiry dates give away, errors first."""
    findings = LintFindings()
    for group, codes in several_types(protocol).items():
        _lint_numbers(group, codes, stock.kits, findings)
        _lint_expiries(protocol, group, codes, stock.lots, findings)
        _lint_lot_names(group, codes, stock.lots, findings)
        _lint_blinded_lots(group, codes, stock.lots, findings)
        _lint_depots(group, codes, stock.at_depots, findings)
    return findings.merged()


def _seen(leaks: Sequence[Leak]) -> str:
    shown = "; ".join(one.seen for one in leaks[:3])
    return f"{shown} (chance {max(leaks[0].chance, 1e-300):.0e} in a scrambled list)"


def _lint_numbers(
    group: str, codes: Sequence[str], kits: Iterable[ListedKit], findings: LintFindings
) -> None:
    of_group = [kit for kit in kits if kit.kit_type in codes]
    found = []
    if leaks := numbers_that_tell_the_type(of_group):
        told = f"have numbers that tell the kit type: {_seen(leaks)}"
        found.append(("numbers-tell-type", Severity.ERROR, told, RENUMBER))
    if leaks := picks_that_follow_numbers(of_group):
        told = f"are picked by kit number, which can unblind: {_seen(leaks)}"
        found.append(("picks-by-number", Severity.ERROR, told, RENUMBER))
    if numbers_without_gaps([kit.number for kit in of_group]):
        told = "have numbers without gaps: a number that is mistyped or guessed is another kit"
        found.append(("numbers-without-gaps", Severity.WARNING, told, "number the next batch with gaps"))
    value = f"{len(of_group)} kits of blinding group {group}"
    for code, severity, message, fix in found:
        for kit_type in sorted({kit.kit_type for kit in of_group}):
            findings.add(code, severity, (), value, message, fix, kit_type=kit_type)


def _lint_expiries(
    protocol: Protocol,
    group: str,
    codes: Sequence[str],
    lots: Sequence[LoadedLot],
    findings: LintFindings,
) -> None:
    """An expiry date that only some kit types of the group have, among the lots that are released for a country."""
    arms_of = _arms_by_type(protocol, codes)
    every_arm = {arm for arms in arms_of.values() for arm in arms}
    for country in protocol.countries:
        types: dict[date, set[str]] = defaultdict(set)
        for lot in lots:
            here = EVERY_COUNTRY in lot.released_for or country.code in lot.released_for
            if lot.kit_type in codes and lot.kits > 0 and here:
                types[lot.expiry_by_country.get(country.code, lot.expiry_date)].add(lot.kit_type)
        in_stock = {code for held in types.values() for code in held}
        for day, held in sorted(types.items()):
            if held == in_stock:
                continue
            arms = {arm for code in held for arm in arms_of[code]}
            code_of_finding, severity, meaning = _what_a_date_tells(arms, every_arm)
            for code in sorted(held):
                findings.add(
                    code_of_finding,
                    severity,
                    (),
                    day.isoformat(),
                    f"is the expiry date of kits of {', '.join(sorted(held))} and no other type of blinding group {group}, {meaning}",
                    "use blinded lots: one (the earliest) expiry date on label and record for the kits of all types of the group",
                    kit_type=code,
                    place=f"country {country.code}",
                )


def _arms_by_type(protocol: Protocol, codes: Sequence[str]) -> dict[str, set[str]]:
    """The arms that some visit may hand each kit type to."""
    arms: dict[str, set[str]] = {code: set() for code in codes}
    for row in dispensing_rows(protocol):
        if row.entry is None:
            continue
        for code in protocol.dispensing[row.entry].kit_types:
            if code in arms:
                arms[code] |= {arm.code for arm in protocol.arms} if row.arm is None else {row.arm}
    return arms


def _what_a_date_tells(arms: set[str], every_arm: set[str]) -> tuple[str, Severity, str]:
    if len(arms) <= 1 < len(every_arm):
        return "lot-maps-to-arm", Severity.ERROR, f"so that it is the mark of arm {', '.join(arms)}"
    if arms != every_arm:
        ruled_out = ", ".join(sorted(every_arm - arms))
        return "lot-rules-out-arm", Severity.WARNING, f"so that whoever gets one is not in arm {ruled_out}"
    return "expiry-tells-type", Severity.WARNING, "which tells the kit type, though no arm is ruled out by it"


def _lint_lot_names(
    group: str, codes: Sequence[str], lots: Sequence[LoadedLot], findings: LintFindings
) -> None:
    of_group = [lot for lot in lots if lot.kit_type in codes]
    for lot in of_group:
        if any(lot.kit_type.casefold() in one.casefold() for one in (lot.lot_id, lot.blinded_lot or "")):
            findings.add(
                "lot-names-type",
                Severity.WARNING,
                (),
                f"lot {lot.lot_id}",
                "has its kit type in its number, which a label or delivery note may show",
                "print blinded lot numbers",
                kit_type=lot.kit_type,
            )
    if len({lot.kit_type for lot in of_group}) > 1:
        for lot in of_group:
            findings.add(
                "lots-map-to-types",
                Severity.NOTE,
                (),
                f"{len(of_group)} lots of blinding group {group}",
                "hold one kit type each, so that a printed lot number tells the type (the system shows blinded people none)",
                "print blinded lot numbers",
                kit_type=lot.kit_type,
            )


def _lint_blinded_lots(
    group: str, codes: Sequence[str], lots: Sequence[LoadedLot], findings: LintFindings
) -> None:
    """A blinded lot number that only one kit type of the group has: blinded people read it, so it tells the type."""
    types: dict[str, set[str]] = defaultdict(set)
    for lot in lots:
        if lot.kit_type in codes and lot.blinded_lot is not None:
            types[lot.blinded_lot].add(lot.kit_type)
    for number, held in sorted(types.items()):
        if len(held) == 1:
            (code,) = held
            findings.add(
                "blinded-lot-tells-type",
                Severity.WARNING,
                (),
                f"blinded lot {number}",
                f"holds one kit type of blinding group {group} alone, so that the number that blinded people read tells the type",
                "give lots of all types of the group one blinded lot number",
                kit_type=code,
            )


def _lint_depots(
    group: str, codes: Sequence[str], at_depots: Mapping[str, Mapping[str, int]], findings: LintFindings
) -> None:
    """A depot that has some types of the group and not all: its next shipments may be of a single kit type."""
    for depot, stock in sorted(at_depots.items()):
        held = [code for code in codes if stock.get(code, 0) > 0]
        if len(held) == 1:
            findings.add(
                "depot-holds-one-type",
                Severity.WARNING,
                (),
                held[0],
                f"is the only kit type of blinding group {group} that the depot has left: a shortage undoes the protection of orders",
                "bring the other types to the depot, or pause the group",
                kit_type=held[0],
                place=f"depot {depot}",
            )
