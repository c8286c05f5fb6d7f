"""TLS from PEM texts: certificates come out of Secrets, not out of files."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from influxops.influx.errors import Invalid
from influxops.influx.settings import ConnectionSettings


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext:
    """The TLS context of a connection; certificates are always verified.

    Raises Invalid, naming the field of the InfluxConnection, when a PEM text cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=settings.ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise Invalid("spec.tls.caSecretRef: the value is no PEM certificate (-----BEGIN CERTIFICATE-----)") from error
    if bool(settings.client_cert_pem) != bool(settings.client_key_pem):
        raise Invalid("spec.tls.clientCertSecretRef: the Secret must hold both, tls.crt and tls.key")
    if settings.client_cert_pem:
        with _as_file(f"{settings.client_cert_pem}\n{settings.client_key_pem}\n") as path:
            try:
                # An encrypted key would make OpenSSL ask on the terminal; the empty password makes it fail instead.
                context.load_cert_chain(path, password="")
            except (ssl.SSLError, ValueError, OSError) as error:
                raise Invalid(
                    "spec.tls.clientCertSecretRef: tls.crt and tls.key must be a PEM certificate and its own "
                    "unencrypted PEM key"
                ) from error
    return context


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path under which the text can be read inside the block: OpenSSL reads client keys from files only."""
    if hasattr(os, "memfd_create"):  # Linux: in memory, so that a read-only container file system is no obstacle
        with os.fdopen(os.memfd_create("influxops-client-cert"), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # mode 0600, gone at the end of the block
        file.write(text)
        file.flush()
        yield file.name
