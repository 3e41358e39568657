"""A layer read from the tar-split records that engines keep (vbatts/tar-split)."""
