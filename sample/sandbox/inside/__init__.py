"""What runs inside the sandbox; standard library only, no other file of the toolkit is there.

Three kinds of processes: the *server* (``server``) starts with the sandbox and reads no message,
the *supervisor* (``supervisor``) is forked for one grade and holds its tests, and the *candidate*
(``candidate``) is forked from the supervisor before that has read the tests and runs the program.
"""
