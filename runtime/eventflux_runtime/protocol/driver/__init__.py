"""Drives the machine of a protocol over a pipe: calls, deadlines, backpressure, drains, the same for each of them."""
