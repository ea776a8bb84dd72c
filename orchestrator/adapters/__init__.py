"""One outside thing a file. Library errors become ours at this boundary."""
