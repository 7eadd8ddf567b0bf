"""In the kernel: a depot that has less than its sites, and the depots that it refills, are to get in a run (rules/fair_share.py).

Who asks is a site by its index, or a depot by the number of sites and its index. Those with the same countries share first what may be
used there: a country is a place, and so is a depot with several countries.
"""

from __future__ import annotations

from allocation.rules.fair_share import shares_by_country
from allocation.rules.order_assembly import limited_to_share
from simulation.engines.compiled.calendars import holds
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import fill, view
from simulation.engines.compiled.refills import kits_for_depot
from simulation.engines.compiled.stock import shippable


@part
def share_shortages(at, ints, words, day):
    """Lower what those who ask a depot are to get to their fair shares, for each kit type of which two or more ask for more than it has."""
    for depot in range(at.depots):
        for kit_type in range(at.kits_size):
            asking = wanting(at, ints, words, day, depot, kit_type)
            if asking < 2:
                continue
            available = available_at(at, ints, day, depot, kit_type, asking)
            if is_short(at, ints, asking, kit_type, available):
                share(at, ints, asking, kit_type, available)


@hot
def wanting(at, ints, words, day, depot, kit_type):
    """List who wants a kit type of a depot in `sharing`, with their places in `countries`; how many."""
    asking = 0
    for site in range(at.site_count):
        wanted = ints[at.wanted + site * at.kits_size + kit_type]
        if ints[at.sites_depot + site] == depot and wanted > 0 and holds(words, at.ordering, site):
            ints[at.sharing + asking] = site
            ints[at.countries + asking] = ints[at.sites_country + site]
            asking += 1
    if at.refills_order > 0 and ints[at.resupply_run + day] == 1:
        for below in range(at.depots):
            wanted = ints[at.wanted + (at.site_count + below) * at.kits_size + kit_type]
            if ints[at.refills_supplier + below] == depot and wanted > 0:
                ints[at.sharing + asking] = at.site_count + below
                ints[at.countries + asking] = place_of_depot(at, ints, below)
                asking += 1
    return asking


@part
def place_of_depot(at, ints, depot):
    """The only country of a depot, or the place of the first depot with the same countries."""
    only, several = -1, 0
    for country in range(at.lots_countries):
        if ints[at.depot_countries + depot * at.lots_countries + country] == 1:
            only = country
            several += 1
    if several == 1:
        return only
    for other in range(depot):
        same = True
        for country in range(at.lots_countries):
            own = ints[at.depot_countries + depot * at.lots_countries + country]
            if ints[at.depot_countries + other * at.lots_countries + country] != own:
                same = False
        if same:
            return at.lots_countries + other
    return at.lots_countries + depot


@part
def uses(at, ints, asker, country):
    """Whether kits that somebody asks for may be used in a country."""
    if asker < at.site_count:
        return ints[at.sites_country + asker] == country
    return ints[at.depot_countries + (asker - at.site_count) * at.lots_countries + country] == 1


@hot
def available_at(at, ints, day, depot, kit_type, asking):
    """Kits that a depot may ship to any country of those who ask; those that it may ship to each place stand in `usable`."""
    today = at.calendar_first_ordinal + day
    available = 0
    fill(ints, at.usable, at.usable + at.lots_countries + at.depots, 0)
    fill(ints, at.used_in, at.used_in + at.lots_countries, 0)
    for place in range(asking):
        for country in range(at.lots_countries):
            if uses(at, ints, ints[at.sharing + place], country):
                ints[at.used_in + country] = 1
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        most = 0
        for country in range(at.lots_countries):
            kits = shippable(at, ints, depot, kit_type, lot, country, today)
            ints[at.usable + country] += kits
            if ints[at.used_in + country] == 1:
                most = max(most, kits)
        available += most
    for place in range(asking):
        asked_at = ints[at.countries + place]
        if asked_at >= at.lots_countries:
            below = ints[at.sharing + place] - at.site_count
            ints[at.usable + asked_at] = kits_for_depot(at, ints, day, below, depot, kit_type)
    return available


@hot
def is_short(at, ints, asking, kit_type, available):
    """Whether those in `sharing` want more than there is, for all or for a place."""
    total = 0
    short = False
    for place in range(at.lots_countries + at.depots):
        wanted = 0
        for each in range(asking):
            if ints[at.countries + each] == place:
                wanted += ints[at.wanted + ints[at.sharing + each] * at.kits_size + kit_type]
        total += wanted
        if wanted > ints[at.usable + place]:
            short = True
    return short or total > available


@hot
def share(at, ints, asking, kit_type, available):
    """Share what the depot has between those in `sharing`, in whole blocks; the shares of depots are kept until they order."""
    block = ints[at.kits_block_size + kit_type]
    for place in range(asking):
        wanted = ints[at.wanted + ints[at.sharing + place] * at.kits_size + kit_type]
        ints[at.blocks + place] = wanted // block
    places = at.lots_countries + at.depots
    for place in range(places):
        ints[at.usable + place] //= block
    shares_by_country(
        view(ints, at.blocks, asking),
        view(ints, at.countries, asking),
        view(ints, at.usable, places),
        available // block,
        view(ints, at.shares, asking),
        view(ints, at.within, asking),
        view(ints, at.given, asking),
    )
    for place in range(asking):
        asker, kits = ints[at.sharing + place], ints[at.shares + place] * block
        if asker < at.site_count:
            wanted = at.wanted + asker * at.kits_size + kit_type
            ints[wanted] = limited_to_share(ints[wanted], kits)
        else:
            ints[at.depot_share + (asker - at.site_count) * at.kits_size + kit_type] = kits
