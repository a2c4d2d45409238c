"""JSON files in the orchestrator's state folder: the deployment record and the workers' reports."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from services.errors import SettingsError


def read_json(path: Path) -> Any:
    """What the file holds; None if there is no such file.

    Raises:
        SettingsError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"cannot read {path} ({error}); expected the JSON that the orchestrator wrote: restore "
            "it, or move it away to go on without what it holds"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Replace the file as a whole: a crash leaves the old content or the new, never a part.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, path)
    except OSError as error:
        raise SettingsError(
            f"cannot write {path} ({error.strerror}); expected a writable FEDSERUM_STATE_DIR"
        ) from error
