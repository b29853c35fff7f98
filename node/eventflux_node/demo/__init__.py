"""`eventflux demo`: fresh code, a node in its own process, a real data set over every wire, and what came of it."""
