"""The pictures of a report: the numbers of its groups as studies, drawn by the table of figures."""
