"""Many cases of one program: every position, every order, and the smallest of what was found."""
