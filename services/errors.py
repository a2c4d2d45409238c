"""The one error tree.

Every message says what went wrong, what was expected, what was found and what to do next. The
command line prints it without a traceback; the orchestrator turns it into a problem document.
"""


class FedserumError(Exception):
    """Root of everything that Fedserum raises on purpose."""


class SettingsError(FedserumError):
    """A setting is missing, malformed or contradicts another."""


class DatasetError(FedserumError):
    """A data set is missing, empty, too small, malformed or not the one the task pins."""


class LearnerError(FedserumError):
    """A learner cannot be had, lacks a method, failed in one, or answered what is no answer."""


class LabelsError(FedserumError):
    """Labels do not fit the wire format or the task."""


class MembershipError(FedserumError):
    """An address is not a member, or the member list does not match the federation's root."""


class JournalError(FedserumError):
    """The worker's journal cannot be written, or does not match what is on chain."""


class RoundError(FedserumError):
    """A round cannot be carried on: missed deadline, exclusion, closed federation."""


class OutOfPatienceError(FedserumError):
    """What may pass has not passed within ``FEDSERUM_PATIENCE_S``."""


class CostError(FedserumError):
    """The contract accepts no task of the size whose cost is asked for."""


class AuditError(FedserumError):
    """What the chain says is not what follows from what happened on it.

    Attributes:
        round_number: in which round; 0 in Registration.
        what: differs.
        expected: by the protocol.
        found: on the chain.
    """

    def __init__(self, round_number: int, what: str, expected: str, found: str) -> None:
        where = f"round {round_number}" if round_number else "registration"
        super().__init__(
            f"{where}: {what}: expected {expected}, found {found}; audit through a second node: if "
            "it says the same, the contract broke its rules"
        )
        self.round_number = round_number
        self.what = what
        self.expected = expected
        self.found = found


class ChainError(FedserumError):
    """Root of what the chain or its node answers."""


class ChainUnreachableError(ChainError):
    """No node answers at the RPC address within the bounded retries."""


class WrongChainError(ChainError):
    """The node serves another chain than expected (chain id or genesis hash differ)."""


class ContractMissingError(ChainError):
    """No contract, or another contract than expected, is at the address."""


class InsufficientFundsError(ChainError):
    """The account cannot pay for a transaction."""


class TransactionError(ChainError):
    """A transaction could not be sent or was not included in time."""


class ContractRevertError(ChainError):
    """The contract refused a call with one of its custom errors.

    Attributes:
        name: the custom error's name, e.g. ``WrongDeposit``.
        args_by_name: its arguments by name, e.g. ``{"expected": 10, "actual": 9}``.
    """

    def __init__(self, name: str, args_by_name: dict[str, object], message: str) -> None:
        super().__init__(message)
        self.name = name
        self.args_by_name = args_by_name
