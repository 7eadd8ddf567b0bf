"""The planner's page: what a study will need, with its error, and what was found out about its thresholds and about changes of it.

`outlook` and `recruitment` are for every reader of forecasts and know no kit type; an import contract holds it. All else is unblinded.
"""
