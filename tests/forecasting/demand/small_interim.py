"""An interim cut of a made study, as a value and as its five files: the truth that it was made from is known."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from forecasting.demand.interim import InterimCut

BEGINS = date(2024, 1, 1)


def made_cut(
    seed: int, days: int, *, a_week: float = 3.0, hazard: float = 0.003, skips: float = 0.3
) -> InterimCut:
    """Two arms in blocks of 4, two kit types (2 of the one, 1 of the other), a dispensing every 28 days with a delay of 2 days."""
    rng = np.random.default_rng(seed)
    randomized = np.flatnonzero(rng.random(days + 1) < a_week / 7)
    n = len(randomized)
    arm = np.concatenate([rng.permutation([0, 0, 1, 1]) for _ in range(n // 4 + 1)])[:n]
    stay = np.ceil(rng.exponential(1 / hazard, n)).astype(np.int64)
    known = days - randomized + 1
    time = np.minimum(stay, known)
    subject, day = [], []
    for one in range(n):
        at = 0
        while at < time[one]:
            subject.append(one)
            day.append(at)
            at += max(round(28 * rng.geometric(1 - skips) + rng.normal(0, 2)), 1)
    who = np.array(subject, dtype=np.int64)
    return InterimCut(
        begins_on=BEGINS,
        cut_on=BEGINS + timedelta(days=days),
        arms=("active", "control"),
        kits=("tablet", "placebo"),
        arm_kits=np.array([[True, False], [False, True]]),
        target_days=28,
        target_dose=np.array([2, 1]),
        max_cycles=1000,
        subjects=tuple(f"S-{one:03}" for one in range(n)),
        randomized=randomized.astype(np.int64),
        arm=arm.astype(np.int64),
        days_on_study=time,
        ended=stay < known,
        visit_subject=who,
        visit_day=np.array(day, dtype=np.int64),
        quantities=np.where(np.array([[True, False], [False, True]])[arm[who]], [2, 1], 0),
    )


def write_files(cut: InterimCut, folder: Path) -> Path:
    """The cut in the form of drugDemand."""
    lines = ["trialsdt,usubjid,randdt,treatment,treatment_description,time,event,dropout,cutoffdt"]
    for at, name in enumerate(cut.subjects):
        on = cut.begins_on + timedelta(days=int(cut.randomized[at]))
        arm = int(cut.arm[at])
        lines.append(
            f"{cut.begins_on},{name},{on},{arm + 1},{cut.arms[arm]},{cut.days_on_study[at]}.0,{int(cut.ended[at])}.0,0.0,{cut.cut_on}"
        )
    (folder / "interim_subjects.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["usubjid,visit,date,kit,dispensed_quantity"]
    for who, day, given in zip(cut.visit_subject, cut.visit_day, cut.quantities, strict=True):
        on = cut.begins_on + timedelta(days=int(cut.randomized[who] + day))
        for kit, number in enumerate(given):
            lines += [f"{cut.subjects[who]},Visit,{on},{kit + 1},1"] * int(number)
    (folder / "interim_dispensing.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "dosing_schedule.csv").write_text(
        "kit,target_days,target_dose,max_cycles\n1,28,2,1000\n2,28,1,1000\n", encoding="utf-8"
    )
    (folder / "kit_description.csv").write_text(
        "drug,kit,kit_name\n1,1,tablet\n2,2,placebo\n", encoding="utf-8"
    )
    (folder / "treatment_by_drug.csv").write_text("treatment,drug\n1,1\n2,2\n", encoding="utf-8")
    return folder
