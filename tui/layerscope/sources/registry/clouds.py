"""Credentials of cloud registries, each only for its own hosts: from a credential helper or the cloud's command on PATH, or
from its SDK if installed (extras `aws`, `gcp`, `azure`; imported late). Also Amazon's own list of images.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from layerscope.sources.registry.credentials import Credential, CredentialFinding, ask_helper, run_program
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.text import escape

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr(?:\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"|-ecr(?:-fips)?\.(?P<new_region>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn))",
    re.ASCII,
)
ECR_PUBLIC = "public.ecr.aws"
ECR_PUBLIC_REGION = "us-east-1"
"""The only region that logs in to public.ecr.aws (ECR Public user guide, "Registry authentication")."""
_GOOGLE = re.compile(r"(?:[a-z]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev", re.ASCII)
_AZURE = re.compile(r"[a-z0-9-]+\.azurecr\.(?:io|cn|us)", re.ASCII)
AZURE_USER = "00000000-0000-0000-0000-000000000000"
"""The user name that goes with a refresh token of ACR."""
GOOGLE_USER = "oauth2accesstoken"


@dataclass(frozen=True, slots=True)
class EcrHost:
    """A private Amazon registry: its account and region."""

    account: str
    region: str


def ecr_host(host: str) -> EcrHost | None:
    """Parse a host name of Amazon ECR; None for any other host."""
    found = _ECR.fullmatch(host)
    return EcrHost(found["account"], found["region"] or found["new_region"]) if found else None


def is_google(host: str) -> bool:
    """Tell whether a host belongs to Google's Container Registry or Artifact Registry."""
    return _GOOGLE.fullmatch(host) is not None


def is_azure(host: str) -> bool:
    """Tell whether a host belongs to Azure Container Registry."""
    return _AZURE.fullmatch(host) is not None


def cloud_findings(host: str) -> Iterator[CredentialFinding]:
    """Yield what each source of credentials of this host's cloud gives, fastest first; nothing for a host of no cloud."""
    if private := ecr_host(host):
        yield ask_helper("ecr-login", host, "docker-credential-ecr-login")
        yield _amazon_command(("ecr", "get-login-password", "--region", private.region))
        yield _sdk("aws", "boto3", lambda: _amazon_sdk("ecr", private.region))
    elif host == ECR_PUBLIC:
        yield ask_helper("ecr-login", host, "docker-credential-ecr-login")
        yield _amazon_command(("ecr-public", "get-login-password", "--region", ECR_PUBLIC_REGION))
        yield _sdk("aws", "boto3", lambda: _amazon_sdk("ecr-public", ECR_PUBLIC_REGION))
    elif is_google(host):
        yield _google_key()
        yield ask_helper("gcloud", host, "docker-credential-gcloud")
        yield _from_output("gcloud auth print-access-token", GOOGLE_USER, run_program("gcloud", "auth", "print-access-token"))
        yield _sdk("gcp", "google.auth", _google_sdk)
    elif is_azure(host):
        yield _azure_command(host)
        yield _sdk("azure", "azure.identity", lambda: _azure_sdk(host))


def _from_output(place: str, user: str, answer: bytes | str) -> CredentialFinding:
    """Build a finding from a program's output, which is the secret, or from a sentence that says why it failed."""
    if isinstance(answer, str):
        return CredentialFinding(place, answer)
    secret = answer.decode("ascii", "replace").strip()
    if not secret or any(character.isspace() for character in secret):
        return CredentialFinding(place, "answers with something that is not a token")
    return CredentialFinding(place, f"gave a token for user {user}", Credential(user, secret, origin=place))


def _amazon_command(arguments: tuple[str, ...]) -> CredentialFinding:
    return _from_output(f"aws {arguments[0]} {arguments[1]}", "AWS", run_program("aws", *arguments))


def _sdk(extra: str, module: str, ask: Callable[[], Credential]) -> CredentialFinding:
    place = f"the Python package {module}"
    try:
        import_module(module)
    except ImportError:
        return CredentialFinding(place, f"is not installed (pip install 'layerscope[{extra}]')")
    # azure-identity logs what it tried, at length; without a handler Python prints that.
    logging.getLogger(module.partition(".")[0]).addHandler(logging.NullHandler())
    # Each SDK has a family of errors of its own, and none may end a command that can go on without credentials.
    try:
        credential = ask()
    except Exception as error:  # noqa: BLE001
        return CredentialFinding(place, f"found no credentials ({type(error).__name__})")
    return CredentialFinding(place, f"gave a token for user {escape(credential.user)}", credential)


