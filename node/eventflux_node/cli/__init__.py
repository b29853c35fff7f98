"""The `eventflux` command, each of its subcommands a module."""

from eventflux_node.cli.entry_point import main

__all__ = ["main"]
