"""The key service that the settings ask for."""

from agentflow.config.settings import Settings
from agentflow.infra.keys.base import KeyService
from agentflow.infra.keys.local import MASTER_FILE, EnvironmentKeys, FileKeys


def key_service(settings: Settings) -> KeyService:
    """Return what keeps the master keys.

    Raises:
        MasterKeyUnreadable: a key in the environment is none.
    """
    if settings.master_key is not None:
        texts = [settings.master_key, *settings.master_keys_previous]
        return EnvironmentKeys([text.get_secret_value() for text in texts])
    return FileKeys(settings.master_key_file or settings.data_dir / MASTER_FILE)
