"""What a change and a wasted file are marked with, and one sentence per cause of waste."""

from __future__ import annotations

from layerscope.tree.tree import Change
from layerscope.waste.find import Cause

CHANGE_MARKS = {Change.UNCHANGED: " ", Change.ADDED: "+", Change.MODIFIED: "~", Change.REMOVED: "-"}
WASTED_MARK = "!"

EXPLANATIONS = {
    Cause.DELETED: "removed later; every pull still carries it",
    Cause.OVERWRITTEN: "replaced later by other content",
    Cause.METADATA: "same bytes; mode, owner or times differ",
    Cause.IDENTICAL: "same bytes again; nothing differs",
    Cause.MOVED: "removed, and added again at another path",
    Cause.SHADOWED: "its own layer holds the path twice",
}
