"""The sentinel's HTTP side: its health and its metrics."""
