"""The smaller image on the screen: what the user marked to go, what that saves, and writing it."""
