"""What is shipped and stored: kit types, expiry windows, depots, lanes, countries, sites, and the resupply parameters."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from allocation.gs1_labels import is_gtin
from allocation.rules.banded_buffer import MOST_BANDS
from allocation.rules.return_process import ReturnPolicy
from allocation.study.model import LARGEST, LONGEST, Code, ProtocolPart, Text
from allocation.study.pools import Pool

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not an IANA time zone; write it like Europe/Berlin") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""An IANA time zone name; dates are judged in it."""

CountryCode = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$", description="ISO 3166-1 alpha-3, as SDTM DM.COUNTRY")
]


class ExpiryWindows(ProtocolPart):
    """Days before expiry after which a kit may no more be shipped (DNS), counted (DNC) or dispensed (DND)."""

    dns_days: int = Field(default=0, ge=0, le=3650)
    dnc_days: int = Field(default=0, ge=0, le=3650)
    dnd_days: int = Field(default=0, ge=0, le=3650)

    @model_validator(mode="after")
    def _ordered(self) -> ExpiryWindows:
        if not self.dns_days >= self.dnc_days >= self.dnd_days:
            raise ValueError(
                f"has dns_days {self.dns_days}, dnc_days {self.dnc_days}, dnd_days {self.dnd_days}, so that a kit "
                "could be shipped that may not be dispensed; make DNS >= DNC >= DND"
            )
        return self


class StorageLimits(ProtocolPart):
    """The label's storage range in degrees Celsius, and what a kit may bear outside of it (rules/temperature.py).

    `minutes_above`, `minutes_below`: the stability budget, in all over every excursion of a kit; `mkt_celsius`: the highest mean kinetic
    temperature of an excursion. What is left out is not stated, and whoever releases judges it.
    """

    min_celsius: Decimal
    max_celsius: Decimal
    minutes_above: int | None = Field(default=None, ge=0, le=LARGEST)
    minutes_below: int | None = Field(default=None, ge=0, le=LARGEST)
    mkt_celsius: Decimal | None = None


class KitType(ProtocolPart):
    """A kind of kit. Kit types that look alike to blinded people share a `blinding_group`, whose name they see instead."""

    code: Code
    name: Text
    blinding_group: Code
    units_per_kit: Decimal = Field(gt=0)
    unit: Text
    strength: str = ""
    storage: StorageLimits | None = None
    expiry: ExpiryWindows = ExpiryWindows()
    expiry_notice_days: int = Field(
        default=60,
        ge=0,
        le=730,
        description="days before its last dispensing date from which people are told that a kit expires; 0: never",
    )
    valid_until_next_visit: bool | None = Field(
        default=None, description="dynamic DND for this type; none: as the study's `dosing` says"
    )
    block_size: int = Field(
        default=1, ge=1, le=LARGEST, description="orders are rounded up to a multiple of it"
    )
    serialized: bool = Field(
        default=True,
        description="false: bulk supply, which bears no kit numbers and is handled by lot and quantity",
    )
    reusable: bool = Field(
        default=False, description="a device that is used again once it came back, was cleaned and found fit"
    )
    max_uses: int | None = Field(
        default=None, ge=1, le=LARGEST, description="of a reusable device; none: no limit"
    )
    cost: Decimal | None = Field(default=None, ge=0, description="in the study's currency, per kit")


def stays_valid(protocol: Protocol, kit_type: KitType) -> bool:
    """Whether a kit of this type must stay valid until the subject's next dispensing visit (dynamic DND)."""
    own = kit_type.valid_until_next_visit
    return protocol.dosing.valid_until_next_visit if own is None else own


class BlindingGroup(ProtocolPart):
    """Kit types that blinded people cannot tell apart; `label` is the name that they read, `gtin` what their barcodes say they are."""

    code: Code
    label: Text
    gtin: str | None = Field(
        default=None, description="GS1 trade item number of 14 digits; none: labels hold the kit number only"
    )

    @field_validator("gtin")
    @classmethod
    def _checked(cls, value: str | None) -> str | None:
        if value is not None and not is_gtin(value):
            raise ValueError("is not a GTIN; give its 14 digits, the last of which is the check digit")
        return value


