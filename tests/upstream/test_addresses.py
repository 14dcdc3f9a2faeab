import pytest

from gateway.upstream.addresses import public_address, refuse_private

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2002:101:101::1", "64:ff9b::1.1.1.1"]

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",  # loopback, this host, private
    "169.254.169.254", "100.64.0.1", "100.100.100.200",  # link-local and carrier space: cloud metadata
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",  # documentation to broadcast
    "::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1",  # IPv6's own
    "2001:db8::1", "2001::1", "100::1", "4000::1",  # documentation, Teredo, discard-only, unassigned
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",  # IPv4 inside IPv6: mapped, compatible
    "2002:7f00:1::1", "2002:a00:1::1",  # 6to4
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1.1.1.1",  # NAT64, well-known and local prefix
    "", "localhost", "2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1", "1.1.1.1.", "1.1.1.1:443", "[::1]",
]  # fmt: skip


@pytest.mark.parametrize("ip", PUBLIC)
def test_public(ip):
    """A public address passes, also in IPv6 clothes."""
    assert public_address(ip)
    refuse_private(ip)


@pytest.mark.parametrize("ip", PRIVATE)
def test_not_public(ip):
    """All that is not surely public is refused: special networks, their IPv6 disguises, odd spellings."""
    assert not public_address(ip)
    with pytest.raises(PermissionError, match="is not a public address"):
        refuse_private(ip)
