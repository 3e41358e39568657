"""The index cache: tables of layers, kept in the user's cache directory from run to run. Never contents of files.

Which table may be shown for which bytes (nothing here believes what an image says of itself):

- A layer in a file (archive, layout) is found by the digest that its image states (its diff_id where it states no other),
  and then proved: a fingerprint over
  all its stored bytes has to be the one of the bytes that the table was read from. A table is a function of its stored
  bytes and of our code alone, so a proved table is the table, whatever else the image claims. The fingerprint is
  xxh3_128 with a seed drawn for each kept file and readable by nobody else, so no archive can be made to fit; it costs a
  hundredth of inflating the same bytes. sha256 would say the same at ten times the cost, and the diff_id could only be
  believed or inflated for.
- A layer in an engine is found by its diff_id alone, for engines check that when they load, pull or commit a layer. What
  came through an engine's API is kept only where its unpacked bytes have that sha256, so another engine that lies cannot
  put its table in the place of an honest one's. What was read in an engine's own storage carries ids of another kind and is
  shown for nothing else: who can write there has won anyway.
- What is noted of an engine's image is found by its id, and noted only where that id is the hash of what is noted.
- The two never meet: what was read from a file is not shown for an engine's layer, nor the other way round.

Nothing here raises: what cannot be kept, found or made sense of is absent.
"""