class Depot(ProtocolPart):
    """A depot: `kind` central or local; `supplied_by` names the depot that refills it."""

    code: Code
    name: Text
    country: CountryCode
    timezone: TimeZone
    kind: Literal["central", "local"] = "central"
    supplied_by: Code | None = None


class Lane(ProtocolPart):
    """How long a shipment takes from a depot to one place, in calendar days. A site's own lane goes before its country's."""

    depot: Code
    country: CountryCode | None = None
    site: Code | None = None
    to_depot: Code | None = Field(default=None, description="a depot that `depot` refills")
    lead_time_days: int = Field(ge=0, le=365)
    cost: Decimal | None = Field(default=None, ge=0, description="per shipment")


class Country(ProtocolPart):
    """A country of the study. `group` joins countries for parameters, `region` for blocks, caps and strata.

    `label_group` names the countries whose kits have the same label: a lot is released for all of them by that name.
    """

    code: CountryCode
    name: Text
    group: Code | None = None
    region: Code | None = None
    label_group: Code | None = None
    depot: Code = Field(description="the depot that supplies its sites")
    timezone: TimeZone
    planned_sites: int = Field(default=0, ge=0, le=LARGEST)
    planned_subjects: int = Field(default=0, ge=0, le=LARGEST)


class Site(ProtocolPart):
    """A site that the protocol already knows; more are opened later by the service. Empty fields come from its country."""

    code: Code
    name: Text
    country: CountryCode
    depot: Code | None = None
    timezone: TimeZone | None = None
    profile: Code | None = None
    planned_subjects: int = Field(default=0, ge=0, le=LARGEST)
    planned_activation: date | None = None
    supplied_by_site: Code | None = Field(
        default=None,
        description="the central pharmacy whose stock its orders are filled from, in place of a depot",
    )
    days_from_pharmacy: int = Field(
        default=1, ge=0, le=365, description="lead time from it, in calendar days"
    )


class BufferBand(ProtocolPart):
    """Buffers in kits for sites with `from_subjects` active subjects or more, up to the next band's."""

    from_subjects: int = Field(ge=0, le=LARGEST)
    min_buffer: int = Field(ge=0, le=LARGEST)
    max_buffer: int = Field(ge=0, le=LARGEST)


class ResupplyParameters(ProtocolPart):
    """One level of the parameter hierarchy: every field may be left out, and the lowest level that sets it wins.

    `min_buffer`, `max_buffer`: the IP thresholds in kits; `short_window`, `long_window`: days; see allocation/rules/resupply.py.
    `buffer_from` says where the two buffers come from: as they stand here, computed (rule D) from `enrolment_per_month` at the site and
    `confidence`, or by `bands` of active subjects (rule E). `run_out_alarm_days` and `screen_failure_rate` are of the run-out alarm
    (rule F). `paused` stops automatic orders. `valid_from`: the date from which this level counts.
    """

    min_buffer: int | None = Field(default=None, ge=0, le=LARGEST)
    max_buffer: int | None = Field(default=None, ge=0, le=LARGEST)
    short_window: int | None = Field(default=None, ge=0, le=730)
    long_window: int | None = Field(default=None, ge=0, le=730)
    trigger: Literal["at", "below"] | None = None
    long_window_from: Literal["today", "end_of_short_window"] | None = None
    buffer_from: Literal["min_max", "computed", "bands"] | None = None
    confidence: Decimal | None = Field(default=None, ge=Decimal("0.5"), le=Decimal("0.99"))
    enrolment_per_month: Decimal | None = Field(
        default=None, ge=0, le=LARGEST, description="subjects that the site randomizes in a month"
    )
    bands: tuple[BufferBand, ...] | None = Field(default=None, min_length=1, max_length=MOST_BANDS)
    run_out_alarm_days: int | None = Field(
        default=None, ge=0, le=730, description="0: no alarm; else the days ahead that it looks"
    )
    screen_failure_rate: Decimal | None = Field(default=None, ge=0, le=1)
    seed_quantity: int | None = Field(default=None, ge=0, le=LARGEST)
    paused: bool | None = None
    valid_from: date | None = None


