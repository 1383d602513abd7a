"""Text laid out in columns of a terminal, or in as many as it needs: no reading, no writing."""
