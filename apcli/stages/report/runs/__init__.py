"""The runs of a study: trials, their grouping and labels, the quantities that are measured, and the files."""
