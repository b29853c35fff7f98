"""What protocols over pipes have in common without I/O: `Machine` is one side of a connection of any of them."""
