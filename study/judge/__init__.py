"""The verdict on trainings that ran elsewhere, from what they answered."""
