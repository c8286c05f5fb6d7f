"""What lies between the client and an InfluxDB, or pretends to be one: real sockets on loopback, real TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, Invalid, RateLimited, Unauthorized, Unavailable
from influxops.influx.settings import ConnectionSettings
from tests.support.certs import Authority, Certificate

TOKEN = "s3cr3t-t0ken-of-the-test=="
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer every request on loopback with one handler; yields host:port."""
    runner = web.ServerRunner(web.Server(handler), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_to(url: str, **settings: object) -> AsyncIterator[InfluxClient]:
    """A client, closed at the end."""
    client = InfluxClient(ConnectionSettings(url, TOKEN, **settings))  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


def answering(text: str, status: int = 200, **headers: str) -> Handler:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=text, status=status, headers=headers)

    return handler


async def test_a_redirect_is_never_followed() -> None:
    """The token does not travel to another server, whatever the status of the redirect."""
    seen: list[dict[str, str]] = []

    async def thief(request: web.BaseRequest) -> web.Response:
        seen.append(dict(request.headers))
        return web.json_response({"id": "1", "name": "x", "tasks": []})

    async with serve(thief) as other:
        for status in (301, 302, 303, 307, 308):

            async def redirect(request: web.BaseRequest, status: int = status) -> web.Response:
                return web.Response(status=status, headers={"Location": f"http://{other}{request.path}?t={TOKEN}"})

            async with serve(redirect) as address, client_to(f"http://{address}") as client:
                for call in (
                    client.me(),
                    client.get_task("1"),
                    client.delete_task("1"),
                    client.create_task("1", "", ""),
                ):
                    with pytest.raises(Unavailable, match="redirect") as caught:
                        await call
                    assert other in str(caught.value)
                    assert TOKEN not in str(caught.value)
    assert seen == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!doctype html><title>Sign in</title>", "answered HTML, not JSON"),
        ('{"id": "1", "na', "cut or broken JSON"),
        ("[]", "unknown form"),
        ('{"id": 7}', "unknown form"),
        ("null", "unknown form"),
        ('"text"', "unknown form"),
        ("hello", "without InfluxDB's JSON"),
        ("", "unknown form"),
    ],
)
async def test_foreign_answers_are_unavailable(text: str, words: str) -> None:
    """Whatever is not InfluxDB's JSON says so, and never escapes as another kind of error."""
    calls: list[Callable[[InfluxClient], Awaitable[object]]] = [
        lambda client: client.me(),
        lambda client: client.get_task("1"),
        lambda client: client.find_tasks("1", "x"),
        lambda client: client.org_id("x"),
        lambda client: client.list_buckets("1"),
        lambda client: client.list_runs("1", 1),
        lambda client: client.version(),
        lambda client: client.ast("x"),
    ]
    async with serve(answering(text)) as address, client_to(f"http://{address}") as client:
        for call in calls:
            with pytest.raises(Unavailable, match=words):
                await call(client)


async def test_an_answer_that_breaks_off_is_unavailable() -> None:
    """A connection that dies in the middle of the body is not a short answer."""

    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"tasks": []}')
        assert request.transport is not None
        request.transport.close()
        return response

    async with serve(cut) as address, client_to(f"http://{address}") as client:
        with pytest.raises(Unavailable, match=r"cut off|closed"):
            await client.find_tasks("1", "x")


async def test_a_slow_server_is_given_up_after_the_timeout() -> None:
    """The deadline covers the whole call, also an answer that trickles."""
    trickling = asyncio.Event()

    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            trickling.set()
            await response.write(b" ")
            await asyncio.sleep(0.02)

    async with serve(trickle) as address, client_to(f"http://{address}", timeout=0.3) as client:
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
            await client.me()
        assert trickling.is_set()


