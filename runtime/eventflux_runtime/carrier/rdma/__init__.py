"""RDMA as a carrier: byte streams over the connected endpoints of libfabric, by whichever of its providers.

`frame` and `credit` say what the two sides of a connection owe each other; `declaration`, `library` and `resource` are
what this package needs of libfabric; `pipe`, `rendezvous`, `connection`, `listener` and `carrier` are the wire.
"""
