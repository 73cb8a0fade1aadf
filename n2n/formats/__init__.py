"""Files, headers, tables and provenance."""
