"""The report of a study: figures, tables and a page, from its tables alone."""
