"""Byte streams, sockets, TLS contexts and the event loop: everything between the protocols and the system."""
