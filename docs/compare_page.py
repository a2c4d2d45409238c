"""Print docs/compare.md from the newest record: `make docs` writes it, a test compares it."""

import json
from pathlib import Path
from typing import Any

from experiments.compare.tables import (
    FEDAVG,
    Curve,
    alone,
    alphas,
    centralised,
    crossing,
    curves,
)
from experiments.compare.traffic import label_bytes, weight_bytes
from services.wire import label_bits

ROOT = Path(__file__).parents[1]
SHOWN = (1, 3, 5)  # exchanges in the table, besides the last
SAMPLES = (12_000, 40_000)  # m, of which the labels are set beside the weights
COLOURS = 3


def newest(results: Path = ROOT / "results") -> Path | None:
    """The record that the page is made of; None before the first run at full size."""
    return max(results.glob("*-compare/record.json"), default=None)


def page(path: Path) -> str:
    """The page as Markdown, from a record."""
    record = json.loads(path.read_text())
    numbers, found = record["numbers"], curves(record["numbers"])
    return "\n".join(
        [
            *_introduction(record, path.parent.name),
            *_accuracies(found, len(record["seeds"])),
            *_crossings(found),
            *_networks(numbers),
            *_counting(numbers),
        ]
    )


def _introduction(record: dict[str, Any], folder: str) -> list[str]:
    case, seeds = record["numbers"]["case"], record["seeds"]
    return [
        "# Rounds of labels beside FedAvg",
        "",
        f"Made by `make docs` of `results/{folder}/record.json` (commit {record['commit']}, "
        f"{record['hardware']['cpu']}); "
        "`make compare PRIVATE=…` makes the record.",
        "",
        f"Ten workers share {case['private_samples']:,} samples of {case['private']} by Dir(α), "
        f"{_seeds(seeds)}; accuracy is on the test part of {case['public']}, of whose other part "
        "the public samples are. Everybody trains LeNet-5 with Adam "
        f"(1e-3, half a cosine, batches of 64) for {case['epochs']} epochs, before the first round "
        "of labels and in each round of FedAvg; a round of labels adds two, over public and own "
        "samples together. All pixels go through the same box.",
        "",
        "- *corrected*: the recommended settings, with abstention below 0.85 "
        "([learning](learning.md)); *majority*: the paper's. Each worker ends with a network of "
        "its own; the mean and the worst are shown.",
        "- *FedAvg*: Flower's. Everybody ends with the same network. Its clients train on all "
        "their samples; workers hold a tenth out.",
        "- *local only*: the workers before any round. *centralised*: one network on all private "
        "samples together.",
        "",
        "**The public images are of the test's domain**, and private data are not: labels teach "
        "pixels that FedAvg and centralised training never see. So rounds of labels may beat "
        "centralised training, and that is not a merit of labels.",
        "",
        f"![accuracy against bytes](../results/{folder}/bytes.png)",
        f"![accuracy against exchanges](../results/{folder}/rounds.png)",
        "",
    ]


