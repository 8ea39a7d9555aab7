"""Which addresses count as public."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.sources.http.addresses import is_link_local, is_public, parse

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::7f00:1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2606:4700::5efe:7f00:1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_inner_and_special_addresses_are_not_public(text: str) -> None:
    """S67: loopback, private, link-local, metadata, reserved and every format that hides an IPv4 address are refused."""
    assert not is_public(parse(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2001:4860:4860::8888"])
def test_ordinary_hosts_are_public(text: str) -> None:
    """Well-known servers of the internet can be called."""
    assert is_public(parse(text))


@given(st.integers(0, 2**32 - 1))
def test_mapping_into_ipv6_changes_nothing(number: int) -> None:
    """S66, S67: an IPv4 address written as IPv6 is judged as the IPv4 address."""
    address = IPv4Address(number)
    assert parse(str(IPv6Address(f"::ffff:{address}"))) == address


@given(st.integers(0, 2**32 - 1))
def test_no_transition_format_is_public(number: int) -> None:
    """S67: NAT64, 6to4, Teredo and compatible addresses are refused, whatever address they carry."""
    high, low = number >> 16, number & 0xFFFF
    for text in (f"64:ff9b::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1", f"2001:0:{high:x}:{low:x}::1", f"::{high:x}:{low:x}"):
        assert not is_public(IPv6Address(text))


@pytest.mark.parametrize("text", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254"])
def test_metadata_services_are_told_apart(text: str) -> None:
    """S66: addresses where clouds keep credentials are known as such."""
    assert is_link_local(parse(text))
