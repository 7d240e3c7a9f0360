"""Tests reach this machine and no other, and compute with one thread."""

import socket
from urllib.request import urlopen

import pytest


def test_an_address_elsewhere_is_refused():
    with pytest.raises(RuntimeError, match=r"tried to reach '192\.0\.2\.1'"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_an_address_elsewhere_is_refused_when_errors_come_as_numbers():
    with (
        socket.socket(socket.AF_INET6) as client,
        pytest.raises(RuntimeError, match="tried to reach '2001:db8::1'"),
    ):
        client.connect_ex(("2001:db8::1", 80))


def test_the_name_of_a_stranger_is_not_even_looked_up():
    with pytest.raises(RuntimeError, match=r"tried to reach 'example\.org'"):
        urlopen("http://example.org/", timeout=1)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_this_machine_is_reached(name):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((name, server.getsockname()[1]), timeout=5).close()


def test_torch_has_one_thread():
    import torch

    assert torch.get_num_threads() == 1
