"""Tables of plain values: columns, types and export formats."""
