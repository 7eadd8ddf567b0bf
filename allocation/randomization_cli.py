"""`rtsm randomization activate|explain|update-ratio`: put a method into use, explain an arm, derive a response-adaptive ratio.

`lists` and `activate-list` are in list_cli.py.

`rtsm randomization compare` and `monitor` are of the simulator (simulation/cli.py), which mounts under the same name.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from allocation.commands.randomization_methods import (
    METHOD_ACTIVATION,
    ActivateMethodRequest,
    activate_method,
    content_to_sign,
)
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.list_cli import ForVersion, activate_stored_list, lists
from allocation.rules.response_adaptive import AdaptiveTarget, ArmResults, UpdateDesign, ratio_update
from allocation.terminal import acting, require_person, show, signed, the_study
from allocation.views.unblinded.allocations import allocation_history
from allocation.views.unblinded.draws import ExplainedRandomization, explain_randomization

app = typer.Typer(no_args_is_help=True, help="Activate a randomization method, or explain an allocation.")

app.command("lists")(lists)
app.command("activate-list")(activate_stored_list)

_WIDTH_WITHOUT_TERMINAL = 160


@app.command()
def activate(
    event: Annotated[str, typer.Argument(help="The randomization event.", show_default=False)],
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            help="The seed to draw from (default: drawn, and kept).",
            min=0,
            max=2**63 - 1,
            show_default=False,
        ),
    ] = None,
    protocol_version: ForVersion = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Put the method of an event that draws at randomization into use, signed by the account of --as."""
    username = require_person(actor)
    database = open_database(create=False)
    study_id = the_study(database, study)
    service, who = Service(database), acting(database, username)
    content = content_to_sign(service, study_id, event, protocol_version, "EVENT")
    signature = signed(service, who, username, "activate_method", METHOD_ACTIVATION, content, study_id)
    request = ActivateMethodRequest(event=event, seed=seed, protocol_version=protocol_version)
    answer = activate_method(service, Act(who, signature=signature), study_id, request)
    show(answer, as_json, f"{study_id}: {answer['method']} is in use at {event}")


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(help="The subject.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show how a subject's arm came about, and derive it again. Exit code 1 where it comes out otherwise. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = explain_randomization(database, acting(database, actor), study_id, subject)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH_WITHOUT_TERMINAL)
        if not found.randomizations:
            console.print(f"{subject} has not been randomized.")
        for one in found.randomizations:
            console.print(_table(subject, one))
    if not all(one.derives_to_the_same for one in found.randomizations):
        raise typer.Exit(1)


@app.command("update-ratio")
def update_ratio(
    result: Annotated[
        list[str],
        typer.Option(
            "--result",
            help="ARM=SUCCESSES/KNOWN, once for each open arm: how many results are known, how many are successes.",
            show_default=False,
        ),
    ],
    total: Annotated[int, typer.Option("--total", help="The sum of the new ratio, such as the block size.")],
    target: Annotated[
        AdaptiveTarget, typer.Option("--target", help="How the shares are derived.")
    ] = AdaptiveTarget.THOMPSON,
    event: Annotated[
        str | None, typer.Option("--event", help="The randomization event (default: the first).")
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option("--gamma", help="Hu and Zhang's exponent: pull towards the target (default: none)."),
    ] = None,
    planned: Annotated[
        int | None, typer.Option("--planned", help="Thompson: subjects of the whole trial.", min=1)
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Derive a response-adaptive ratio from results so far, and show the record of it. It UNBLINDS and changes nothing.

    A new signed protocol version puts the ratio in force: write it under arms or the event's ratio, and `rtsm study amend`.
    """
    database = open_database(create=False)
    study_id = the_study(database, study)
    history = allocation_history(database, acting(database, actor), study_id, event)
    allocated = Counter(one.arm for one in history.allocations)
    update = ratio_update(
        UpdateDesign(target, total, planned=planned, gamma=gamma),
        [_result(one, allocated) for one in result],
    )
    arms = [one.arm for one in update.results]
    ratio = ":".join(map(str, update.ratio))
    lines = [f"{study_id} {history.event}, {update.rule_version} by {target}: {' '.join(arms)} {ratio}"]
    lines += [
        f"  {one.arm}: {one.successes} of {one.known} known ({one.allocated} allocated), rate {rate:.4f}, share {share:.4f}"
        for one, rate, share in zip(update.results, update.rates, update.shares, strict=True)
    ]
    show({"study_id": study_id, "event": history.event, **asdict(update)}, as_json, "\n".join(lines))


def _result(text: str, allocated: Counter[str]) -> ArmResults:
    arm, _, counts = text.partition("=")
    successes, _, known = counts.partition("/")
    if not (arm and successes.isdecimal() and known.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not ARM=SUCCESSES/KNOWN", param_hint="--result")
    return ArmResults(arm, allocated[arm], int(known), int(successes))


def _table(subject: str, one: ExplainedRandomization) -> Table:
    occurrence = f" ({one.occurrence})" if one.occurrence > 1 else ""
    table = Table(
        title=f"{subject}: {one.event}{occurrence} on {one.randomized_on}, protocol version {one.protocol_version}",
        title_justify="left",
        show_header=False,
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(one):
        table.add_row(name, value)
    same = "the same" if one.derives_to_the_same else f"OTHERWISE: {_text(one.derived_again)}"
    table.add_row("derived again", same)
    return table


def _facts(one: ExplainedRandomization) -> list[tuple[str, str]]:
    """What is shown, in the order in which a reader asks."""
    facts = [
        ("randomization number", one.randomization_number),
        ("arm", one.arm + (f" (forced; {one.scheduled_arm} was scheduled)" if one.forced else "")),
        ("method", f"{one.method}, rule {one.record['rule_version']}"),
        ("stratum", one.stratum + (f" at {one.holder}" if one.holder else "")),
    ]
    facts += [
        (name, value) for name, value in (("cohort", one.cohort), ("came from arm", one.from_arm)) if value
    ]
    if one.list_use is not None:
        used = one.list_use
        facts.append(
            (
                "list entry",
                f"{used['list_id']}: run {used['stratum'] or '(central)'}, sequence {used['sequence']}, block {used['block']}",
            )
        )
        if used["skipped"]:
            facts.append(("passed over", f"sequences {_text(used['skipped'])}"))
        if used["new_block"] is not None:
            facts.append(("block handed out", str(used["new_block"])))
    if "probabilities" in one.record:
        facts += _drawn(one.record)
    if one.record.get("supply"):
        facts.append(("supply at the site", _text(one.record["supply"])))
    facts.append(("recorded", f"{one.recorded_at:%Y-%m-%d %H:%M:%S} UTC by {one.actor}"))
    return facts


def _drawn(record: dict[str, Any]) -> list[tuple[str, str]]:
    def by_arm(values: list[Any]) -> str:
        return ", ".join(f"{arm} {value:.4g}" for arm, value in zip(record["arms"], values, strict=True))

    facts = [
        ("ratio", ":".join(map(str, record["ratio"]))),
        ("counts before", by_arm(record["counts_before"])),
    ]
    if record["scores"]:
        facts.append(("imbalance scores", by_arm(record["scores"])))
    facts += [
        ("probabilities", by_arm(record["probabilities"])),
        ("uniform", f"{record['uniform']!r} (draw {record['index']} of the event)"),
    ]
    return facts


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
