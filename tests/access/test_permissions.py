"""The permission table: complete, and decided by role, study and place."""

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.permissions import (
    BLINDED_ROLES,
    COMMAND_PERMISSIONS,
    PERMISSIONS,
    ROLES,
    SYSTEM,
    UNBLINDED_ROLES,
    authorize,
    conflicting_role,
    reach,
)
from allocation.errors import NotPermitted
from allocation.ledger.projections import FOLDS


def test_every_command_that_the_ledger_folds_has_a_permission():
    assert set(COMMAND_PERMISSIONS) == set(FOLDS)
    assert set(COMMAND_PERMISSIONS.values()) <= set(PERMISSIONS)


def test_every_permission_names_known_roles_and_someone_has_it():
    for permission, roles in PERMISSIONS.items():
        assert roles, permission
        assert roles <= ROLES | SYSTEM, permission


def test_every_role_is_blinded_or_unblinded_and_never_both():
    assert not BLINDED_ROLES & UNBLINDED_ROLES
    for role in ROLES:
        assert any(role in roles for roles in PERMISSIONS.values()), f"{role} may do nothing"


@pytest.mark.parametrize(
    "permission",
    [
        "view.subjects.unblinded",
        "view.stock.unblinded",
        "view.lists",
        "view.protocol",
        "scenario.fit",
        "forecast.demand",
        "ledger.read",
        "export.unblinded",
        "list.upload",
        "list.generate",
        "list.activate",
        "lots.load",
        "kits.load",
    ],
)
def test_no_blinded_role_may_do_what_shows_an_arm(permission):
    assert not PERMISSIONS[permission] & BLINDED_ROLES


def test_a_site_role_acts_at_its_site_only():
    actor = Actor("anna", "Anna", (Grant("site_coordinator", "S1", "site", "701"),))
    assert authorize(actor, "subject.screen", "S1", site_id="701", country="DEU") == "site_coordinator"
    for study, place in (("S1", {"site_id": "702"}), ("S2", {"site_id": "701"}), ("S1", {})):
        with pytest.raises(NotPermitted) as refusal:
            authorize(actor, "subject.screen", study, **place)
        assert refusal.value.code == "not-permitted"


def test_a_grant_for_a_country_covers_its_sites_and_one_for_a_depot_its_shipments():
    monitor = Actor("mo", "Mo", (Grant("monitor", "S1", "country", "DEU"),))
    assert authorize(monitor, "view.subjects.blinded", "S1", site_id="701", country="DEU") == "monitor"
    with pytest.raises(NotPermitted):
        authorize(monitor, "view.subjects.blinded", "S1", site_id="801", country="FRA")
    depot = Actor("dan", "Dan", (Grant("depot_operator", "S1", "depot", "D1"),))
    assert authorize(depot, "shipment.dispatch", "S1", site_id="701", depot_id="D1") == "depot_operator"
    with pytest.raises(NotPermitted):
        authorize(depot, "shipment.dispatch", "S1", site_id="701", depot_id="D2")


def test_the_role_acted_under_is_the_one_that_allows_the_act():
    actor = Actor("both", "Both", (Grant("monitor", "S1"), Grant("investigator", "S1", "site", "701")))
    assert authorize(actor, "subject.randomize", "S1", site_id="701") == "investigator"
    assert authorize(actor, "view.shipments", "S1") == "monitor"


def test_an_unknown_permission_is_a_defect_and_not_a_refusal():
    with pytest.raises(KeyError):
        authorize(SYSTEM_ACTOR, "subject.teleport", "S1")


def test_the_system_may_run_every_command():
    for permission in COMMAND_PERMISSIONS.values():
        assert authorize(SYSTEM_ACTOR, permission, "S1") == "system"


def test_reach_joins_the_places_of_all_grants():
    actor = Actor(
        "mo",
        "Mo",
        (
            Grant("monitor", "S1", "site", "701"),
            Grant("monitor", "S1", "country", "FRA"),
            Grant("site_coordinator", "S2", "site", "9"),
        ),
    )
    found = reach(actor, "view.subjects.blinded", "S1")
    assert (found.whole_study, found.sites, found.countries) == (False, {"701"}, {"FRA"})
    with pytest.raises(NotPermitted):
        reach(actor, "view.subjects.unblinded", "S1")


@pytest.mark.parametrize("blinded", sorted(BLINDED_ROLES))
@pytest.mark.parametrize("unblinded", sorted(UNBLINDED_ROLES))
def test_blinded_and_unblinded_conflict_in_one_study_and_not_across_studies(blinded, unblinded):
    assert conflicting_role(unblinded, "S1", (Grant(blinded, "S1", "site", "701"),)) == blinded
    assert conflicting_role(blinded, "S1", (Grant(unblinded, "*"),)) == unblinded
    assert conflicting_role(blinded, "*", (Grant(unblinded, "S1"),)) == unblinded
    assert conflicting_role(blinded, "S2", (Grant(unblinded, "S1"),)) is None
