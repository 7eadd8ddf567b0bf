"""Which protocol versions each subject follows, now and at the moments at which loaded versions will take effect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from allocation.ledger.schema import IN_SCREENING, study_version_country
from allocation.ledger.subject_paths import paths_at_sites
from allocation.rules.amendments import VersionsByVisit
from allocation.study.subject_schedule import SubjectPath


@dataclass(frozen=True, slots=True)
class FollowedVersions:
    """`on_study` and `in_screening`: site -> the paths of its subjects now, by id. `later`: country -> the moments (UTC, rising) after now
    at which a loaded version takes effect there. `at`: moment -> subject -> the versions that its visits follow from then on.
    """

    on_study: dict[str, list[SubjectPath]]
    in_screening: dict[str, list[SubjectPath]]
    later: dict[str, list[datetime]]
    at: dict[datetime, dict[str, VersionsByVisit]]


def followed_versions(
    connection: Connection, study_id: str, sites: Sequence[str], now: datetime
) -> FollowedVersions:
    """Read the subjects of `sites` as they are, and their versions as they will be if no other version is loaded."""
    table = study_version_country.c
    query = (
        select(table.country, table.effective_at)
        .where(table.study_id == study_id, table.effective_at > now)
        .order_by(table.effective_at)
    )
    later: dict[str, list[datetime]] = defaultdict(list)
    for row in connection.execute(query):
        later[row.country].append(row.effective_at)

    def paths(moment: datetime) -> list[dict[str, list[SubjectPath]]]:
        return [
            paths_at_sites(connection, study_id, sites, status, moment)
            for status in ("randomized", *IN_SCREENING)
        ]

    randomized, *screening = paths(now)
    return FollowedVersions(
        randomized,
        {
            site_id: sorted(
                (one for found in screening for one in found[site_id]), key=lambda one: one.subject_id
            )
            for site_id in sites
        },
        later,
        {
            moment: {
                path.subject_id: path.versions
                for by_site in paths(moment)
                for found in by_site.values()
                for path in found
            }
            for moment in sorted({one for moments in later.values() for one in moments})
        },
    )
