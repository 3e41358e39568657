"""The layer cache: tables of layers, stored in the user's cache directory from run to run. Contents
of files are never stored, but for the windows of gzip layers if a setting says so.

Which table may be used for which bytes (an image's own statements prove nothing):

- A layer in a file (archive, layout) is looked up by the digest that its image states (its diff_id if there is no other),
  and then verified: the fingerprint of all its stored bytes must equal that of the bytes from which the table was read. A
  table depends only on the stored bytes and this program, so a verified table is right, whatever else the image claims. The
  fingerprint is xxh3_128 with a random seed for each cached file that only the user can read, so nobody can build an archive
  that matches; it takes a hundredth of the time of inflating. sha256 would take ten times as long, and the diff_id can be
  checked only by inflating.
- A layer in an engine is looked up by its diff_id alone, because engines check that when they load, pull or commit a layer.
  What an engine's API sends is cached only if its unpacked bytes have that sha256, so an engine that lies cannot replace the
  table of another one's layer. What was read in an engine's own storage has ids of another kind and is used for nothing
  else: an attacker who can write there needs no cache.
- A layer in a registry is looked up by the digest of its blob, if all of the blob was hashed when its table was read. A table
  that was read from parts of the blob proves nothing: it has a name of its own, which the registry and repository it came
  from are part of, and it is never used where bytes are to be hashed or the user does not trust tables of contents.
- A note about an engine's image is looked up by its id, and stored only if that id is the hash of the note's content.
- These are never mixed: a table read from a file is not used for an engine's layer, nor the other way round.

Nothing here raises: what cannot be stored, found or decoded is absent.
"""
