"""The command line: arguments in, exit code out. What is slow to import is imported only when a command needs it."""
