"""What holds in every test: one thread, repeatable random laws, no network."""

import ipaddress
import os
import socket

import hypothesis
import pytest

# A law that fails by chance fails again: a red build must be repeatable elsewhere.
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "laptop")


def pytest_configure():
    """Give numpy and torch one thread, before they are loaded; kernels inherit it.

    Threads cost time on small matrices and change the order of sums. torch.set_num_threads would
    load torch for tests that do without.
    """
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Refuse every connection that would leave this machine, even the look-up of a name."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    look_up = socket.getaddrinfo

    def guarded_connect(self, address):
        refuse_strangers(self.family, address)
        return connect(self, address)

    def guarded_connect_ex(self, address):
        refuse_strangers(self.family, address)
        return connect_ex(self, address)

    def guarded_look_up(host, *arguments, **options):
        refuse_strangers(socket.AF_INET, (host,))
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


def refuse_strangers(family, address):
    """Raise unless the address is on this machine; sockets that are files always are."""
    if family in (socket.AF_INET, socket.AF_INET6) and not is_here(address[0]):
        raise RuntimeError(f"a test tried to reach {address[0]!r}; tests run without a network")


def is_here(host):
    """Whether a host's name or number means this machine; None and '' do, too."""
    try:
        return ipaddress.ip_address(host or "127.0.0.1").is_loopback
    except ValueError:
        return host in ("localhost", socket.gethostname())
