"""A protocol that is written as YAML or canonical JSON reads back equal, and equal protocols have one hash."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.ledger.canonical import canonical_json as ledger_json
from allocation.ledger.canonical import sha256_hex
from allocation.study.canonical import canonical_json, decimal_text, plain_document, protocol_sha256
from allocation.study.protocol import Protocol
from allocation.study.yaml_files import dump_protocol, load_protocol, parse_protocol
from tests.conftest import REPOSITORY
from tests.study.small_protocol import SMALL, with_changes, yaml_text

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120).filter(
    lambda text: text.strip()
)
LINES = st.lists(TEXT, min_size=1, max_size=3).map("\n".join)
CODE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,11}", fullmatch=True)
DECIMAL = st.decimals(min_value=Decimal("0.0001"), max_value=10**12, allow_nan=False, allow_infinity=False)
DAY = st.dates(date(1990, 1, 1), date(2090, 1, 1))


@st.composite
def protocols(draw: st.DrawFn) -> dict[str, Any]:
    """The small protocol with drawn texts, numbers, dates and lists at the places where any will do."""
    start = draw(DAY)
    sites = draw(st.lists(CODE, min_size=3, max_size=8, unique=True))
    changes: dict[str, Any] = {
        "study.title": draw(TEXT),
        "study.sponsor": draw(
            st.sampled_from(["no", "null", "1.0", "2026-01-05", "- x", "#", "'", "a: b", "~"]) | TEXT
        ),
        "study.planned_start": start.isoformat(),
        "study.planned_enrolment_end": max(start, draw(DAY)).isoformat(),
        "arms[0].description": draw(LINES),
        "criteria[0].text": draw(LINES),
        "kit_types[0].units_per_kit": str(draw(DECIMAL)),
        "kit_types[1].cost": str(draw(DECIMAL)),
        "visits[3].number": str(draw(st.decimals(4, 89, places=2))),
        "visits[3].target_day": draw(st.integers(40, 900)),
        "visits[3].window_after": draw(st.integers(0, 60)),
        "sites": [{"code": code, "name": draw(TEXT), "country": "DEU"} for code in sites],
        "lanes[2]": {"depot": "D2", "site": sites[0], "lead_time_days": draw(st.integers(0, 365))},
        "supply.run_weekdays": draw(st.lists(st.integers(0, 6), unique=True, max_size=7)),
        "supply.parameters[2].parameters.valid_from": draw(st.none() | DAY.map(date.isoformat)),
        "stratification[0].weight": draw(st.floats(0, 1e9)),
        "edc": {
            "field_map": draw(st.dictionaries(TEXT.map(str.strip), TEXT, max_size=4)),
            "criteria": [{"item": draw(CODE), "form": draw(st.none() | CODE), "met_by": [draw(TEXT)]}],
            "factors": [{"item": draw(CODE), "factor": "SEX", "levels": {draw(TEXT): "F", "male": "M"}}],
            "visit_dates": [{"item": draw(CODE), "visit": "V3"}],
            "senders": [{"account": "edc.system"}],
            "outgoing": {"study_oid": draw(CODE), "metadata_version_oid": "1", "events": {"V3": draw(CODE)}},
        },
    }
    return with_changes(changes)


@settings(deadline=None, max_examples=40)
@given(protocols())
def test_any_protocol_reads_back_equal_from_its_yaml_and_its_canonical_json(data: dict[str, Any]) -> None:
    protocol = Protocol.model_validate(data)
    assert parse_protocol(dump_protocol(protocol)) == protocol
    again = Protocol.model_validate_json(canonical_json(protocol))
    assert again == protocol
    assert protocol_sha256(again) == protocol_sha256(protocol)


@settings(deadline=None, max_examples=30)
@given(protocols(), protocols())
def test_two_protocols_have_one_hash_exactly_when_they_are_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = Protocol.model_validate(one), Protocol.model_validate(other)
    assert (protocol_sha256(first) == protocol_sha256(second)) == (first == second)


def test_the_demo_reads_back_equal_and_in_the_order_of_a_protocol() -> None:
    demo = load_protocol(REPOSITORY / "studies" / "demo.yaml")
    text = dump_protocol(demo)
    assert parse_protocol(text) == demo
    keys = [line.split(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert keys[:4] == ["schema_version", "study", "arms", "stratification"]
    assert keys.index("epochs") < keys.index("visits") < keys.index("kit_types") < keys.index("sites")
    assert "  - {code: MODERATE, label: Moderate (vIGA-AD 3)}" in text.replace("      - ", "  - ")


def test_what_the_file_leaves_out_is_in_the_hash_as_its_default() -> None:
    implicit = parse_protocol(yaml_text(SMALL))
    explicit = parse_protocol(yaml_text(with_changes({"visits[2].window": "soft", "study.mode": "test"})))
    changed = parse_protocol(yaml_text(with_changes({"visits[2].window": "hard"})))
    assert protocol_sha256(implicit) == protocol_sha256(explicit) != protocol_sha256(changed)


def test_spellings_of_one_number_are_one_number() -> None:
    texts = [
        yaml_text(with_changes({"kit_types[0].units_per_kit": value}))
        for value in (35, 35.0, "35.00", "3.5E1")
    ]
    assert len({protocol_sha256(parse_protocol(text)) for text in texts}) == 1
    assert decimal_text(Decimal("1E+2")) == "100"


def test_the_hash_is_that_of_the_document_in_the_ledger_so_that_an_inspector_can_compute_it() -> None:
    protocol = parse_protocol(yaml_text(with_changes({"study.title": "Größe"})))
    assert protocol_sha256(protocol) == sha256_hex(ledger_json(plain_document(protocol)))
    assert plain_document(protocol)["kit_types"][0]["units_per_kit"] == "35"
    assert canonical_json(protocol).startswith(
        '{"amendment_rule":"next_visit","amendment_visit":null,"arms":[{"as_treated":null,"code":"A","description":""'
    )
