"""The command line: what a verb is, and the program that runs one."""
