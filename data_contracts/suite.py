"""From rules to a Great Expectations suite.

Great Expectations takes seconds to import, so nothing here imports it before a suite is asked for.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from data_contracts.rule import Rule

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def expectation_for(rule: Rule) -> Any:
    """Return the one expectation that judges the rule. Its meta names the rule, its notes state it in words."""
    import great_expectations.expectations as gxe

    # The expectation's own classes check the severity as an enum of the same words.
    said: dict[str, Any] = {"meta": {"rule": rule.rule_id}, "notes": rule.text, "severity": rule.severity}
    if rule.kind in ("holds", "typed"):
        return gxe.ExpectColumnValuesToBeInSet(column=rule.derived_column, value_set=[True], **said)
    if rule.kind == "unique":
        if len(rule.columns) == 1:
            return gxe.ExpectColumnValuesToBeUnique(column=rule.columns[0], **said)
        return gxe.ExpectCompoundColumnsToBeUnique(
            column_list=list(rule.columns), ignore_row_if="never", **said
        )
    if rule.kind == "order":
        return gxe.ExpectTableColumnsToMatchOrderedList(**rule.arguments, **said)
    if rule.kind == "present" and len(rule.columns) > 1:
        return gxe.ExpectTableColumnsToMatchSet(column_set=list(rule.columns), exact_match=False, **said)
    column_kinds = {
        "present": gxe.ExpectColumnToExist,
        "filled": gxe.ExpectColumnValuesToNotBeNull,
        "member": gxe.ExpectColumnValuesToBeInSet,
        "at_most": gxe.ExpectColumnValueLengthsToBeBetween,
        "matches": gxe.ExpectColumnValuesToMatchRegex,
        "between": gxe.ExpectColumnValuesToBeBetween,
        "contains": gxe.ExpectColumnDistinctValuesToContainSet,
    }
    return column_kinds[rule.kind](column=rule.columns[0], **rule.arguments, **said)


def suite_of(name: str, rules: Iterable[Rule]) -> "ExpectationSuite":
    """Return the suite of these rules under that name; `suite.to_json_dict()` is a contract that can be diffed."""
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name=name, expectations=[expectation_for(rule) for rule in rules])
