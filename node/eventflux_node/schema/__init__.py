"""Where the types of a server's methods come from, for calls that are named on the command line.

A `Schema` knows services by name and makes a `Callee` of a method, whichever source it has: the server's reflection,
.proto files, a descriptor set, or an installed generated package.
"""
