"""The house itself: what is built, installed, checked and promised about the package as a whole."""
