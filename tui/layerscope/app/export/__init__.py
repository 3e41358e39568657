"""What leaves the screen: text to the clipboard, contents to the user's programs, views to files."""
