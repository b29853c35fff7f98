"""The wires. Each module opens connections and listens; none knows another."""
