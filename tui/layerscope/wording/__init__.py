"""Sentences, units in columns and escaping, shared by reports and screens."""
