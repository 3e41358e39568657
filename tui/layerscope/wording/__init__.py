"""Sentences, signs and columns, shared by reports and screens."""
