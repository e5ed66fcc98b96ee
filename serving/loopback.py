"""Which addresses are of this machine: no proxy is asked for them."""

import ipaddress


def is_loopback(address: str) -> bool:
    """Whether `host`, or `host:port`, is the machine itself."""
    host = address.rpartition(":")[0] if address.rpartition(":")[2].isdecimal() else address
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
