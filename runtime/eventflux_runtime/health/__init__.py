"""The standard health service ``grpc.health.v1.Health``, on every wire.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md specifies it. Written by hand rather than generated: a
generated package imports the runtime, whose server serves this, and registers its messages in protobuf's default pool,
where grpcio-health-checking has the same names.
"""
