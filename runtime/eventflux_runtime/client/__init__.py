"""The client side that is the same on every wire: channels, calls, retries, interceptors, the pool."""
