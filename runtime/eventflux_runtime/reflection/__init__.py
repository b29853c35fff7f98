"""gRPC's server reflection, ``grpc.reflection.v1`` and ``v1alpha``, on every wire.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md specifies it. `method` describes the two services
without protobuf; everything else here needs it, and is loaded at the first question.
"""
