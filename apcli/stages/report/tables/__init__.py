"""The report's tables, as rows of text, as Markdown and as CSV."""
