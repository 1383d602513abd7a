"""Report on records: group them into runs, compare AP with PD, and draw the page, tables and figures."""
