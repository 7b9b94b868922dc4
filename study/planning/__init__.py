"""What a study would be and what it needs, before anything runs: its data, its cost, what it could see."""
