"""The server side that is the same on every wire: services, dispatch, deadlines, limits, drain."""
