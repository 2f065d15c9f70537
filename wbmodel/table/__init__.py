"""Columns of plain values: tables, types, and the formats that they are written in."""
