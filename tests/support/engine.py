"""What wires of other people's libraries cannot hold: above all, what grpcio's public API does not tell."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.rpc.scheme import SCHEMES

__all__ = ["LEFT_OUT", "OWN_SOCKETS", "can_hold"]

WIRE: Final = "eventflux_runtime.grpcio.wire:WIRE"

_WORDS: Final = "only the text of grpcio's errors tells why a connection does not come about"
_VERIFIES: Final = "grpcio verifies every certificate"
_RELOAD: Final = "a server of grpcio's goes on with the certificates that it started with"
_PLAIN: Final = "grpcio has no zstd, and decompresses gzip within itself"

LEFT_OUT: Final[dict[str, str]] = {
    "test_a_handler_that_lets_a_cancellation_out_ends_its_own_call": "grpcio runs handlers in tasks of its own",
    "test_calls_go_where_they_are_served": "only the text of UNIMPLEMENTED tells that nobody serves a method",
    "test_a_rolling_restart_fails_no_call": "what crosses grpcio's GOAWAY is lost, and not told to be unprocessed",
    "test_a_stopped_server": "a call may get a connection that grpcio is about to report lost",
    "test_a_grpc_client_that_was_cut_off_pings_less_often": "only the text of an error tells of too many pings",
    "test_refused_connection": _WORDS,
    "test_each_fault_says_which_it_was": _WORDS,
    "test_none_of_the_addresses_is_this_machines": _WORDS,
    "test_a_zone_that_is_no_interface": _WORDS,
    "test_skipping_verification_works_and_warns": _VERIFIES,
    "test_a_name_written_in_another_way_is_the_same_name": _VERIFIES,
    "test_a_servers_certificate": _RELOAD,
    "test_the_authority_of_clients": _RELOAD,
    "test_every_address_of_one_family_is_of_that_family": "to grpcio, 0.0.0.0 is every address of both families",
    "test_port_0_is_one_port_on_all_addresses": "grpcio looks the name of a listening address up itself",
    "test_what_handlers_hold_is_bounded_on_a_connection_and_over_all": _PLAIN,
    "test_one_message_has_room_where_nothing_is_held": _PLAIN,
    "test_a_channels_streams_hold_so_much_together": _PLAIN,
    "test_a_hundred_bombs_at_once_hold_what_the_limit_says": _PLAIN,
}
"""Tests that run on other wires alone, and why."""


OWN_SOCKETS: Final[dict[str, str]] = {
    "test_port_0_is_one_port_on_all_addresses": "libfabric binds its sockets itself, so Python's show nothing",
}
"""Tests that look into sockets of Python's, and so run on wires that have such, and why."""


def can_hold(wire: str, loop: str | None, test: str) -> bool:
    """Whether a test of this name is for a wire, on an event loop where it has one."""
    if wire == "rdma" and test in OWN_SOCKETS:
        return False
    row = SCHEMES.get(wire)
    if row is None or row.wire != WIRE:
        return True
    return loop != "trio" and test not in LEFT_OUT
