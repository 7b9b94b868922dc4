"""The questions: one short file a space. `search_spaces.space` has the words they are written in."""
