"""docs/limits.md from a record: the words are in page.md, all numbers are the record's."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

Numbers = dict[str, Any]
POOLS = ("one pool", "leagues")
AT = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # shares of colluders and copiers that have a column
SURE = "class and certainty"
HINDSIGHT = "second round, with hindsight"
WORDS = Path(__file__).with_suffix(".md")


def page(path: Path) -> str:
    """The page as Markdown, of a `record.json`."""
    numbers = json.loads(path.read_text())["numbers"]
    plan, alphas = numbers["plan"], numbers["alphas"]
    return Template(WORDS.read_text(encoding="utf-8")).substitute(
        folder=path.parent.name,
        samples=f"{plan['samples']:,}",
        epochs=plan["epochs"],
        private_samples=f"{plan['private_samples']:,}",
        n_seeds=len(plan["seeds"]),
        alphas=", ".join(alphas),
        accuracies=_listed(f"{of['accuracy']['mean']:.3f} at α = {a}" for a, of in alphas.items()),
        glance=_glance(alphas),
        shared_seed=_sweep(alphas, "shared_seed"),
        shared_seed_from=_from(alphas, "shared_seed"),
        copies=_copies(alphas),
        copies_from=_copies_from(alphas),
        coined=_coined(alphas),
        copying_same=_sweep(alphas, "copying", "same"),
        copying_same_from=_from(alphas, "copying", "same"),
        copying_fresh=_sweep(alphas, "copying", "fresh"),
        copying_fresh_from=_from(alphas, "copying", "fresh"),
        leaving_out=_sweep(alphas, "leaving_out"),
        leaving_out_from=_from(alphas, "leaving_out"),
        condition=_condition(alphas),
        paper_a=gain(numbers["example"]["paper"]["a"]),
        paper_b=gain(numbers["example"]["paper"]["b"]),
        example=_example(numbers["example"]),
        few=_few(alphas),
        pairs=_pairs(alphas),
        deviations=_deviations(alphas),
        leagues_verdict=_leagues_verdict(alphas),
        learnt=_learnt(alphas),
        plans=_plans(alphas),
        plans_verdict=_plans_verdict(alphas),
        hindsight=_hindsight(alphas),
    )


def _glance(alphas: Numbers) -> str:
    def shares(*keys: str) -> list[str]:
        return [
            ", ".join(_share_or_never(_at(of, pool, *keys)["pays_from"]) for of in alphas.values())
            for pool in POOLS
        ]

    def most(name: str) -> list[str]:
        return [
            ", ".join(
                gain(max(row["best"][pool][name]["most"] for row in of["imbalance"]))
                for of in alphas.values()
            )
            for pool in POOLS
        ]

    def planned(targets: str) -> list[str]:
        return [
            ", ".join(
                gain(max(most for _, most in _planned(of["rounds"][targets], pool)))
                for of in alphas.values()
            )
            for pool in POOLS
        ]

    coined = [
        ", ".join(gain(_coined_at(of, pool, 1, 0)["mean"]) for of in alphas.values())
        for pool in POOLS
    ]
    copies = [
        ", ".join(_copies_or_never(of["copies"][pool]) for of in alphas.values()) for pool in POOLS
    ]
    two = ", ".join(gain(of["few"]["one pool"]["lazy"]["mean"][0]) for of in alphas.values())
    rows = [
        ("colluders with a shared seed", *shares("shared_seed"), "the member list"),
        ("identities of one model", *copies, "the member list"),
        ("two who coin one class: gain", *coined, "declare none that does not occur"),
        ("copying, same samples", *shares("copying", "same"), "fresh samples; a warning"),
        ("copying, fresh samples", *shares("copying", "fresh"), "as with a shared seed"),
        ("one liar, with hindsight: gain up to", *most("class"), "leagues; a warning"),
        *(
            (f"one liar, planned ({targets} learnt): up to", *planned(targets), "leagues; rounds")
            for targets in _first(alphas)["rounds"]
        ),
        (
            "labelling everything where others abstain",
            *shares("leaving_out"),
            "label everything; a warning",
        ),
        ("a lazy one of two: gain", two, "refused", "refused by the constructor"),
    ]
    return table(("", *POOLS, "what helps"), rows)


def _sweep(alphas: Numbers, *keys: str) -> str:
    rows = []
    for alpha, of in alphas.items():
        for pool in POOLS:
            found = _at(of, pool, *keys)
            columns = [found["shares"].index(share) for share in AT]
            pairs = _pairs_of(found)
            pays_from = _share_or_never(found["pays_from"])
            rows.append((alpha, pool, *(pairs[i] for i in columns), pays_from))
    return table(("α", "", *map(_share, AT), "pays from"), rows)


def _from(alphas: Numbers, *keys: str) -> str:
    """In words, of leagues."""
    return _listed(
        ("never" if share is None else f"from {_share(share)} on") + f" at α = {alpha}"
        for alpha, of in alphas.items()
        for share in (_at(of, "leagues", *keys)["pays_from"],)
    )


def _copies(alphas: Numbers) -> str:
    numbers = _first(alphas)["copies"]["leagues"]["copies"]
    rows = [
        (alpha, pool, *_pairs_of(of["copies"][pool]))
        for alpha, of in alphas.items()
        for pool in POOLS
    ]
    return table(("α", "", *(f"k = {number}" for number in numbers)), rows)


def _copies_from(alphas: Numbers) -> str:
    return _listed(
        ("never" if least == "never" else f"from {least} on") + f" at α = {alpha}"
        for alpha, of in alphas.items()
        for least in (_copies_or_never(of["copies"]["leagues"]),)
    )


def _copies_or_never(found: Numbers) -> str:
    """From how many identities on, above one, each gains more than the others."""
    sides = zip(found["copies"], found["group"]["mean"], found["honest"]["mean"], strict=True)
    loses = [number == 1 or ours <= theirs for number, ours, theirs in sides]
    first = max(i for i, is_loss in enumerate(loses) if is_loss) + 1
    return "never" if first == len(loses) else f"{found['copies'][first]} identities"


def _coined(alphas: Numbers) -> str:
    first = _first(alphas)["coined"]["leagues"]
    numbers = sorted({row["classes"] for row in first})
    rows = [
        (
            alpha,
            pool,
            f"{share:.0%} of the samples" if share else "one sample",
            *(_with_deviation(_coined_at(of, pool, number, share)) for number in numbers),
        )
        for alpha, of in alphas.items()
        for pool in POOLS
        for share in sorted({row["share"] for row in first})
    ]
    return table(("α", "", "each on", *(f"{number} unused" for number in numbers)), rows)


def _coined_at(of: Numbers, pool: str, classes: int, share: float) -> Numbers:
    found: Numbers = next(
        row["gain"]
        for row in of["coined"][pool]
        if (row["classes"], row["share"]) == (classes, share)
    )
    return found


def _condition(alphas: Numbers) -> str:
    rows = [
        (
            alpha,
            _share(row["share"]),
            f"{min(row['samples']):,}",
            f"{row['condition']['classes']['mean']:.1%}",
            f"{row['condition']['labels']['mean']:.1%}",
        )
        for alpha, of in alphas.items()
        for row in of["imbalance"]
    ]
    return table(("α", "frequent class", "samples", "classes that fail", "labels of these"), rows)


def _example(example: Numbers) -> str:
    columns = ("honest", "deviating", "one pool", "leagues")
    rows = [
        (f"`{name}`", *(gain(example[name][column]) for column in columns))
        for name in ("blind", "unsure")
    ]
    head = ("", "honest score", "deviating score", "gain, one pool", "gain, leagues")
    return table(head, rows)


def _few(alphas: Numbers) -> str:
    numbers = _first(alphas)["few"]["one pool"]["workers"]
    rows = []
    for alpha, of in alphas.items():
        for pool in POOLS:
            found = of["few"][pool]
            gains = dict(zip(found["workers"], found["lazy"]["mean"], strict=True))
            cells = (gain(gains[n]) if n in gains else "refused" for n in numbers)
            rows.append((alpha, pool, *cells))
    return table(("α", "", *(f"n = {n}" for n in numbers)), rows)


def _pairs(alphas: Numbers) -> str:
    rows = [
        (alpha, f"{pairs['difference']['mean']:.1%}", f"{pairs['right']['mean']:.0%}")
        for alpha, of in alphas.items()
        for pairs in (of["few"]["pairs"],)
    ]
    return table(("α", "difference of scores", "the more accurate one scores more"), rows)


def _deviations(alphas: Numbers) -> str:
    rows = []
    for alpha, of in alphas.items():
        for row in of["imbalance"]:
            for name in row["best"]["leagues"]:
                both = (row["best"][pool][name] for pool in POOLS)
                gains = (gain(each[of_all]) for each in both for of_all in ("mean", "most"))
                rows.append((alpha, _share(row["share"]), name, *gains))
    head = ("α", "frequent class", "knows", "one pool, mean", "most", "leagues, mean", "most")
    return table(head, rows)


def _leagues_verdict(alphas: Numbers) -> str:
    def most(of: Numbers, pool: str, knows: str) -> str:
        return gain(max(float(row["best"][pool][knows]["most"]) for row in of["imbalance"]))

    lines = []
    for alpha, of in alphas.items():
        gains = [most(of, pool, knows) for knows in ("class", SURE) for pool in POOLS]
        lines.append(
            f"At α = {alpha} a liar that knows the class it sees gains up to {gains[0]} with one "
            f"pool and {gains[1]} with leagues,\n"
            f"one that also knows when it is sure {gains[2]} and {gains[3]}."
        )
    return "\n".join(lines)


def _learnt(alphas: Numbers) -> str:
    shares = [row["share"] for row in _first(_first(alphas)["rounds"])]
    rows = []
    for alpha, of in alphas.items():
        for targets, found in of["rounds"].items():
            pairs = [row["accuracies"]["mean"] for row in found]
            rows.append((alpha, targets, *(f"{old:.3f} → {new:.3f}" for old, new in pairs)))
    return table(("α", "learnt", *map(_share, shares)), rows)


def _plans(alphas: Numbers) -> str:
    rows = []
    for alpha, of in alphas.items():
        for targets, found in of["rounds"].items():
            for way, by_name in found[0]["best"]["leagues"].items():
                cells = [
                    gain(each) for pool in POOLS for each in _over_shares(found, pool, way, "class")
                ]
                sure = gain(_over_shares(found, "leagues", way, SURE)[1]) if SURE in by_name else ""
                rows.append((alpha, targets, way, *cells, sure))
    head = ("α", "learnt", "planned for the", "one pool, mean", "most", "leagues, mean", "most")
    return table((*head, "most, if it knows when it is sure"), rows)


def _plans_verdict(alphas: Numbers) -> str:
    lines = []
    for alpha, of in alphas.items():
        gains = [each for found in of["rounds"].values() for each in _planned(found, "leagues")]
        mean, most = (max(column) for column in zip(*gains, strict=True))
        lines.append(
            f"At α = {alpha} the best way to plan gains {gain(mean)} on average and {gain(most)} "
            "at most, with leagues."
        )
    return "\n".join(lines)


def _hindsight(alphas: Numbers) -> str:
    """The most in the first round and in the second, at the last α."""
    of = list(alphas.values())[-1]
    first = max(row["best"]["leagues"]["class"]["most"] for row in of["imbalance"])
    second = [
        _over_shares(found, "leagues", HINDSIGHT, "class")[1] for found in of["rounds"].values()
    ]
    return f"from {gain(first)} to {gain(max(second))}"


def _over_shares(found: list[Numbers], pool: str, way: str, name: str) -> tuple[float, float]:
    """Mean and most of all shares of the frequent class."""
    gains = [row["best"][pool][way][name] for row in found]
    return sum(each["mean"] for each in gains) / len(gains), max(each["most"] for each in gains)


def _planned(found: list[Numbers], pool: str) -> list[tuple[float, float]]:
    """Mean and most of each way to plan, of a liar who knows the class that it sees."""
    ways = found[0]["best"][pool]
    return [_over_shares(found, pool, way, "class") for way in ways if way != HINDSIGHT]


def _at(of: Numbers, pool: str, name: str, *rest: str) -> Numbers:
    found: Numbers = of[name][pool]
    for key in rest:
        found = found[key]
    return found


def _first(alphas: Numbers) -> Any:
    return next(iter(alphas.values()))


def _pairs_of(found: Numbers) -> list[str]:
    """The group's gain / that of the honest."""
    sides = zip(found["group"]["mean"], found["honest"]["mean"], strict=True)
    return [f"{gain(ours)} / {gain(theirs)}" for ours, theirs in sides]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def gain(value: float) -> str:
    """With a sign, but never minus zero."""
    return f"{round(value, 3) + 0.0:+.3f}"


def _with_deviation(values: Numbers) -> str:
    return f"{gain(values['mean'])} ± {values['sd']:.3f}"


def _share(share: float) -> str:
    return f"{share:.0%}"


def _share_or_never(share: float | None) -> str:
    return "never" if share is None else _share(share)


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
