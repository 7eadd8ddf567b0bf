"""A correct study keeps every contract; and the contracts are complete, diffable and agree with the service's own tables."""

import json

import polars as pl
import pytest

from allocation.rules.kit_status import PLACES_WITH_KEY, POSSIBLE
from data_contracts import check, contract, contract_for, datasets
from data_contracts.errors import ContractCheckError, ContractViolated, UnknownDatasetError
from data_contracts.supply import PLACES_WITH_HOLDER, POSSIBLE_STATES
from tests.data_contracts.good_study import good_frames

GOOD = good_frames()


@pytest.mark.parametrize("dataset", datasets())
def test_a_correct_study_keeps_every_rule_and_every_rule_is_judged(dataset: str) -> None:
    result = check(dataset, GOOD[dataset], GOOD)
    assert [str(failure) for failure in result.failures] == []
    assert dict(result.not_evaluated) == {}
    assert result.evaluated == tuple(rule.rule_id for rule in contract(dataset).rules)
    assert result.require() is result


@pytest.mark.parametrize("dataset", datasets())
def test_a_dataset_without_rows_keeps_its_contract(dataset: str) -> None:
    empty = {name: frame.clear() for name, frame in GOOD.items()}
    failed = [failure.rule for failure in check(dataset, empty[dataset], empty).failures]
    assert failed == (["TS.parameters"] if dataset == "TS" else [])


@pytest.mark.parametrize("dataset", datasets())
def test_a_contract_is_a_suite_that_can_be_diffed_and_names_every_rule_once(dataset: str) -> None:
    suite = json.loads(json.dumps(contract_for(dataset).to_json_dict()))
    named = [one["meta"]["rule"] for one in suite["expectations"]]
    assert sorted(named) == sorted(rule.rule_id for rule in contract(dataset).rules)
    assert len(set(named)) == len(named)
    assert all(
        one["notes"] and one["severity"] in ("critical", "warning", "info") for one in suite["expectations"]
    )


def test_the_states_of_a_kit_are_those_of_the_service() -> None:
    stated = {(state, place) for place, states in POSSIBLE_STATES.items() for state in states}
    assert stated == {(status.value, place.value) for status, place in POSSIBLE}
    assert set(PLACES_WITH_HOLDER) == {place.value for place in PLACES_WITH_KEY}


def test_a_rule_that_needs_a_frame_which_is_not_given_is_listed_not_passed() -> None:
    result = check("DA", GOOD["DA"])
    assert result.not_evaluated["DA.visit-in-SV"] == "needs the frame of SV"
    assert "DA.visit-in-SV" not in result.evaluated


def test_failing_keys_are_the_first_twenty_rows_and_the_count_is_of_all() -> None:
    many = pl.concat([GOOD["TI"].head(1)] * 50).with_columns(
        IETESTCD=pl.format("IN{}", pl.int_range(50)), IECAT=pl.lit("MAYBE")
    )
    (failure,) = check("TI", many).failures
    assert (failure.rule, failure.count, len(failure.keys)) == ("TI.IECAT.in-codelist", 50, 20)
    assert failure.keys[0] == {"STUDYID": "TINY01", "IETESTCD": "IN0"}


def test_a_broken_critical_rule_can_be_made_to_stop_the_caller() -> None:
    broken = GOOD["TI"].with_columns(IECAT=pl.lit("MAYBE"))
    with pytest.raises(ContractViolated, match=r"TI.IECAT.in-codelist.*IETESTCD=IN01"):
        check("TI", broken).require()


def test_an_unknown_dataset_and_a_key_column_that_is_not_there_are_refused() -> None:
    with pytest.raises(UnknownDatasetError, match="'AE'"):
        check("AE", GOOD["DM"])
    with pytest.raises(ContractCheckError, match="'SUBJECT'"):
        check("DM", GOOD["DM"], key_columns=["SUBJECT"])
