"""Schemathesis against an orchestrator that runs: how many requests, and what was wrong with them.

Every operation of the API's own description gets what the description allows, what it forbids and
what lies on its bounds. A report is signed after it was made up, so that the signature is right and
what it covers is not.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from orchestrators import Process, signed
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from orchestrator.problems import MEDIA_TYPE
from orchestrator.schemas import Problem

STREAM = "/events"  # which never ends
PATIENCE_S = 10
HEADERS = st.dictionaries(
    st.sampled_from(["Accept", "Cookie", "If-None-Match", "Range", "TE", "X-Forwarded-For"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    max_size=3,
)
# A report about another federation is well formed, and refused.
EXCLUDED = [positive_data_acceptance]


@dataclass
class Fuzz:
    """What came of it.

    Attributes:
        answers: how many there were, by operation ("GET /rounds") and HTTP status.
        failures: what was wrong, with how to ask again.
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def n_requests(self) -> int:
        """Requests that were answered."""
        return self.answers.total()

    @property
    def n_server_errors(self) -> int:
        """Answers that blame the orchestrator."""
        return sum(n for (_, status), n in self.answers.items() if status >= 500)

    def __str__(self) -> str:
        """One line, and what was wrong."""
        statuses: Counter[int] = Counter()
        for (_, status), n in self.answers.items():
            statuses[status] += n
        shown = ", ".join(f"{status}: {n}" for status, n in sorted(statuses.items()))
        return "\n".join(
            [
                f"{self.n_requests} requests, {self.n_server_errors} server errors, "
                f"{len(self.failures)} failures ({shown})",
                *self.failures,
            ]
        )


class Fuzzer:
    """Asks one orchestrator.

    Args:
        process: the orchestrator.
        member: of its federation, on the roster of a round.
        token: the operator's.
        known: values of path parameters that lead somewhere.
    """

    def __init__(
        self, process: Process, member: LocalAccount, token: str, known: dict[str, Any]
    ) -> None:
        self._member, self._token, self._known = member, token, known
        self._view = process.get("/federation").json()
        self._session = requests.Session()
        self._schema = schemathesis.openapi.from_url(process.url + "/openapi.json")
        self.found = Fuzz()

    def run(self, n_requests: int) -> Fuzz:
        """Ask at least so often, and stop after the first failures."""
        operations = [found.ok() for found in self._schema.get_all_operations()]
        for operation in operations:
            for case in self._bounds(operation):
                self._ask(case, {})
        while self.found.n_requests < n_requests and not self.found.failures:
            share = 1 + (n_requests - self.found.n_requests) // (3 * len(operations))
            for operation in operations:
                self._draw(operation, GenerationMode.POSITIVE, share)
                self._draw(operation, GenerationMode.NEGATIVE, share)
                names = {parameter.name for parameter in operation.path_parameters}
                known = {name: value for name, value in self._known.items() if name in names}
                if known:
                    self._draw(operation, GenerationMode.POSITIVE, share, path_parameters=known)
        return self.found

    def _bounds(self, operation: Any) -> Iterator[Case]:
        """What lies on the bounds of the description, and methods that it does not have."""
        return self._schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=self._schema.config.generation,
        )

    def _draw(self, operation: Any, mode: GenerationMode, n: int, **fixed: Any) -> None:
        @seed(self.found.n_requests)  # a later pass asks something else
        @settings(
            max_examples=n,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(mode, **fixed), HEADERS)
        def ask(case: Case, headers: dict[str, str]) -> None:
            self._ask(case, headers)

        with suppress(Unsatisfiable):  # where nothing is asked for, nothing can be wrong
            ask()

    def _ask(self, case: Case, headers: dict[str, str]) -> None:
        if case.path == "/rounds/advance" and self.found.n_requests % 2:
            headers["Authorization"] = f"Bearer {self._token}"
        if case.path.endswith("/report") and self.found.n_requests % 3:
            self._sign(case)
        try:
            answer = case.call(
                session=self._session,
                headers=headers,
                timeout=PATIENCE_S,
                stream=case.path == STREAM,
            )
        except Exception as error:
            self.found.failures.append(f"{error!r}: {case.as_curl_command()}")
            return
        self.found.answers[case.operation.label, answer.status_code] += 1
        try:
            case.validate_response(answer, headers=headers, excluded_checks=EXCLUDED)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == [MEDIA_TYPE], answer.headers
                problem = Problem.model_validate_json(answer.content)
                assert problem.status == answer.status_code
        except (Exception, FailureGroup) as error:
            self.found.failures.append(str(error))

    def _sign(self, case: Case) -> None:
        """Make the report this worker's own, about this federation, whatever else it says."""
        body = case.body
        if not isinstance(body, dict) or not isinstance(body.get("report"), dict):
            return
        report = body["report"] | {
            "contract": self._view["contract"],
            "chain_id": self._view["chain_id"],
            "round": 1,
        }
        try:
            case.body = body | signed(self._member, report)
        except ValueError:  # it has no such JSON text: NaN, half a surrogate
            case.body = body | {"report": report}
