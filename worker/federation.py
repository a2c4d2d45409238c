"""The federation that the settings name: found, and believed only after its code is checked."""

import time

import httpx
from eth_account.signers.local import LocalAccount

from services.chain import Chain, Federation, verify_chain, verify_contract
from services.errors import ContractMissingError, SettingsError
from services.settings import PREFIX, ParticipantSettings
from services.transport import shown_url


def connect(
    settings: ParticipantSettings, account: LocalAccount | None, wait_s: float
) -> Federation:
    """Reach the node and the contract, whose address the orchestrator may have to tell.

    Args:
        settings: where both are.
        account: who signs transactions; None: nobody.
        wait_s: seconds to wait until the orchestrator names a federation.

    Raises:
        SettingsError: neither the contract's address nor an orchestrator is set.
        ChainError: node or orchestrator do not answer, or another contract is there.
    """
    chain = Chain.of(settings)
    contract = settings.contract or _ask_orchestrator(chain, settings, wait_s)
    verify_contract(chain, contract, settings.code_hash)
    return Federation(chain, contract, account)


def _ask_orchestrator(chain: Chain, settings: ParticipantSettings, wait_s: float) -> str:
    """The federation's address, once the orchestrator has deployed it on the node's chain."""
    url = settings.orchestrator_url
    if url is None:
        raise SettingsError(f"set {PREFIX}CONTRACT, or {PREFIX}ORCHESTRATOR_URL to ask for it")
    until = time.monotonic() + wait_s
    while True:
        try:
            answer = httpx.get(f"{url}/federation", timeout=settings.rpc_timeout_s)
            if answer.is_success:
                found = answer.json()
                verify_chain(chain, found["chain_id"], found["genesis_hash"])
                return str(found["contract"])
            problem = f"{answer.status_code}: {answer.text[:200]}"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            problem = f"{type(error).__name__}: {error}"
        if time.monotonic() > until:
            raise ContractMissingError(
                f"the orchestrator at {shown_url(url)} named no federation within {wait_s:.0f} s "
                f"({problem}); start it, or set {PREFIX}CONTRACT"
            )
        time.sleep(1.0)
