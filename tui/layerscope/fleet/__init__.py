"""Many images at once: what they share, what each costs, what to mend or delete first."""
