"""RDMA as a carrier: byte streams over the connected endpoints of libfabric, by whichever of its providers.

`frame` and `credit` say what the two sides of a connection owe each other; `declaration` and `library` are
what this package needs of libfabric; `link`, `inbound`, `outbound` and `pipe` make a byte stream of an endpoint.
"""
