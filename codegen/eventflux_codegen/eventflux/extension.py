"""Adds EventFlux's transports to a package whose options have the section ``peer``."""

from __future__ import annotations

from typing import ClassVar, Final

from eventflux_codegen.eventflux.options import PeerOptions
from eventflux_codegen.eventflux.peer import PEER_NAMES, build_peer
from eventflux_codegen.extension import Addition, Draft, Extension, Module

__all__ = ["EventFlux"]

FRAME: Final = Module("frame")
"""How a message travels in EventFlux's frames over TCP."""
PEER: Final = Module("peer", PEER_NAMES)
"""The transports."""


class EventFlux(Extension):
    """EventFlux's part of the generator."""

    section: ClassVar[str] = "peer"
    options: ClassVar[type] = PeerOptions

    def build(self, options: PeerOptions, draft: Draft) -> Addition:
        """The transports, and that the method which takes a message answers peers that know frames alone."""
        peer = build_peer(options, draft)
        return Addition(
            package="eventflux_codegen.eventflux",
            model=peer,
            modules=(FRAME, PEER),
            method_imports=((FRAME.name, peer.codec),),
            method_arguments={peer.send.constant: (("peer", peer.codec),)},
        )