async def test_cancelling_a_call_is_not_an_error_of_influxdb() -> None:
    """A cancelled caller sees CancelledError, so that shutting down never looks like a broken database."""
    entered = asyncio.Event()

    async def hang(_request: web.BaseRequest) -> web.Response:
        entered.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async with serve(hang) as address, client_to(f"http://{address}") as client:
        call = asyncio.create_task(client.me())
        await entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_nobody_listens() -> None:
    """A closed port is said in one sentence."""
    async with serve(answering("")) as address:
        pass
    async with client_to(f"http://{address}") as client:
        with pytest.raises(Unavailable, match=f"InfluxDB at http://{address}: cannot connect"):
            await client.me()


async def test_an_endless_answer_is_cut_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded whatever the server sends."""
    monkeypatch.setattr("influxops.influx.http.MAX_BYTES", 1 << 20)

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * (1 << 16))

    async with serve(flood) as address, client_to(f"http://{address}") as client:
        with pytest.raises(Unavailable, match="longer than"):
            await client.me()


async def test_rate_limits_are_handed_on() -> None:
    """429 with Retry-After."""
    async with (
        serve(answering('{"code":"too many requests","message":"slow"}', 429, **{"Retry-After": "7"})) as address,
        client_to(f"http://{address}") as client,
    ):
        with pytest.raises(RateLimited) as caught:
            await client.me()
        assert caught.value.retry_after == 7


async def test_the_token_goes_out_in_one_header_only_and_comes_back_in_no_message() -> None:
    """A server that echoes the request headers cannot bring the token into an error."""
    seen: list[web.BaseRequest] = []

    async def echo(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.json_response({"code": "invalid", "message": f"bad {request.headers['Authorization']}"}, status=400)

    async with serve(echo) as address, client_to(f"http://{address}/prefix/") as client:
        for call in (client.me(), client.find_tasks("1", "a;b&c=d +%/ü"), client.create_task("1", "x", "")):
            with pytest.raises(Invalid) as caught:
                await call
            assert TOKEN not in str(caught.value)
            assert TOKEN not in repr(caught.value)
        assert TOKEN not in repr(client)
    assert [request.headers["Authorization"] for request in seen] == [f"Token {TOKEN}"] * 3
    assert all(TOKEN not in str(request.rel_url) for request in seen)
    assert [request.path for request in seen] == ["/prefix/api/v2/me", *["/prefix/api/v2/tasks"] * 2]
    assert seen[1].query["name"] == "a;b&c=d +%/ü"
    assert ";" not in seen[1].raw_path


async def test_health_is_asked_without_the_token() -> None:
    """Before the address is known to be an InfluxDB, it does not see the token."""
    headers: list[dict[str, str]] = []

    async def health(request: web.BaseRequest) -> web.Response:
        headers.append(dict(request.headers))
        return web.json_response({"name": "influxdb", "version": "v2.7.12", "status": "pass"})

    async with serve(health) as address, client_to(f"http://{address}") as client:
        assert await client.version() == "v2.7.12"
    assert "Authorization" not in headers[0]


async def test_a_trailing_newline_in_the_secret_is_no_part_of_the_token() -> None:
    """Secrets made with an editor end with a newline."""
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"id": "1", "name": "x"})

    async with serve(handler) as address:
        client = InfluxClient(ConnectionSettings(f"http://{address}", f" {TOKEN}\n"))
        await client.me()
        await client.close()
    assert seen == [f"Token {TOKEN}"]


@pytest.mark.parametrize("token", ["", " \n", "a b", "a\nb", "tökèn"])
async def test_a_token_that_cannot_be_one_is_unauthorized_at_once(token: str) -> None:
    """It would break the header, and its text must not show in a message."""
    with pytest.raises(Unauthorized) as caught:
        InfluxClient(ConnectionSettings("http://localhost:1", token))
    assert not token.strip() or token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "influx:8086", "ftp://x", "http://", "http://user:pw@h:1", "http://h:1/?token=x", "http://h:99999999"]
)
async def test_a_url_that_cannot_work_is_invalid_at_once(url: str) -> None:
    """The message says what to write, and never repeats a password."""
    with pytest.raises(Invalid, match=r"spec\.url") as caught:
        InfluxClient(ConnectionSettings(url, TOKEN))
    assert "pw" not in str(caught.value).replace("password", "")


# TLS


def server_tls(certificate: Certificate, folder: Path, *, client_ca: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    path = folder / "server.pem"
    path.write_text(certificate.cert + certificate.key)
    context.load_cert_chain(path)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)
    return context


HEALTHY = answering('{"name": "influxdb", "version": "v2.7.12"}')


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls_server(authority: Authority, tmp_path: Path) -> AbstractAsyncContextManager[str]:
    return serve(HEALTHY, server_tls(authority.issue("influx.test", "127.0.0.1"), tmp_path))


async def test_a_private_ca_is_trusted_when_given(
    authority: Authority, tls_server: AbstractAsyncContextManager[str]
) -> None:
    """With its CA the server is reached, without it it is not, and the message names the remedy."""
    async with tls_server as address:
        async with client_to(f"https://{address}", ca_pem=authority.pem) as client:
            assert await client.version() == "v2.7.12"
        for other in ("", Authority().pem):
            async with client_to(f"https://{address}", ca_pem=other) as client:
                with pytest.raises(Unavailable, match=r"not trusted.*spec\.tls\.caSecretRef"):
                    await client.version()


async def test_the_server_name_is_checked(authority: Authority, tmp_path: Path) -> None:
    """A certificate for another name is refused unless serverName says that name."""
    async with serve(HEALTHY, server_tls(authority.issue("influx.test"), tmp_path)) as address:
        async with client_to(f"https://{address}", ca_pem=authority.pem) as client:
            with pytest.raises(Unavailable, match="not trusted"):
                await client.version()
        async with client_to(f"https://{address}", ca_pem=authority.pem, server_name="influx.test") as client:
            assert await client.version() == "v2.7.12"


async def test_mutual_tls(authority: Authority, tmp_path: Path) -> None:
    """The client shows its certificate, which leaves no file behind."""
    mine = authority.issue("client")
    context = server_tls(authority.issue("127.0.0.1"), tmp_path, client_ca=authority.pem)
    async with serve(HEALTHY, context) as address:
        async with client_to(
            f"https://{address}", ca_pem=authority.pem, client_cert_pem=mine.cert, client_key_pem=mine.key
        ) as client:
            assert await client.version() == "v2.7.12"
        async with client_to(f"https://{address}", ca_pem=authority.pem) as client:
            with pytest.raises(Unavailable):
                await client.version()


async def test_pem_texts_that_cannot_work_are_invalid_at_once(authority: Authority) -> None:
    """The message names the field, never the content."""
    mine, other = authority.issue("client"), authority.issue("other")
    for settings, words in (
        ({"ca_pem": "garbage"}, "caSecretRef"),
        ({"client_cert_pem": mine.cert}, "clientCertSecretRef"),
        ({"client_cert_pem": mine.cert, "client_key_pem": other.key}, "clientCertSecretRef"),
        ({"client_cert_pem": "x", "client_key_pem": "y"}, "clientCertSecretRef"),
    ):
        with pytest.raises(InfluxError, match=words) as caught:
            InfluxClient(ConnectionSettings("https://localhost:1", TOKEN, **settings))  # type: ignore[arg-type]
        assert isinstance(caught.value, Invalid)


async def test_plain_http_to_a_tls_port_is_explained(tls_server: AbstractAsyncContextManager[str]) -> None:
    """The most common mistake in a url."""
    async with tls_server as address, client_to(f"http://{address}") as client:
        with pytest.raises(Unavailable):
            await client.version()


async def test_https_to_a_plain_port_is_explained() -> None:
    """The other way round."""
    async with serve(HEALTHY) as address, client_to(f"https://{address}") as client:
        with pytest.raises(Unavailable, match="is it https"):
            await client.version()
