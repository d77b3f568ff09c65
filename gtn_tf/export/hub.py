"""Teachers on the Hugging Face hub; needs `pip install 'gtn_tf[hub]'`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gtn_tf.types import InputError, one_line

if TYPE_CHECKING:
    from gtn_tf.export.load import Teacher

#: All that an export holds; nothing else is downloaded.
_FILES = ("metadata.json", "curriculum.npz", "README.md", "1/**")


def upload(teacher: Teacher, repository: str, **create_arguments: Any) -> str:
    """Uploads an export with its card; returns the address of the commit.

    Raises:
      InputError: as `Teacher.upload`.
    """
    hub = _hub()
    with tempfile.TemporaryDirectory() as folder:
        saved = teacher.save(Path(folder) / "export")
        try:
            found = hub.create_repo(
                repository, exist_ok=True, **create_arguments
            )
            commit = hub.upload_folder(
                repo_id=found.repo_id, folder_path=str(saved)
            )
        except Exception as error:  # of a network: its client's own
            raise _refused("upload to", repository, error) from error
    return str(commit)


def download(repository: str) -> Path:
    """Returns the folder of an export that was uploaded.

    Raises:
      InputError: huggingface_hub is not installed, or the hub refuses.
    """
    hub = _hub()
    try:
        found = hub.snapshot_download(repository, allow_patterns=list(_FILES))
    except Exception as error:  # of a network: its client's own
        raise _refused("download from", repository, error) from error
    return Path(found)


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise InputError(
            "huggingface_hub is not installed; expected it for 'hf:' and "
            "upload; pip install 'gtn_tf[hub]'"
        ) from error
    return huggingface_hub


def _refused(what: str, repository: str, error: Exception) -> InputError:
    return InputError(
        f"cannot {what} {repository!r} ({one_line(error)}); expected a "
        "repository that can be reached; correct its name, or log in with "
        "`hf auth login`"
    )
