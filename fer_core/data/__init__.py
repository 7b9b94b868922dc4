"""Data sets of faces: readers for the forms in which FER2013 is held, drawn faces, and the protocols."""
