"""Other languages for conditions, read as ``Q``."""
