"""Who hears what happens while a study runs: the display, TensorBoard, trackers."""
