"""What a person reads of records on a terminal: text laid out in its columns."""
