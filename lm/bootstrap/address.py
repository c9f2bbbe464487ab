"""The address of an endpoint: what is refused before anything is sent to it."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

EXAMPLE = "give the base of the API, as http://127.0.0.1:8000/v1"


def checked_address(url: str) -> str:
    """The base of an API; ValueError, which never shows a password, if it is none."""
    if "@" in url:
        raise ValueError(
            "it contains a user name or password, which would be written to the run's config; put the key into the "
            "environment variable that writer.key_variable names"
        )
    if re.search(r"[^!-~]", url):
        raise ValueError(f"{url!r} contains a blank or a character outside ASCII: {EXAMPLE}")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a host that is no address
        valid = False
    if not valid:
        raise ValueError(f"{url} is not a URL of http or https: {EXAMPLE}")
    if "?" in url or "#" in url:
        raise ValueError(f"{origin(url)}… has a query, which may be a secret and is not sent: {EXAMPLE}")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ValueError(f"{url} is a method of the API: give its base, without /chat/completions or /completions")
    return url.rstrip("/")


def is_this_machine(url: str) -> bool:
    """Whether a URL names this machine by a loopback address, so that nothing leaves it."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_open(url: str) -> bool:
    """Whether what is sent to a URL can be read on its way to another machine."""
    return urlsplit(url).scheme == "http" and not is_this_machine(url)


def origin(url: str) -> str:
    """Scheme, host and port of a URL, without user name, password, path and query; "elsewhere" if it has none."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}" if host else "elsewhere"
    except ValueError:
        return "elsewhere"
