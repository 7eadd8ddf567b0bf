"""Blinded views cannot carry an arm: not in their models, and not in what their queries select."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import event

from allocation.access.actors import Actor, Grant
from allocation.api import answers
from allocation.study.dose_paths import dose_labels_are_blind
from allocation.study.protocol import Protocol
from allocation.views import blinded
from allocation.views.blinded.kit_history import kit_history
from allocation.views.blinded.overview import study_overview
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.returns import list_returns
from allocation.views.blinded.shipments import list_shipments, shipment_detail
from allocation.views.blinded.site_accountability import site_log
from allocation.views.blinded.stock import site_stock
from allocation.views.blinded.studies import list_studies
from allocation.views.blinded.subject_accountability import subject_accountability
from allocation.views.blinded.subjects import list_subjects, subject_detail
from tests.api.trial import ARMS, STUDY, protocol
from tests.views.conftest import enrol, ship

UNBLINDING = {
    "arm",
    "kit_type",
    "lot_id",
    "block",
    "sequence",
    "pick_sequence",
    "dose_level",
    "strength",
    "holder",
    "list_id",
    "method",
    "answer_json",
    "after_json",
    "before_json",
    "signature_json",
}
"""Columns and fields that hold, or could hold, what tells arms apart."""

MONITOR = Actor("mo", "Mo", (Grant("monitor", STUDY),))


def blinded_models() -> Iterator[type[BaseModel]]:
    modules = [
        importlib.import_module(one.name)
        for one in pkgutil.iter_modules(blinded.__path__, f"{blinded.__name__}.")
    ]
    for module in [*modules, answers]:
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, BaseModel) and found.__module__ == module.__name__:
                yield found


def test_no_blinded_model_has_a_field_for_what_tells_arms_apart():
    models = list(blinded_models())
    assert len(models) > 30
    for model in models:
        # A list's hash and length, and a method's name, go to the statistician who put them there, a packager's list and the kits of a
        # recalled lot to the unblinded supply manager who asked for them; nobody else may run those commands.
        assert not UNBLINDING & set(model.model_fields) or model in (
            answers.ListAnswer,
            answers.ActivateListAnswer,
            answers.ActivateMethodAnswer,
            answers.NumberedKit,
            answers.RecallLotAnswer,
        ), model


def test_no_blinded_view_can_hold_a_value_of_any_shape():
    """A field of type Any or dict[str, Any] could carry an arm unseen."""
    for model in blinded_models():
        for name, field in model.model_fields.items():
            assert Any not in _parts(field.annotation), (model, name)
            assert field.annotation is not dict, (model, name)


def _parts(annotation: Any) -> set[Any]:
    inner = getattr(annotation, "__args__", ())
    return {annotation}.union(*(_parts(one) for one in inner)) if inner else {annotation}


def test_no_blinded_query_selects_what_tells_arms_apart(service):
    shipments = ship(service)
    subject_id = enrol(service, "S01")
    database = service.database
    study_overview(database, MONITOR, STUDY)  # the protocol is read once, and kept
    selected: list[tuple[set[str], str]] = []

    def note(_connection, cursor, statement, _parameters, _context, _many):
        selected.append(({column[0] for column in cursor.description or ()}, statement))

    event.listen(database.engine, "after_cursor_execute", note)
    study_overview(database, MONITOR, STUDY, days_ahead=400)
    list_studies(database, MONITOR)
    assert list_subjects(database, MONITOR, STUDY).total == 1
    assert subject_detail(database, MONITOR, STUDY, subject_id).kits
    assert site_stock(database, MONITOR, STUDY, "S01").kits
    assert list_shipments(database, MONITOR, STUDY).shipments
    assert shipment_detail(database, MONITOR, STUDY, shipments[0]).contents
    number = site_stock(database, MONITOR, STUDY, "S01").kits[0].kit_number
    assert kit_history(database, MONITOR, STUDY, number).steps
    assert site_log(database, MONITOR, STUDY, "S01").kits
    assert subject_accountability(database, MONITOR, STUDY, subject_id).kits
    assert list_returns(database, MONITOR, STUDY).returns == ()
    assert reconciliation(database, MONITOR, STUDY).discrepancies == ()
    event.remove(database.engine, "after_cursor_execute", note)
    assert len(selected) > 15
    for columns, statement in selected:
        assert not UNBLINDING & columns, statement
        assert "list_entry" not in statement
        assert "protocol_json" not in columns


@pytest.mark.parametrize(
    ("change", "blind"),
    [
        ({}, True),
        ({"kind": "scheduled", "to_level": "ZZD2"}, True),
        ({"kind": "scheduled", "to_level": "ZZD2", "arms": [ARMS[0]]}, False),
    ],
)
def test_dose_labels_are_hidden_where_titration_differs_by_arm(change, blind):
    document = protocol()
    document["titration"][0] |= change
    if "to_level" in change:
        del document["titration"][0]["min_level"], document["titration"][0]["max_level"]
    assert dose_labels_are_blind(Protocol.model_validate(document)) is blind


def test_dose_labels_are_hidden_where_arms_start_differently():
    document = protocol()
    document["arms"][1]["start_dose_level"] = "ZZD2"
    assert not dose_labels_are_blind(Protocol.model_validate(document))
