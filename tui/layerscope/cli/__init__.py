"""The command line: arguments in, exit code out. Everything below is imported late."""
