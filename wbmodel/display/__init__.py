"""Display tables and objects as text and HTML."""
