import errno
import socket
import time

import pytest

from jaxdet.errors import UserError
from jaxdet.runtime.coordinator import listening_address, resolve


@pytest.fixture
def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listen(address, **environment):
    return listening_address(address, deadline=time.monotonic(), environment=environment)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_loopback_stays_the_loopback(host, port):
    assert listen(f"{host}:{port}") in (f"{host}:{port}", f"127.0.0.1:{port}")


def test_a_name_that_means_the_loopback_here_alone_is_not_trusted(monkeypatch, port):
    # As Debian writes a machine's own name in /etc/hosts.
    own = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: own)
    assert listen(f"node001:{port}") in (f"[::]:{port}", f"0.0.0.0:{port}")


def test_an_address_of_another_machine_may_be_translated_to_this_one(port):
    assert listen(f"192.0.2.1:{port}") in (f"[::]:{port}", f"0.0.0.0:{port}")


def test_a_bind_address_of_the_user_is_taken(port):
    there = {"JAX_COORDINATOR_BIND_ADDRESS": f"0.0.0.0:{port}"}
    assert listen(f"127.0.0.1:{port}", **there) == f"0.0.0.0:{port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "192.0.2.1"])
def test_a_taken_port_is_told(host):
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"^{host}:{port}: the port is taken"):
            listen(f"{host}:{port}")


def test_a_port_that_only_root_may_use_is_told(monkeypatch):
    def refuse(self, place):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(UserError, match=r"^127\.0\.0\.1:80: .*give one from 1024 on"):
        listen("127.0.0.1:80")


@pytest.mark.parametrize(
    "address", ["here", "here:", ":80", "here:0", "here:65536", "here:8o", "a:²"]
)
def test_what_is_no_address_is_told(address):
    with pytest.raises(UserError, match=rf"^{address}: not HOST:PORT with a port from 1 to 65535"):
        resolve(address, deadline=time.monotonic() + 60)


def test_a_name_that_nobody_knows_is_told():
    with pytest.raises(UserError, match=r"^nobody\.invalid:80: the name nobody\.invalid cannot be"):
        resolve("nobody.invalid:80", deadline=time.monotonic())
