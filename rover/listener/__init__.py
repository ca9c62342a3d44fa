"""What every listener of rover has in common: who may ask, and how often.

Public surface: `is_loopback` and `is_loopback_host` judge addresses, `has_token` a request, `Buckets` the rate of its
peer."""

from rover.listener.access import has_token, host_of, is_loopback, is_loopback_host
from rover.listener.bucket import Buckets

__all__ = ["Buckets", "has_token", "host_of", "is_loopback", "is_loopback_host"]
