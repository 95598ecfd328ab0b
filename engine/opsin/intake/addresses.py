"""Which network addresses are public; everything else is out of reach for a URL that a stranger sends."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1, deprecated
_REFUSED_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b:1::/48",  # NAT64 inside one network, RFC 8215
            "2001::/32",  # Teredo, RFC 4380
            "2002::/16",  # 6to4, RFC 3056
            "fec0::/10",  # site-local, RFC 3879
            "5f00::/16",  # segment routing, RFC 9602
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)
_REFUSED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # "this network", RFC 791
            "100.64.0.0/10",  # shared by carriers, RFC 6598
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # 6to4 relays, RFC 7526
        ),
    )
)


def is_public(address: str) -> bool:
    """Return whether ``address`` (as ``getaddrinfo`` writes it) is an ordinary address of the public internet.

    Addresses that carry an IPv4 address inside are as public as that one (IPv4-mapped, NAT64) or refused
    (IPv4-compatible, 6to4, Teredo), as are addresses with a zone, and whatever IANA's special-purpose registries
    call not globally reachable (RFC 6890).
    """
    if "%" in address:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return _is_public_v6(parsed)
    return _is_public_v4(parsed)


def is_private(host: str) -> bool:
    """Return whether the host of a URL is an address that is not public, or this machine; of any other name nobody knows."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"  # RFC 6761
    return not is_public(host)


def _is_public_v6(address: ipaddress.IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public_v4(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public_v4(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _V4_COMPATIBLE or any(address in network for network in _REFUSED_V6):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    if any(address in network for network in _REFUSED_V4):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
