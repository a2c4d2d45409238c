"""``fedserum demo``: a whole federation on this host, from an empty chain to the last payout.

Starts the chain, the orchestrator and the workers as processes of their own, watches them through
the orchestrator's API as any user would, and leaves a record in ``runs/<time>/``.
"""

import json
import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.live import Live

from demo.accuracies import accuracy_table, collect_accuracies
from demo.display import Progress, last_step, live_view, round_lines, round_table
from demo.prepare import fund, order_key_file, prepare
from demo.processes import SIGNALS, ProcessError, Processes, require_free
from services.chain import load_account
from services.datasets import load_labels, round_window
from services.errors import SettingsError
from services.sealed_order import read_order_key, sample_order
from services.settings import PREFIX, DemoSettings, read_settings

ANVIL = Path("node_modules/.bin/anvil")
SERVICES = ("chain", "orchestrator")
START_S = 60.0  # for the chain, and for the orchestrator
LOOK_S = 0.5


def run() -> None:
    """Run one demo with settings from the environment.

    Raises:
        FedserumError: a setting is wrong, a process failed or a round was void.
        KeyboardInterrupt: interrupted, by SIGTERM or a hangup too.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    started = datetime.now(UTC)
    settings = read_settings(DemoSettings)
    record = settings.runs / started.strftime("%Y-%m-%dT%H-%M-%S")
    settings = settings.model_copy(
        update={"home": record / "home", "rpc_url": f"http://127.0.0.1:{settings.chain_port}"}
    )
    if not ANVIL.exists():
        raise SettingsError(
            f"{ANVIL} is missing: run `make setup` in the project's folder (it needs Node 20 or "
            "newer with npm), then start from there"
        )
    if shutil.which("node") is None:
        raise SettingsError(
            f"there is no `node` on the PATH, and the chain ({ANVIL}) runs on it; install Node 20 "
            "or newer"
        )
    require_free(settings.chain_port, f"{PREFIX}CHAIN_PORT")
    require_free(settings.port, f"{PREFIX}PORT")
    try:
        record.mkdir(parents=True)
        (record / "settings.json").write_text(settings.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise SettingsError(
            f"cannot write the record in {record} ({error.strerror}); set {PREFIX}RUNS to a folder "
            "that can be written, or try again"
        ) from error
    console = Console()
    console.print(f"record in {record}", highlight=False, soft_wrap=True)
    try:
        prepare(settings)
        with Processes(record / "logs") as processes:
            _play(processes, settings, record, console)
    finally:
        # Keys and copies of data sets; what is worth keeping is in the record.
        shutil.rmtree(settings.home, ignore_errors=True)


def _play(processes: Processes, settings: DemoSettings, record: Path, console: Console) -> None:
    until = time.monotonic() + settings.round_timeout_s
    api = httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=10)
    _start_chain(processes, settings)
    fund(settings.home, settings)
    _start_orchestrator(processes, settings, api)
    names = _start_workers(processes, settings)
    progress = Progress(steps=dict.fromkeys(names.values(), ""))
    _watch(processes, api, progress, console, until)

    answers: list[dict[str, Any]] = []
    with console.capture() as text:
        for number in range(1, progress.federation["round"] + 1):
            answer = api.get(f"/rounds/{number}").raise_for_status().json()
            path = record / "rounds" / f"{number}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(answer, indent=1) + "\n")
            if answer["phase"] != "settled":
                raise ProcessError(
                    f"round {number} ended {answer['phase']}: {answer['committed']} of "
                    f"{len(answer['workers'])} workers committed, {answer['revealed']} revealed; "
                    f"see {processes.logs}"
                )
            console.print(round_table(answer, names))
            seconds = {p: s for (r, p), s in progress.seconds.items() if r in (number, 0)}
            accuracy = _global_accuracy(api, settings, number)
            for line in round_lines(answer, accuracy, seconds):
                console.print(line, highlight=False, soft_wrap=True)
            answers.append(answer | {"global_labels_accuracy": accuracy})
        accuracies = collect_accuracies(answers, names)
        (record / "accuracies.json").write_text(json.dumps(accuracies, indent=1) + "\n")
        if len(answers) > 1:
            console.print(accuracy_table(accuracies))
    print(text.get(), end="")  # noqa: T201  (what the demo is for)


def _start_chain(processes: Processes, settings: DemoSettings) -> None:
    command = [
        str(ANVIL),
        *("--host", "127.0.0.1", "--port", str(settings.chain_port)),
        *("--block-time", "1", "--enable-tx-gas-limit", "--quiet"),
        *("--max-persisted-states", "64"),  # or a long demo fills the disk with past ones
    ]
    processes.start("chain", command, dict(os.environ))
    _await_answer(processes, httpx.Client(base_url=settings.rpc_url), "/", "chain")


def _start_orchestrator(processes: Processes, settings: DemoSettings, api: httpx.Client) -> None:
    state_dir = settings.home / "orchestrator"
    environment = _environment(
        rpc_url=settings.rpc_url,
        key_file=state_dir / "key",
        state_dir=state_dir,
        task_file=settings.home / "task.json",
        port=settings.port,
        order_key_file=order_key_file(settings.home),
    )
    processes.start("orchestrator", [sys.executable, "-m", "fedserum", "orchestrator"], environment)
    _await_answer(processes, api, "/ready", "orchestrator")


def _start_workers(processes: Processes, settings: DemoSettings) -> dict[str, str]:
    """Start every worker; returns address -> name."""
    names: dict[str, str] = {}
    models = settings.models.split(",")
    for index in range(settings.workers):
        folder = settings.home / "workers" / str(index)
        name = f"worker-{index}"
        names[load_account(folder / "key").address] = name
        environment = _environment(
            rpc_url=settings.rpc_url,
            orchestrator_url=f"http://127.0.0.1:{settings.port}",
            key_file=folder / "key",
            state_dir=folder / "state",
            private_data=folder / "private",
            public_data=settings.home / "public",
            test_data=settings.home / "test",
            model=models[index % len(models)].strip(),
            seed=settings.seed + index,
            poll_s=1.0,
        )
        processes.start(name, [sys.executable, "-m", "fedserum", "worker"], environment)
    return names


def _environment(**settings: object) -> dict[str, str]:
    """This process's environment with some settings replaced, and without a home to claim in."""
    environment = {k: v for k, v in os.environ.items() if k != f"{PREFIX}HOME"}
    # Every worker is a process of its own: together they have more threads than the host cores.
    environment["OMP_NUM_THREADS"] = "1"
    return environment | {f"{PREFIX}{k.upper()}": str(v) for k, v in settings.items()}


