"""Print docs/reproduction.md from the newest records: `make docs` writes it, a test compares it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.figures import FIGURES
from experiments.summary import table

RESULTS = Path(__file__).parents[1] / "results"

INTRODUCTION = """\
# The paper's figures

Section 5 of the paper has plots without numbers. Here are the same experiments with numbers, made
by the code that workers run: they train, label and distil as `fedserum worker` does, and are
scored and paid by `services/scoring.py` and `services/mechanism.py`, which the contract is tested
against. A point of each kind is also played through the contract on a node and agrees to the last
bit (`tests/differential/test_experiments.py`).

    make figures PRIVATE=…                    # all of it; resumes where it was interrupted
    make figures PRIVATE=… PREPROCESSING=box  # with glyphs of one size
    make figures FAST=1                       # small: shows that it runs, and no more

`PRIVATE` is as in [data](data.md); empty it is EMNIST's digits, downloaded. `ONLY=5,6` makes some
figures, `JOBS=2` says how many processes. Records go to `results/`, and this page is generated
from them by `make docs`. What is trained and computed stays in `results/cache`: remove that
folder after a change of the code.

**Where the paper says nothing.** It has no number for |X^priv|, the epochs of distillation, β, or
how many samples a worker holds out; it draws no error bars. Ours: 20,000 private samples (Figure
4: 5,000 to 40,000) and the product's defaults, that is two epochs to distil and a tenth held out.
In Figure 5 the workers that stop early have 5,000 samples between them, because with 20,000 the
last five of ten epochs change next to nothing (shown as well), and data sizes go from 40 to 4,000
in equal steps of their logarithm. Error bars are one standard deviation over seeds; each seed is a
split, a public set and workers of its own.

**Where we differ.** Adam starts at 0.001, as in the paper, and falls along half a cosine. While
it distils, a worker learns its private samples too, and it keeps its old model where the new one
is worse on its own validation split. Scores are the protocol's: R(x) sums to 1, and a sample
counts by the peers that labelled it ([protocol](protocol.md), section 4). *Peering 0* scores
against everyone else and shares one pool, as the paper does; *peering 1*, the product's default,
scores against the other of two leagues and shares a pool in each. In which league a worker is,
and who misbehaves, is drawn by lot five times (in Figure 5 twenty), and the mean taken. A reward
is a worker's gain or loss in deposits at λ = 1.

**Preprocessing.** EMNIST's digits are about 23 pixels high and MNIST's about 20, and a LeNet that
was trained on the ones reads the others badly. The paper has no step for that, so neither do the
plots below (`none`). With `box` every glyph is brought to one size and place first
([learning](learning.md)), which changes how much a worker knows before the round.
"""


def page(results: Path = RESULTS) -> str:
    """The page of the newest record and of the newest with preprocessing, as Markdown."""
    folders = [found for name in ("figures", "figures-box") if (found := _newest(results, name))]
    if not folders:
        return f"{INTRODUCTION}\nThere is no record yet.\n"
    return page_of(folders)


def page_of(folders: Sequence[Path]) -> str:
    """The page of some records as Markdown: the first is shown, the others are compared with it."""
    records = [json.loads((folder / "record.json").read_text()) for folder in folders]
    numbers = [record["numbers"] for record in records]
    return "\n".join(
        [
            INTRODUCTION,
            *_runs(folders, records),
            "## At a glance\n",
            _claims(numbers),
            *(_figure(number, folders, numbers) for number in numbers[0]["figures"]),
        ]
    )


def _newest(results: Path, name: str) -> Path | None:
    pattern = re.compile(rf"\d{{4}}-\d\d-\d\d-{name}")
    found = [path.parent for path in results.glob("*/record.json")]
    return max((path for path in found if pattern.fullmatch(path.name)), default=None)


def _runs(folders: Sequence[Path], records: Sequence[dict[str, Any]]) -> list[str]:
    """What was run, on what, and for how long."""
    rows = []
    for folder, record in zip(folders, records, strict=True):
        plan, run = record["numbers"]["plan"], record["numbers"]["run"]
        rows.append(
            [
                f"[{folder.name}](../results/{folder.name}/record.json)",
                plan["preprocessing"],
                f"`{record['commit']}`",
                record["hardware"]["gpu"] or record["hardware"]["cpu"],
                f"{run['processes']} processes, {run['seconds'] / 60:.0f} minutes: "
                f"{run['jobs']} jobs made {run['made']} results",
                ", ".join(map(str, record["seeds"])),
            ]
        )
    private = records[0]["numbers"]["private"]
    return [
        table(["record", "preprocessing", "commit", "hardware", "made by", "seeds"], rows),
        f"Private samples are drawn from {private['samples']:,} (SHA-256 of the images "
        f"`{private['sha256']}`), public and test samples from MNIST.\n",
    ]


def _claims(numbers: Sequence[dict[str, Any]]) -> str:
    """Every claim, with what each record found."""
    rows = []
    for number, figure in numbers[0]["figures"].items():
        of_each = [each["figures"][number]["claims"] for each in numbers]
        for place, claim in enumerate(figure["claims"]):
            cells = [
                f"{'yes' if claims[place]['holds'] else '**no**'}: {claims[place]['found']}"
                for claims in of_each
            ]
            rows.append([number, claim["text"], *cells])
    heads = [f"preprocessing {each['plan']['preprocessing']}" for each in numbers]
    return table(["figure", "must show", *heads], rows)


def _figure(number: str, folders: Sequence[Path], numbers: Sequence[dict[str, Any]]) -> str:
    figure, made = FIGURES[number], numbers[0]["figures"][number]
    plots = [f"![{figure.title}](../results/{folders[0].name}/{name})\n" for name in made["plots"]]
    others = [
        f"Preprocessing {other['plan']['preprocessing']}: "
        + ", ".join(
            f"[{name}](../results/{folder.name}/{name})"
            for name in other["figures"][number]["plots"]
        )
        + ".\n"
        for folder, other in zip(folders[1:], numbers[1:], strict=True)
    ]
    return "\n".join(
        [
            f"## {figure.title}\n",
            f"**The paper:** {figure.paper}\n",
            f"**Verdict:** {_verdict(made['claims'])}\n",
            *plots,
            *others,
            figure.tell(made["numbers"]),
        ]
    )


def _verdict(claims: Sequence[dict[str, Any]]) -> str:
    broken = [claim["text"] for claim in claims if not claim["holds"]]
    if not broken:
        return "it holds."
    if len(broken) == len(claims):
        return "it does not hold."
    return f"it holds in part; not: {'; '.join(broken)}."


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  (what the script is for)
