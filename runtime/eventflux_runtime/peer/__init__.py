"""Message passing between nodes, as EventFlux has it: connections that carry messages both ways, over any wire.

Generic over the message type; a generated package binds it to its own.
"""
