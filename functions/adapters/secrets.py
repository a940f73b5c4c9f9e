"""One secret in Secrets Manager."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class SecretsManagerVault:
    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def read(self) -> str:
        return str(self._client.get_secret_value(SecretId=self._secret_id)["SecretString"])

    def still_believed(self) -> list[str]:
        """The current value, and the one before it where there is one."""
        try:
            before = self._client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSPREVIOUS")
        except self._client.exceptions.ResourceNotFoundException:
            return [self.read()]
        return [self.read(), str(before["SecretString"])]

    def write(self, secret: str) -> None:
        self._client.put_secret_value(SecretId=self._secret_id, SecretString=secret)