class ParameterSet(ProtocolPart):
    """Parameters of one level, for every kit type (`kit_type` None) or for one.

    Level `depot` is for a depot that another one refills; it inherits from no other level.
    """

    level: Literal["study", "country_group", "country", "profile", "site", "depot"]
    key: str = ""
    kit_type: Code | None = None
    parameters: ResupplyParameters


class SiteProfile(ProtocolPart):
    """A kind of site (such as high or low recruiting) that parameters may be set for."""

    code: Code
    name: Text


class Returns(ProtocolPart):
    """What becomes of kits that come back: which gates a return passes, where kits may be destroyed, whether unused ones are used again.

    `reconciliation`: a monitor counts before the approval. `approval`: a project manager approves under signature before kits leave the
    site or are destroyed there. `overdue_days`: kits asked back, kits of subjects who left, returned kits still at a site and returns under
    way stand in the reconciliation report as overdue after so many days.
    """

    reconciliation: bool = True
    approval: bool = True
    destruction_at_site: bool = Field(
        default=False, description="whether sites may destroy kits, after the gates"
    )
    reuse: bool = Field(
        default=False, description="whether unused kits in good order may go back into a depot's stock"
    )
    overdue_days: int = Field(default=30, ge=0, le=3650)
    depot: Code | None = Field(
        default=None, description="where returns go; none: the depot that supplies the site"
    )

    @property
    def policy(self) -> ReturnPolicy:
        """The policy as the rule of returns takes it."""
        return ReturnPolicy(self.reconciliation, self.approval, self.destruction_at_site, self.reuse)


class Supply(ProtocolPart):
    """How sites are resupplied: cadence, who counts, how orders are put together, and the parameter hierarchy."""

    run_weekdays: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4), description="0 Monday to 6 Sunday")
    run_hour_utc: int = Field(default=4, ge=0, le=23)
    on_event: bool = Field(
        default=False, description="also run a site after a transaction that reduces its stock"
    )
    consolidation: Literal["triggered_types_only", "all_types"] = "all_types"
    lot_choice: Literal["min_wastage", "min_shipments"] = "min_wastage"
    eligible_subjects: Literal["screened", "randomized"] = "randomized"
    ignore_if_last_dispensing_skipped: bool = False
    ignore_if_overdue_days: int | None = Field(default=None, ge=0, le=LONGEST)
    pipeline_statuses: tuple[Literal["requested", "confirmed", "in_transit"], ...] = (
        "requested",
        "confirmed",
        "in_transit",
    )
    single_kit_protection: bool = True
    single_type_protection: bool = True
    withhold_exposed: bool = Field(
        default=False,
        description="whether kits stay at the depot where its shortage would leave a single kit or kit type of a blinding group in a "
        "shipment; false ships them, since a missed dose harms the subject, and the order's record names the group",
    )
    same_lot_shipments: Literal["off", "where_possible", "required"] = Field(
        default="off", description="whether the kits of one type in a shipment come from one lot"
    )
    min_shipment_kits: int = Field(
        default=0, ge=0, le=LARGEST, description="a smaller order waits, unless it is urgent"
    )
    days_between_orders: int = Field(
        default=0, ge=0, le=730, description="days from one order of a site to its next, unless it is urgent"
    )
    depot_shortage: Literal["fair_share", "first_come"] = Field(
        default="fair_share",
        description="who gets what where a depot or pharmacy has less than a run asks of it",
    )
    order_approval: Literal["none", "manual", "all"] = Field(
        default="none",
        description="which orders wait for somebody else's approval: none, those placed by hand, or all",
    )
    pack_by_scan: bool = Field(
        default=False, description="whether a depot scans every kit of a shipment before it leaves"
    )
    seeding: Literal["on_activation", "on_first_screening", "none"] = "on_activation"
    parameters: tuple[ParameterSet, ...] = ()
    profiles: tuple[SiteProfile, ...] = ()
    returns: Returns = Returns()
    pools: tuple[Pool, ...] = Field(
        default=(),
        description="stock that this study and others with a pool of the same code may lend each other",
    )
