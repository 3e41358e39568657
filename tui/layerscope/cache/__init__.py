"""The index cache: tables of layers, kept in the user's cache directory from run to run. Never contents of files.

Which table may be shown for which bytes (nothing here believes what an image says of itself):

- A layer in a file (archive, layout) is found by the digest that its image states (its diff_id where it states no other),
  and then proved: a fingerprint over
  all its stored bytes has to be the one of the bytes that the table was read from. A table is a function of its stored
  bytes and of our code alone, so a proved table is the table, whatever else the image claims. The fingerprint is
  xxh3_128 with a seed drawn for each kept file and readable by nobody else, so no archive can be made to fit; it costs a
  hundredth of inflating the same bytes. sha256 would say the same at ten times the cost, and the diff_id could only be
  believed or inflated for.
- A layer in an engine is found by its diff_id alone: engines check diff_ids when they load, pull or commit a layer, and
  who can write to an engine's storage has won anyway. Whoever calls `keep` vouches that the bytes had that diff_id.
- The two never meet: what was read from a file is not shown for an engine's layer, nor the other way round.

Nothing here raises: what cannot be kept, found or made sense of is absent.
"""
