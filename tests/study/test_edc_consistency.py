"""The map to the EDC: what it names must be there, once, and unified mode must leave nobody outside for ever."""

from typing import Any

import pytest
from pydantic import ValidationError

from allocation.study.edc import Edc
from allocation.study.protocol import Protocol
from tests.study.small_protocol import SMALL, assert_refused, with_changes

GOOD: dict[str, Any] = {
    "mode": "unified",
    "subject": {"source": "item", "item": {"item": "SUBJID"}},
    "criteria": [{"item": "IEYN"}],
    "factors": [{"item": "SEX", "factor": "SEX", "levels": {"1": "F", "2": "M"}}],
    "weight": {"item": "WEIGHT", "unit": "lb"},
    "height": {"item": "HEIGHT", "unit": "in"},
    "visit_dates": [{"item": "VISDAT", "event": "E3", "visit": "V3"}],
    "required_forms": [{"form": "IE", "randomization": True}, {"form": "VS", "visits": ["V3"]}],
    "form_status": {"source": "item", "name": "{form}_complete", "complete": ["1"], "validated": ["2"]},
    "senders": [{"account": "redcap"}],
    "outgoing": {"study_oid": "S", "metadata_version_oid": "1", "events": {"V2": "BASE"}},
}


def changed(**parts: Any) -> dict[str, Any]:
    return {"edc": GOOD | parts}


def test_a_whole_map_is_accepted_and_its_items_are_listed():
    edc = Protocol.model_validate(with_changes(changed())).edc
    assert [item.item for item in edc.items] == ["SUBJID", "WEIGHT", "HEIGHT", "IEYN", "SEX", "VISDAT"]
    more = GOOD | {
        "weight": {"item": "WEIGHT", "measured_on": {"item": "VSDAT"}},
        "screen_failure": {
            "item": {"item": "DSDECOD"},
            "values": ["SF"],
            "form": "DS",
            "date": {"item": "DSDAT"},
        },
    }
    edc = Protocol.model_validate(with_changes({"edc": more})).edc
    assert {"VSDAT", "DSDECOD", "DSDAT"} < {item.item for item in edc.items}
    assert edc.forms == ("IE", "VS", "DS")
    assert Protocol.model_validate(SMALL).edc.mode == "standalone"


OUT = {"study_oid": "S", "metadata_version_oid": "1"}
EXCLUSION = {"criteria[1]": {"code": "E1", "category": "EXCLUSION", "text": "No"}}


def factor(levels: dict[str, str], code: str = "SEX") -> dict[str, Any]:
    return changed(factors=[{"item": "A", "factor": code, "levels": levels}])


REFUSED = [
    (changed(criteria=[{"item": "A", "criteria": ["I2"]}]), "edc.criteria[0].criteria[0]", "I2", "use one of I1"),
    (changed(criteria=[{"item": "A"}, {"item": "A"}]), "edc.criteria[1].item", "*/*/*/A", "remove one"),
    (changed(criteria=[], required_forms=[]), "edc.criteria", "(none)", "map the criteria"),
    (factor({"f": "F"}, "AGE"), "edc.factors[0].factor", "AGE", "use one of SEX"),
    (factor({"x": "X", "f": "F", "m": "M"}), "edc.factors[0].levels.x", "X", "use one of F, M"),
    (factor({"f": "F"}), "edc.factors[0].levels", "M", "map a value"),
    (changed(visit_dates=[{"item": "A", "visit": "V9"}]), "edc.visit_dates[0].visit", "V9", "use one of V1"),
    (
        changed(visit_dates=[{"item": "A", "visit": "V3"}, {"item": "B", "visit": "V3"}]),
        "edc.visit_dates[1].visit",
        "V3",
        "remove one",
    ),
    (changed(required_forms=[{"form": "IE"}]), "edc.required_forms[0]", "IE", "set randomization: true"),
    (changed(required_forms=[{"form": "IE", "visits": ["V4"]}]), "edc.required_forms[0].visits[0]", "V4", "V2, V3"),
    (changed(form_status={"source": "item", "name": "done"}), "edc.form_status.name", "done", "{form}_complete"),
    (changed(form_status={"complete": ["2"], "validated": ["2"]}), "edc.form_status.complete", "2", "under validated only"),
    (changed(subject={"source": "item"}), "edc.subject.item", "(none)", "screening number"),
    (changed(senders=[]), "edc.senders", "(none)", "at least one sender"),
    (changed(senders=[{"account": "redcap"}] * 2), "edc.senders[1].account", "redcap", "remove one"),
    (changed(outgoing=OUT | {"events": {"V9": "X"}}), "edc.outgoing.events.V9", "V9", "use one of V1"),
    (changed(outgoing=OUT | {"facts": ["visit", "visit"]}), "edc.outgoing.facts[1]", "visit", "remove one"),
    (changed(outgoing=OUT | {"unscheduled": "V2"}), "edc.outgoing.unscheduled", "V2", "an event of its own"),
    (changed(screen_failure={}), "edc.screen_failure", "(empty)", "name an item"),
    (changed(screen_failure={"item": {"item": "DS"}}), "edc.screen_failure.values", "(none)", "name an item, and the values"),
    (changed(screen_failure={"form": "DS"}, criteria=[]), "edc.screen_failure.form", "DS", "map the criteria"),
    (changed(factors=[]) | {"stratification[0].source": "edc"}, "stratification[0].source", "edc", "map it there"),
    (changed() | {"stratification[0].source": "site"}, "edc.factors[0].factor", "SEX", "source to edc"),
    (changed(criteria=[{"item": "A", "criteria": ["I1"]}]) | EXCLUSION, "edc.criteria", "E1", "stands for all"),
    (
        changed(criteria=[{"item": "A", "criteria": ["I1", "E1"]}]) | EXCLUSION,
        "edc.criteria[0].met_by",
        "(none)",
        "list the values",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "path", "value", "fix"), REFUSED, ids=[row[1] + "=" + row[2] for row in REFUSED]
)
def test_what_does_not_fit_is_refused_with_path_value_and_fix(changes, path, value, fix):
    assert_refused(changes, path, value, fix)


def test_no_secret_has_a_place_in_the_map():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Edc.model_validate(GOOD | {"token": "x"})
