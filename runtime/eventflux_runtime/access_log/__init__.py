"""Interceptors that write a line of log for each call, of a channel or of a server."""
