"""What every message class of every generated package has in common."""
