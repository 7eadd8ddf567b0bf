"""A depot that has less than its sites are to get, in the kernel: fair shares by kit type, within countries first (rules/fair_share.py)."""

from __future__ import annotations

from allocation.rules.fair_share import shares_by_country
from allocation.rules.order_assembly import limited_to_share
from simulation.engines.compiled.calendars import holds
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import view
from simulation.engines.compiled.stock import shippable


@part
def share_shortages(at, ints, words, day):
    """Lower what the sites of a depot are to get to their fair shares, for each kit type of which it has less than they want."""
    for depot in range(at.depots):
        for kit_type in range(at.kits_size):
            sites = wanting(at, ints, words, depot, kit_type)
            available = available_at(at, ints, day, depot, kit_type)
            if sites > 0 and is_short(at, ints, sites, kit_type, available):
                share(at, ints, sites, kit_type, available)


@hot
def wanting(at, ints, words, depot, kit_type):
    """List the sites that want a kit type of a depot in `sharing`; how many."""
    sites = 0
    for site in range(at.site_count):
        wanted = ints[at.wanted + site * at.kits_size + kit_type]
        if ints[at.sites_depot + site] == depot and wanted > 0 and holds(words, at.ordering, site):
            ints[at.sharing + sites] = site
            sites += 1
    return sites


@hot
def available_at(at, ints, day, depot, kit_type):
    """Kits that a depot may ship to any country; those that it may ship to each stand in `usable`."""
    today = at.calendar_first_ordinal + day
    available = 0
    for country in range(at.lots_countries):
        ints[at.usable + country] = 0
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        most = 0
        for country in range(at.lots_countries):
            kits = shippable(at, ints, depot, kit_type, lot, country, today)
            ints[at.usable + country] += kits
            most = max(most, kits)
        available += most
    return available


@hot
def is_short(at, ints, sites, kit_type, available):
    """Whether the sites in `sharing` want more than there is, for all or for a country."""
    total = 0
    short = False
    for country in range(at.lots_countries):
        wanted = 0
        for place in range(sites):
            site = ints[at.sharing + place]
            if ints[at.sites_country + site] == country:
                wanted += ints[at.wanted + site * at.kits_size + kit_type]
        total += wanted
        if wanted > ints[at.usable + country]:
            short = True
    return short or total > available


@hot
def share(at, ints, sites, kit_type, available):
    """Share what the depot has between the sites in `sharing`, in whole blocks."""
    block = ints[at.kits_block_size + kit_type]
    for place in range(sites):
        site = ints[at.sharing + place]
        ints[at.blocks + place] = ints[at.wanted + site * at.kits_size + kit_type] // block
        ints[at.countries + place] = ints[at.sites_country + site]
    for country in range(at.lots_countries):
        ints[at.usable + country] //= block
    shares_by_country(
        view(ints, at.blocks, sites),
        view(ints, at.countries, sites),
        view(ints, at.usable, at.lots_countries),
        available // block,
        view(ints, at.shares, sites),
        view(ints, at.within, sites),
        view(ints, at.given, sites),
    )
    for place in range(sites):
        wanted = at.wanted + ints[at.sharing + place] * at.kits_size + kit_type
        ints[wanted] = limited_to_share(ints[wanted], ints[at.shares + place] * block)
