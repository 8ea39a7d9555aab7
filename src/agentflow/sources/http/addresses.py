"""Which IP addresses are public: the only ones a workflow may reach unless a setting allows the host."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# ``is_global`` says yes to some of these in some Python versions; none is a place where a public service lives.
_BLOCKED_V4 = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # carrier-grade NAT; a cloud keeps its metadata at 100.100.100.200
            "168.63.129.16/32",  # Azure's host agent, a public number reachable only from inside
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # relays of 6to4
            "224.0.0.0/3",  # multicast and reserved
        ),
    )
)
_UNICAST_V6 = ip_network("2000::/3")
# Transition formats carry an IPv4 address inside: a private one could hide in a global-looking number.
_BLOCKED_V6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # Teredo, ORCHID and other protocol assignments
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)
_LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"), ip_network("fd00:ec2::/32"), ip_network("168.63.129.16/32"))


def parse(text: str) -> IPv4Address | IPv6Address:
    """Return an address as the resolver gives it; an IPv4 address mapped into IPv6 is returned as the IPv4 address it stands for.

    Raises:
        ValueError: the text is not an address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is an ordinary host on the internet."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _BLOCKED_V4)
    if address not in _UNICAST_V6 or not address.is_global:
        return False
    return not any(address in network for network in _BLOCKED_V6) and (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def is_link_local(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is where clouds keep the credentials of the machine; allowing a name never opens these."""
    return any(address in network for network in _LINK_LOCAL)
