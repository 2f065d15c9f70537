"""For people: tables and objects as text and HTML."""
