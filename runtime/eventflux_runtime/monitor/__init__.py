"""Which nodes are how well, by asking each of them now and again.

Generic over the heartbeat's answer and its enum of health; a generated package binds it to its own.
"""
