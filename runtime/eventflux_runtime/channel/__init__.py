"""The client side that is the same on every wire: channels, calls, pool, balancer, retries, interceptors."""
