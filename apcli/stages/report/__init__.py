"""What ``report RECORDS`` does: records become runs, runs an answer, and the answer a page, tables and figures."""
