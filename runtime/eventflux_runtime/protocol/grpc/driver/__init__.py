"""gRPC for the shared driver: how a method is named, and what connections to one server learn of it."""
