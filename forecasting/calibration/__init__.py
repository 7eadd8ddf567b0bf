"""How well forecasts of a running study agree with what came: forecasts that are kept, the facts, and the scorecard."""
