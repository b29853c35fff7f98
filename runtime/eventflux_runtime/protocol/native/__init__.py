"""The native protocol (docs/protocol.md): a core without I/O, and the driver that binds it to pipes and calls."""
