"""Limits on the memory and work that an input may cause, so that small inputs cannot demand much.

Every limit is far above what real images need. Anything beyond one is refused, or left out, with a sentence that says so;
SECURITY.md lists them.
"""

from __future__ import annotations

from typing import Final

PATTERN_BYTES: Final = 1 << 10
"""Bytes of a glob, a regular expression or a word of a filter; no path can be longer than 4,096 bytes."""
REGEX_SECONDS: Final = 5
"""Processor time of all matching of one regular expression; a million real paths take 1 s."""
REGEX_MEMORY: Final = 1 << 30
"""Address space, in bytes, of the process that matches regular expressions."""
LAYERS: Final = 1_000
"""Layers of an image; Docker stops at 127."""
CONFIGS_BYTES: Final = 256 << 20
"""Bytes of all config documents that one manifest.json refers to; the configs of 10,000 images take 200 MB."""
DOCUMENT_VALUES: Final = 1 << 19
"""Values in one JSON document of an image: an index of 10,000 images has 300,000."""
DIVE_CI_BYTES: Final = 1 << 16
"""Bytes of a `.dive-ci` file, whose three rules take 100 bytes; PyYAML reads 64 KiB in 3 s."""
TOML_DOTS: Final = 32
"""Dots in the keys of one line of TOML: the standard library's parser needs memory that grows with their square."""
TOML_DEPTH: Final = 64
"""Brackets open at once in TOML: the standard library's parser calls itself for each, which must not end at Python's limit."""
ENGINE_ANSWER: Final = 64 << 20
"""Bytes of one JSON answer of an engine; the list of 10,000 images takes 10 MB."""
ENGINE_REFUSAL: Final = 1 << 20
"""Bytes read of an engine's error message."""
REGISTRY_NAMES: Final = 1 << 20
"""Repositories that a registry lists, or tags of one repository; Docker Hub's largest have 100,000 tags."""
REFERRERS: Final = 1 << 14
"""What refers to one manifest in a registry: signatures, attestations, bills of materials; a few are usual."""
EXPANDED: Final = 1 << 12
"""Characters that variables may add to an instruction of a Dockerfile, beyond twice its own length."""
XATTR_COST: Final = 64
"""Bytes added to the name and value of each xattr when the memory of all xattrs of an entry or a layer is added up."""
RARE_BYTES: Final = 64 << 20
"""Bytes of memory for all sparse maps of a layer; also for all its xattrs, beyond 512 bytes for each entry that has any."""
RUN_COST: Final = 128
"""Memory of one run of a sparse map, in bytes."""

TABLE_BYTES: Final = 256 << 20
"""Bytes that the table of contents of a layer may unpack to; 117,000 entries take 40 MB in eStargz's form."""
TABLE_ENTRIES: Final = 1 << 21
"""Entries of a layer's table of contents, further chunks of files included; a layer whose table has more is streamed."""
ZTOC_BYTES: Final = 64 << 20
"""Bytes of SOCI's table of contents of a layer, which is held in memory; 600 MB unpacked take 6 MB, mostly checkpoints."""
TABLE_ENTRY: Final = 1 << 20
"""Bytes of one entry of a layer's table of contents."""
