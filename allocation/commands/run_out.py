"""When each site is projected to run out of each kit type (rule F): an alert that writes nothing and orders nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection

from allocation.access.actors import Actor
from allocation.commands.open_sites import open_sites, require_in_force, site_at
from allocation.commands.service import Service
from allocation.commands.site_supply import (
    SiteSituation,
    countable_kits,
    demand_policy,
    site_demand,
    site_situations,
)
from allocation.ledger.subject_paths import paths_at_sites
from allocation.rules.demand import due_visits
from allocation.rules.run_out import ExpectedVisit, RunOutDecision, project_run_out
from allocation.study.newcomers import Newcomers, expected_randomization, newcomers
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.subject_schedule import SubjectPath
from allocation.views.blinded.run_out_models import SiteRunOut, SitesRunOut
from allocation.views.unblinded.run_out_models import TypeRunOut, TypesRunOut
from allocation.views.visible import visible

Screened = list[tuple[SubjectPath, bool]]
"""Subjects who are not randomized yet, each with whether it was assessed eligible."""


def run_out_by_type(service: Service, actor: Actor, study_id: str) -> TypesRunOut:
    """Every open site and kit type that the actor may see. UNBLINDING. Raises NotPermitted, NotFound for an unknown study."""
    found = tuple(
        TypeRunOut(
            site_id=site_id,
            kit_type=one.kit_type,
            sai=one.sai,
            run_out_on=one.run_out_on,
            alarm_days=one.alarm_days,
            alarm=one.alarm,
        )
        for site_id, decisions in _projected(service, actor, "view.stock.unblinded", study_id)
        for one in decisions
    )
    return TypesRunOut(study_id=study_id, kit_types=found)


def run_out_by_site(service: Service, actor: Actor, study_id: str) -> SitesRunOut:
    """Every open site that the actor may see, without a word on what it runs out of. Raises NotPermitted, NotFound."""
    sites = []
    for site_id, decisions in _projected(service, actor, "view.stock.blinded", study_id):
        days: list[date] = [one.run_out_on for one in decisions if one.run_out_on is not None]
        alarm = any(one.alarm for one in decisions)
        sites.append(SiteRunOut(site_id=site_id, run_out_on=min(days, default=None), alarm=alarm))
    return SitesRunOut(study_id=study_id, sites=tuple(sites))


def _projected(
    service: Service, actor: Actor, permission: str, study_id: str
) -> Iterator[tuple[str, list[RunOutDecision]]]:
    now = service.clock()
    with service.database.read() as connection:
        seen = visible(connection, actor, permission, study_id)
        require_in_force(connection, study_id, now)
        rows = open_sites(connection, study_id, (), now)
        places = [site_at(row, now) for row in rows if seen.whole_study or row.site_id in seen.sites]
        situations = site_situations(connection, study_id, places, now, service.protocols)
        screened = _screened(connection, study_id, [at.site_id for at in places], now)
    protocols = {one.at.version: one.protocol for one in situations if screened[one.at.site_id]}
    coming = {version: newcomers(one) for version, one in protocols.items() if one.randomization}
    for situation in situations:
        site_id = situation.at.site_id
        yield site_id, _at_site(situation, screened[site_id], coming.get(situation.at.version))


def _screened(connection: Connection, study_id: str, sites: list[str], now: datetime) -> dict[str, Screened]:
    found: dict[str, Screened] = {site_id: [] for site_id in sites}
    for status, eligible in (("screening", False), ("eligible", True)):
        for site_id, paths in paths_at_sites(connection, study_id, sites, status, now).items():
            found[site_id] += [(path, eligible) for path in paths]
    return found


def _at_site(situation: SiteSituation, screened: Screened, coming: Newcomers | None) -> list[RunOutDecision]:
    at, protocol = situation.at, situation.protocol
    facts, planned = site_demand(situation)
    policy = demand_policy(protocol)
    on_hand = countable_kits(situation)
    decisions = []
    for one in protocol.kit_types:
        parameters = effective_parameters(
            protocol, one.code, at.today, country=at.country, site=at.site_id, profile=at.profile
        )
        due = due_visits(planned, facts, one.code, at.today, policy)
        visits = [ExpectedVisit(visit.subject, visit.due_offset, visit.quantity) for visit in due]
        if coming is not None:
            visits += _of_screened(situation, screened, coming, one.code, parameters)
        sai = on_hand[one.code] + situation.pipeline.get(one.code, 0)
        decisions.append(project_run_out(one.code, sai, visits, at.today, parameters.run_out_alarm_days))
    return decisions


def _of_screened(
    situation: SiteSituation,
    screened: Screened,
    coming: Newcomers,
    kit_type: str,
    parameters: EffectiveParameters,
) -> Iterator[ExpectedVisit]:
    """What the screened subjects may need: each arm's kits with its share, from the expected day of randomization on."""
    today = situation.at.today
    for path, eligible in screened:
        stays = 1.0 if eligible else 1.0 - float(parameters.screen_failure_rate)
        wait = max((expected_randomization(situation.protocol, path) - today).days, 0)
        for one in coming.dispensings[kit_type]:
            weight = stays * coming.ratio[one.arm] / sum(coming.ratio)
            yield ExpectedVisit(path.subject_id, wait + one.offset, one.quantity, weight)
