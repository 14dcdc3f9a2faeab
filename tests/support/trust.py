"""The one authority that a test run trusts, its own.

Every HTTP client reads all that is trusted when it is made, the one behind a single `httpx.post` too: the public
authorities take 20 ms of processor time, more than the request, and no server of the tests shows a certificate of theirs.
A client that is to ignore the environment, whose proxies are not for 127.0.0.1, is given `verify=False` instead.
"""

import os
import tempfile

import trustme

_FILE = "SSL_CERT_FILE"  # httpx, aiohttp and OpenSSL heed it, in the processes that tests start as well
_MACHINE = "MACHINE_SSL_CERT_FILE"


def trust_one_authority(config):
    """Let this process, its children and the other processes of the run trust that authority alone."""
    if hasattr(config, "workerinput"):
        return  # the one that started it has done so
    directory = tempfile.TemporaryDirectory(prefix="trust")
    config.add_cleanup(directory.cleanup)
    file = os.path.join(directory.name, "authority.pem")  # noqa: PTH118  it goes into the environment
    trustme.CA().cert_pem.write_to_path(file)
    os.environ[_MACHINE] = os.environ.get(_FILE, "")
    os.environ[_FILE] = file


def trusting_as_the_machine():
    """Give the environment of a program that fetches something from outside."""
    environ = dict(os.environ)
    environ.pop(_FILE, None)
    machine = environ.pop(_MACHINE, "")
    return environ | ({_FILE: machine} if machine else {})