def _seeds(seeds: list[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"means of {len(seeds)} seeds"


def _accuracies(found: list[Curve], n_seeds: int) -> list[str]:
    lines = [
        "## Accuracy per byte",
        "",
        "kB are thousands of bytes of one worker, in all exchanges together. Images: the public "
        "images, once, compressed. Per 100 kB: points of accuracy gained over local-only training "
        "for each 100 kB of up and down, without and with the images.",
        "",
        "| α | method | exchanges | mean | worst | up kB | down kB | images kB | per 100 kB "
        "| with images |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for alpha in alphas(found):
        start = alone(found, alpha)
        lines.append(f"| {alpha:g} | local only | 0 | {start:.4f} | | 0 | 0 | 0 | | |")
        for curve in (each for each in found if each.alpha == alpha):
            last = len(curve.means) - 1
            shown = sorted({at for at in (*SHOWN, last) if at <= last})
            lines += [_row(curve, at, start, n_seeds) for at in shown]
    lines += [
        f"| | {curve.method} | | {curve.means[-1]:.4f} | | | | | | |"
        for curve in centralised(found)
    ]
    return [*lines, ""]


def _row(curve: Curve, at: int, start: float, n_seeds: int) -> str:
    points = 100 * (curve.means[at] - start)
    sent, received, images = curve.up[at] / 1e3, curve.down[at] / 1e3, curve.images / 1e3
    spread = f" ± {curve.deviations[at]:.4f}" if n_seeds > 1 else ""
    return (
        f"| {curve.alpha:g} | {curve.method} | {at} | {curve.means[at]:.4f}{spread} "
        f"| {curve.worst[at]:.4f} | {sent:.1f} | {received:.1f} | {images:.0f} "
        f"| {100 * points / (sent + received):+.2f} "
        f"| {100 * points / (sent + received + images):+.2f} |"
    )


def _crossings(found: list[Curve]) -> list[str]:
    lines = [
        "## Where FedAvg is better",
        "",
        *(_verdict(found, alpha) for alpha in alphas(found)),
        "",
        "The round after which FedAvg is as accurate as the rounds of labels, and its traffic by "
        "then as a multiple of theirs, without and with the public images: **below 1 FedAvg is "
        "cheaper**.",
        "",
        "| α | labels | reach | FedAvg ends at | is as good after | traffic | with images |",
        "|---|---|---|---|---|---|---|",
    ]
    for alpha in alphas(found):
        fedavg = next(e for e in found if e.alpha == alpha and e.method == FEDAVG)
        for curve in (each for each in found if each.alpha == alpha and each.is_labels):
            met, own = crossing(curve, fedavg), curve.traffic[-1]
            more = "" if met.n_rounds else "> "
            rounds = f"{met.n_rounds}" if met.n_rounds else f"not in {len(fedavg.means) - 1}"
            lines.append(
                f"| {alpha:g} | {curve.method} | {curve.means[-1]:.4f} | {fedavg.means[-1]:.4f} "
                f"| {rounds} | {more}{met.traffic / own:.1f} "
                f"| {more}{met.traffic / (own + curve.images):.2f} |"
            )
    return [
        *lines,
        "",
        "FedAvg is better, too, where the network is small, where nobody has public samples of the "
        "domain, and where many rounds are no trouble. It needs one architecture for all and a "
        "server that sees every network, and it pays nobody.",
        "",
    ]


def _verdict(found: list[Curve], alpha: float) -> str:
    """Who ends higher."""
    of_split = [each for each in found if each.alpha == alpha]
    fedavg = next(each for each in of_split if each.method == FEDAVG)
    best = max((e for e in of_split if e.is_labels), key=lambda each: each.means[-1])
    lead = fedavg.means[-1] - best.means[-1]
    spread = fedavg.deviations[-1] + best.deviations[-1]
    who = "**FedAvg ends** higher" if lead > 0 else "labels end higher"
    doubt = ", by less than seeds differ" if abs(lead) < spread else ""
    return (
        f"- α = {alpha:g}: {who}{doubt}: FedAvg at {fedavg.means[-1]:.4f} after "
        f"{len(fedavg.means) - 1} exchanges, the best rounds of labels ({best.method}) at "
        f"{best.means[-1]:.4f}."
    )


def _networks(numbers: dict[str, Any]) -> list[str]:
    lines = [
        "## Larger networks",
        "",
        "With P parameters, m samples of C classes, B bits a label (the bit length of C) and n "
        "workers, an exchange costs a worker",
        "",
        "| | up | down |",
        "|---|---|---|",
        "| FedAvg | 4·P | 4·P |",
        "| labels, majority | m·B/8 | m·B/8 |",
        "| labels, corrected | m·B/8 | (n + 1)·m·B/8 |",
        "",
        "and labels the m public images, once. The size of the network is not in it:",
        "",
        "| network | P | B | FedAvg up | "
        + " | ".join(f"{m:,} labels up | times less" for m in SAMPLES)
        + " |",
        "|---|---|---|---|" + "---|---|" * len(SAMPLES),
    ]
    for each in numbers["networks"]:
        weights = weight_bytes(each["n_parameters"])
        cells = [
            f"{_size(labels)} | {weights / labels:,.0f}"
            for labels in (label_bytes(m, each["classes"]) for m in SAMPLES)
        ]
        lines.append(
            f"| {each['name']} | {each['n_parameters']:,} | {label_bits(each['classes'])} "
            f"| {_size(weights)} | {' | '.join(cells)} |"
        )
    m = SAMPLES[-1]
    lines += [
        "",
        f"The images often cost more than the labels. Exchanges of FedAvg (both ways) that "
        f"{m:,} public images are worth:",
        "",
        "| images | all of them | " + " | ".join(e["name"] for e in numbers["networks"]) + " |",
        "|---|---|" + "---|" * len(numbers["networks"]),
    ]
    most = max(numbers["public_images"], key=lambda each: each["samples"])
    images = {"these, compressed": most["gzip_bytes"] / most["samples"]}
    images |= {f"{side} x {side} in colour, raw": side * side * COLOURS for side in (32, 224)}
    for name, size in images.items():
        cells = [
            f"{m * size / 2 / weight_bytes(e['n_parameters']):.1f}" for e in numbers["networks"]
        ]
        lines.append(
            f"| {name}, {size:,.0f} bytes each | {_size(m * size)} | {' | '.join(cells)} |"
        )
    return [*lines, ""]


def _size(n_bytes: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def _counting(numbers: dict[str, Any]) -> list[str]:
    raw = max(numbers["public_images"], key=lambda each: each["samples"])
    return [
        "## What is counted, and what is Flower's",
        "",
        "- Labels up: the calldata of `commit` and `reveal`, which is the packed labels, a count "
        "for each class, a hash and a salt. Down: the data of the `ChunkAggregated` events, and "
        "with *corrected* of everybody's `Revealed` events. Not counted: signatures, membership "
        "(a few hundred bytes once), JSON-RPC (which writes a byte as two digits).",
        "- FedAvg: all objects that Flower sends of a message, as it serialises them; not gRPC "
        "and TLS.",
        "- Whoever calls `aggregate` sends everybody's labels once more. It is one call for all, "
        "as many bytes again as all workers send up.",
        f"- {raw['samples']:,} public images are {raw['bytes']:,} bytes raw and "
        f"{raw['gzip_bytes']:,} compressed; a worker that has them need not fetch them.",
        f"- Flower {numbers['flwr']}: the `FedAvg` strategy with its averaging, `ServerApp`, "
        "`ClientApp`, messages and their serialisation. Ours: what a client does with the weights "
        "(`worker.train`, as in a worker), and how messages get from one app to the other in one "
        "process (`experiments/compare/transport.py`) in place of gRPC or Ray.",
        "",
    ]


if __name__ == "__main__":
    path = newest()
    if path is None:
        raise SystemExit("no record in results/; run `make compare PRIVATE=…` first")
    print(page(path), end="")  # noqa: T201  (what the script is for)