def _amazon_sdk(service: str, region: str) -> Credential:
    """Call `GetAuthorizationToken`: base64 of `AWS:PASSWORD`, valid for 12 hours. boto3 itself reads AWS_ENDPOINT_URL."""
    client: Any = import_module("boto3").client(service, region_name=region)
    answer = client.get_authorization_token()["authorizationData"]
    token = (answer[0] if isinstance(answer, list) else answer)["authorizationToken"]
    user, _, secret = base64.b64decode(token).decode().partition(":")
    return Credential(user, secret, origin="boto3")


def ecr_image_pages(host: EcrHost, repository: str) -> Iterator[Any]:
    """Yield what ECR says of a repository's images, as decoded JSON: the pages of `DescribeImages`, each its `imageDetails`.

    Asked through boto3 or, without it, the `aws` command. Raises RegistryFailed.
    """
    try:
        client: Any = import_module("boto3").client("ecr", region_name=host.region)
    except ImportError:
        yield _ecr_images_by_command(host, repository)
        return
    except Exception as error:  # as for credentials: a family of errors of its own
        raise RegistryFailed(f"boto3 cannot ask for images: {type(error).__name__}") from error
    asked = {"registryId": host.account, "repositoryName": repository, "PaginationConfig": {"PageSize": 1000}}
    try:
        for page in client.get_paginator("describe_images").paginate(**asked):
            yield page["imageDetails"]
    except Exception as error:
        raise RegistryFailed(f"boto3 cannot list images: {type(error).__name__}") from error


def _ecr_images_by_command(host: EcrHost, repository: str) -> Any:
    where = ("--region", host.region, "--registry-id", host.account, "--repository-name", repository)
    answer = run_program("aws", "ecr", "describe-images", *where, "--output", "json")
    if isinstance(answer, str):
        raise RegistryFailed(f"aws ecr describe-images {answer}")
    try:
        return json.loads(answer)["imageDetails"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RegistryFailed("aws ecr describe-images answers with something else than images") from error


def _google_key() -> CredentialFinding:
    """Return a service account's whole key file as the password of the user `_json_key` (Artifact Registry, "JSON key")."""
    place = "GOOGLE_APPLICATION_CREDENTIALS"
    path = os.environ.get(place)
    if not path:
        return CredentialFinding(place, "is not set")
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a path of the environment, bytes and all
            text = file.read(1 << 20)
        if json.loads(text).get("type") != "service_account":
            return CredentialFinding(place, "names no service account's key; it is left to google-auth")
    except (OSError, ValueError, AttributeError, RecursionError):
        return CredentialFinding(place, "names a file that cannot be read")
    return CredentialFinding(place, "names a service account's key", Credential("_json_key", text, origin=place))


def _google_sdk() -> Credential:
    credentials, _ = import_module("google.auth").default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(import_module("google.auth.transport.requests").Request())
    return Credential(GOOGLE_USER, credentials.token, origin="google-auth")


def _azure_command(host: str) -> CredentialFinding:
    """Run `az acr login --expose-token`, which does the token exchange itself and prints a refresh token."""
    place = "az acr login --expose-token"
    name = host.partition(".")[0]
    answer = run_program("az", "acr", "login", "--name", name, "--expose-token", "--output", "tsv", "--query", "accessToken")
    return _from_output(place, AZURE_USER, answer)


def _azure_sdk(host: str) -> Credential:
    """Exchange the Entra token for ACR's refresh token (`POST /oauth2/exchange`), which then serves as a password."""
    import requests

    scope = "https://containerregistry.azure.net/.default"
    token = import_module("azure.identity").DefaultAzureCredential().get_token(scope).token
    fields = {"grant_type": "access_token", "service": host, "access_token": token}
    answer = requests.post(f"https://{host}/oauth2/exchange", data=fields, timeout=30, allow_redirects=False)
    answer.raise_for_status()
    return Credential(AZURE_USER, str(answer.json()["refresh_token"]), origin="azure-identity")
