"""The specification: each kernel in plain NumPy, for any dtype, in a file of the same name as the fast one's."""