def _await_answer(processes: Processes, client: httpx.Client, path: str, name: str) -> None:
    until = time.monotonic() + START_S
    while True:
        processes.raise_failed(SERVICES)
        try:
            if client.get(path).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > until:
            raise ProcessError(
                f"{name} did not answer within {START_S:.0f} s; see {processes.log_file(name)}"
            )
        time.sleep(0.2)


def _watch(
    processes: Processes, api: httpx.Client, progress: Progress, console: Console, until: float
) -> None:
    """Follow the federation until it is closed and every worker has ended."""
    line = ""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not _is_over(processes, progress):
            processes.raise_failed(SERVICES)
            if time.monotonic() > until:
                raise ProcessError(
                    f"the demo did not end in time ({progress.headline()}); raise "
                    f"{PREFIX}ROUND_TIMEOUT_S, or see {processes.logs}"
                )
            _look(processes, api, progress)
            if console.is_terminal:
                live.update(live_view(progress), refresh=True)
            elif line != (line := progress.headline()):
                console.print(line, highlight=False)
            time.sleep(LOOK_S)
    processes.raise_failed(SERVICES)


def _is_over(processes: Processes, progress: Progress) -> bool:
    return progress.federation.get("phase") == "closed" and all(
        processes.exit_code(name) is not None for name in progress.steps
    )


def _look(processes: Processes, api: httpx.Client, progress: Progress) -> None:
    try:
        federation = api.get("/federation").raise_for_status().json()
        number = federation["round"]
        current = api.get(f"/rounds/{number}").raise_for_status().json() if number else None
    except httpx.HTTPError:
        return  # too busy to answer, or gone: the processes are looked at elsewhere
    progress.federation, progress.current = federation, current
    # After the last round the workers still distil: that is a phase to the one who waits.
    phase = "distillation" if federation["phase"] == "closed" else federation["phase"]
    place = (number, phase)
    progress.seconds[place] = progress.seconds.get(place, 0.0) + LOOK_S
    for name in progress.steps:
        progress.steps[name] = last_step(processes.log_file(name)) or "starting"


def _global_accuracy(api: httpx.Client, settings: DemoSettings, number: int) -> float | None:
    """Share of the round's samples whose global label is the true one, 0..1.

    None if nobody knows the truth: the public source has no labels.
    """
    if not (settings.home / "truth").exists():
        return None
    answer: list[Any] = api.get(f"/rounds/{number}/labels").raise_for_status().json()
    truth = load_labels(settings.home / "truth")
    window = round_window(number, settings.samples, len(truth))
    if settings.sealed_order:
        window = sample_order(read_order_key(order_key_file(settings.home)), len(truth))[window]
    labels = np.array([-1 if label is None else label for label in answer])
    return float((labels == truth[window]).mean())


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once is enough: what follows ends the processes and removes the keys.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
