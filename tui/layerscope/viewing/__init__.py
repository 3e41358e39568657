"""What a view of one file shows: its versions, its content as lines, and the difference between two versions. No screen."""
