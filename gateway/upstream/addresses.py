"""Which IP addresses a download may connect to."""

import errno
import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address lies in the last 32 bits
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA has assigned for public use


def public_address(ip: str) -> bool:
    """Tell whether `ip` belongs to the public Internet; IPv4 in IPv6 clothes is judged by the IPv4 address.

    Anything but a full, canonical IP address is not public.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded_ipv4(address)
        if embedded is None:
            return address in _GLOBAL_UNICAST and address.is_global
        address = embedded
    return address.is_global and not address.is_multicast


def refuse_private(ip: str) -> None:
    """Raise `PermissionError` unless `ip` is public: the guard of a transport that follows foreign URLs."""
    if not public_address(ip):
        raise PermissionError(errno.EACCES, f"{ip} is not a public address")


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
