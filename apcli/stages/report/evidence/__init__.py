"""The evidence of a report, a section a question: sentences and tables, the same in every format."""
