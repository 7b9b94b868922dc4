"""How an arm is tuned: what it tries, at which hour of its clock, what is stopped early and what wins."""
