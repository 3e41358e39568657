"""One layer's bytes -> one LayerTable: compression, tar headers, and the columns that come out."""
