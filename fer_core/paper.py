"""What the paper (Luo 2023, doi 10.54254/2755-2721/22/20231157) reports, and its two models as settings.

Settings that are not named here have the paper's value as their default in `fer_core.config`.
"""

from fer_core.config import Value

# Section 2.2.3 and Figure 2: the two networks compared.
CONFIGURATIONS: dict[str, dict[str, Value]] = {
    "original CNN": {"model.se_placement": "none"},
    "CNN with SE blocks": {"model.se_placement": "block"},
}

# Table 1: one run of each, the epoch chosen on the test images.
REPORTED_TEST_ACCURACY = {"original CNN": 0.6801, "CNN with SE blocks": 0.6904}
REPORTED_GAIN = 0.0103
