"""A mean over seeds and test images, or over searches and test images, with an interval that covers both sources of
chance.

Trainings with other seeds would give other accuracies, and so would other test images. Every seed is tested on the
same images, so the answers form a table of K seeds by N images: a two-way layout without repetition, whose variance
components are estimated by the method of moments (Searle, Casella and McCulloch 1992, chapter 4). With s, i and e
for the components of seeds, images and the remainder, the mean's variance is

    s / K + e / (K N)  +  i / N  =  A + B.

A is what the spread of the seeds' own means shows. Student's t is taken with (K - 1) (A + B) / A degrees of
freedom: those of A where it is all there is, more as B, which thousands of images estimate well, takes over. A
small A by chance would then claim too many; so an interval is never narrower than Student's over the seeds alone.
Of the ways tried on drawn variances with a known truth (3, 5 and 10 seeds, B from none to ten times A, 200,000
draws each), intervals of 95 % covered it in 94.9 to 96.4 %, of 98.3 % (three comparisons) in 98.3 to 99.1 %.
Satterthwaite's square of the ratio falls to 92 %; leaving out the last rule to 97.2 of 98.3 %; Cochran's and Cox's
weighted t rises to 97.1 % of 95 %. Bouthillier et al. (2021, "Accounting for variance in machine learning
benchmarks", section 5) show why a bootstrap over few seeds covers too little. `tests/test_coverage.py` holds this
on simulated studies.

Units may also be subjects, the people whom the images show. Of them there may be few, and B is not known well: with
G of them its share of the variance has G - 1 degrees of freedom, which are brought together by

    1 / degrees = A / (A + B) / (K - 1)  +  B / (A + B) / (G - 1),

of which the above is the case of many units. With 3, 5 and 10 seeds, 5, 12 and 30 subjects and B from a tenth to ten
times A (20,000 draws each) intervals of 95 % so cover in 95.0 to 97.2 %, of 98.3 % in 98.2 to 99.3 %; taken as many,
they fall to 89.5 and 94.3 %.

Where every arm was searched more than once, another search is one more source of chance, larger than the others
where searches are small. Then K counts the searches, and a search's answers are the means over its winner's seeds:
these share what the search has chosen and are no independent evidence of what tuning is worth. How much of the
spread is owed to seeds and how much to searches is told apart by the method of moments, too (ibid., chapter 3).

Where a study was enlarged after its arms had been tested, it has been looked at before, and who goes on until
something is found finds it. Of simulated studies (`tests/test_coverage.py`, 5,000 each) that get the seeds which
would decide, as their report says, up to five times and to 30 seeds, 12.4 % of those with two equal arms and 3 seeds
end with these told apart, and 11.5 % with three arms and 5 seeds. So the k-th look is judged at a k^2-th of the 5 %:
that leaves 6.8 and 5.9 %, and 8.2 % (5 % times pi^2 / 6) at most, however often one looks. No rule for later looks
gets below the 5 % that the first one has spent.

Where images were tested in turn, each of K folds was searched, trained and tested by itself: the spread of the
folds' own values V holds every source of chance. They share most of their training images, though, so the mean
spreads more than V / K says: by (1/K + t) V, with t the images tested over those learned from, 1 / (K - 1), and
with Student's t of K - 1 degrees of freedom (Nadeau and Bengio 2003, "Inference for the generalization error"). On
simulated people and networks with a random layer, tuned and trained fold by fold (`tests/test_coverage.py`; 10, 30
and 100 people, 5 and 10 folds, 1,000 studies each), intervals of 95 % so cover an arm's accuracy, the mean of all
such studies, in 96.8 to 98.4 %, and a difference in 98.5 to 99.1 %. Without t they fall to 87.0 and 94.8 %. With 30
people left out one at a time (2,000 studies) they cover in 98.9 and 99.5 %, without t in 93.8 and 95.5 %. For
differences it costs nearly half the margin again and is seldom needed; how seldom depends on how alike networks are
that share their training images, which a study cannot tell.

Where the networks of folds answer other data, all of them the same images, the folds' searches are what was repeated,
B is that of these images, and A gets the same t. On such simulations with people of another source (30 in 5 folds and
100 in 10 with 100 others, 30 in 10 with 300; 1,000 studies each) intervals cover a difference in 98.2 to 98.9 %,
without t in 92.4 to 95.0. An arm's own value is covered in 94.4 and 96.5 %, and in 89.8 with the 300 others, where
more is owed to who trained, which all folds have in common; without t in 93.4, 94.2 and 85.4 %.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit  # Student's t, without the overhead of scipy.stats

CONFIDENCE = 0.95
POWER = 0.8
SAME = 1e-9  # values that differ by less of their mean do so by rounding alone
MOST_REPEATS = 1000  # beyond this no number of seeds or searches is worth naming


def strictness(looks: int) -> int:
    """How many times smaller an error is asked for at the last of so many looks than at the first."""
    return looks**2


@dataclass(frozen=True)
class Observed:
    """A measure by seed, (K,), and its answers by seed and unit, (K, N), None where they are not at hand.

    A unit is a test image, a subject, or a group of images where the measure is no mean over images; in the last two
    cases a row's mean is the seed's value to the jackknife's accuracy only. folds: whether the units are the folds in
    which the images were tested. searches: which search every seed belongs
    to, (K,), where that is what was repeated; else None. in_folds: whether each of these is of another fold.
    few_units: whether the units are subjects, so that there may be few.
    """

    by_seed: np.ndarray
    answers: np.ndarray | None = None
    searches: np.ndarray | None = None
    in_folds: bool = False
    few_units: bool = False
    folds: bool = False

    def minus(self, other: "Observed") -> "Observed":
        """The difference, paired by seed and unit; both have the same ones in the same order."""
        both = self.answers is not None and other.answers is not None
        answers = self.answers - other.answers if both else None  # type: ignore[operator]
        return replace(self, by_seed=self.by_seed - other.by_seed, answers=answers)

    def only(self, chosen: np.ndarray) -> "Observed":
        """Some of the seeds. chosen: (K,) bool, or their places."""
        answers, searches = (None if part is None else part[chosen] for part in (self.answers, self.searches))
        return replace(self, by_seed=self.by_seed[chosen], answers=answers, searches=searches)

    def by_search(self) -> "Observed":
        """A row a search: the mean over its seeds."""
        assert self.searches is not None
        groups = [self.searches == search for search in np.unique(self.searches)]
        return replace(
            self,
            by_seed=np.array([self.by_seed[group].mean() for group in groups]),
            answers=None if self.answers is None else np.array([self.answers[g].mean(axis=0) for g in groups]),
            searches=None,
        )


@dataclass(frozen=True)
class Estimate:
    """A mean over `seeds` seeds, in the unit of what was observed; NaN of none.

    searches: how many these seeds come from, where searches are what was repeated; else None. in_folds: whether each
    of these is of another fold, of which there cannot be more. repeat_variance,
    image_variance: A and B above, NaN where two repeats are lacking. Without answers by image B is 0, and the
    interval is over repeats alone (`over_images` is false). seed_sd, search_sd: the standard deviations between seeds
    of one winner and between searches, NaN where they cannot be told. by_repeat: what the mean is taken of.
    subjects: how many subjects the images show, or groups of them, where that is known; else None. folds: in how
    many the images were tested, where they came in turn; then A is what the folds' spread shows, and B is 0. looks:
    how often the study has been answered, by ever more of it, this time included.
    """

    value: float
    seeds: int
    repeat_variance: float
    image_variance: float
    over_images: bool = True
    searches: int | None = None
    seed_sd: float = float("nan")
    search_sd: float = float("nan")
    by_repeat: tuple[float, ...] = ()
    subjects: int | None = None
    folds: int | None = None
    in_folds: bool = False
    looks: int = 1

    def __neg__(self) -> "Estimate":
        """Of the same with its sign turned."""
        return replace(self, value=-self.value, by_repeat=tuple(-value for value in self.by_repeat))

    @property
    def unit(self) -> str:
        """What was repeated."""
        if self.folds is not None or self.in_folds:
            return "fold"
        return "seed" if self.searches is None else "search"

    @property
    def repeats(self) -> int:
        """How often."""
        if self.folds is not None:
            return self.folds
        return self.seeds if self.searches is None else self.searches

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.repeat_variance + self.image_variance))

    @property
    def without_spread(self) -> bool:
        """Whether all repeats have the same value, other than 0, and nothing else shows how far it may be off:
        results that were rounded, or one training counted several times.
        """
        if len(self.by_repeat) < 2 or (self.over_images and self.folds is None):
            return False
        return self.value != 0 and float(np.ptp(self.by_repeat)) <= SAME * abs(self.value)

    @property
    def low(self) -> float:
        return self.value - self.margin()

    @property
    def high(self) -> float:
        return self.value + self.margin()

    def margin(self, confidence: float = CONFIDENCE) -> float:
        """Half the width of the interval, at this look; infinite with fewer than two repeats or no spread."""
        if self.repeats < 2 or self.without_spread:
            return float("inf")
        if self.standard_error == 0:
            return 0.0
        quantile = 1 - (1 - confidence) / strictness(self.looks) / 2
        over_both = self.standard_error * stdtrit(self._degrees, quantile)
        over_repeats = np.sqrt(self.repeat_variance) * stdtrit(self.repeats - 1, quantile)
        return float(max(over_both, over_repeats))

    @property
    def p_value(self) -> float:
        """Two-sided, of the hypothesis that the mean is 0, at this look; 1 of less than 2 repeats or no spread."""
        if self.repeats < 2 or self.without_spread:
            return 1.0
        if self.standard_error == 0:
            return float(self.value == 0)
        return min(1.0, strictness(self.looks) * self._p_value)

    @property
    def _p_value(self) -> float:
        over_both = stdtr(self._degrees, -abs(self.value) / self.standard_error)
        if self.repeat_variance == 0:
            return float(2 * over_both)
        return float(2 * max(over_both, stdtr(self.repeats - 1, -abs(self.value) / np.sqrt(self.repeat_variance))))

    def detectable(self, comparisons: int = 1) -> float:
        """The smallest true mean that such a study finds to differ from 0 in 80 % of cases, after Bonferroni."""
        if self.repeats < 2:
            return float("inf")
        confidence = 1 - (1 - CONFIDENCE) / comparisons
        return self.margin(confidence) + float(self.standard_error * stdtrit(self._degrees, POWER))

    def repeats_until(self, margin: float, comparisons: int = 1) -> int | None:
        """How many repeats make the margin of the next look, after Bonferroni, at most `margin`; None if 1,000 do
        not.
        """
        confidence = 1 - (1 - CONFIDENCE) / comparisons
        counts = range(max(2, self.repeats + 1), MOST_REPEATS + 1)
        at = bisect_left(counts, True, key=lambda n: self._with(n).margin(confidence) <= margin)
        return counts[at] if at < len(counts) else None

    def data_until(self, margin: float, comparisons: int = 1) -> float:
        """How many times the data would make the margin, after Bonferroni, `margin`: of folds, which are of all."""
        return float((self.margin(1 - (1 - CONFIDENCE) / comparisons) / margin) ** 2) if margin > 0 else float("inf")

    @property
    def _degrees(self) -> float:
        in_repeats = self.repeat_variance / (self.repeats - 1)
        in_images = 0.0 if self.subjects is None else self.image_variance / (self.subjects - 1)
        if in_repeats + in_images == 0:
            return float("inf")
        return (self.repeat_variance + self.image_variance) / (in_repeats + in_images)

    def _with(self, repeats: int) -> "Estimate":
        variance = self.repeat_variance * self.repeats / repeats
        next_look = replace(self, repeat_variance=variance, looks=self.looks + 1)
        return replace(next_look, seeds=repeats) if self.searches is None else replace(next_look, searches=repeats)


def estimate(observed: Observed, looks: int = 1) -> Estimate:
    """The mean of what was observed with the variance that its repeats and test images give it. A NaN is no seed.

    looks: as `Estimate` has it.
    """
    if observed.folds:
        return replace(_of_folds(observed), looks=looks)
    there = ~np.isnan(observed.by_seed)
    known = observed if there.all() else observed.only(there)
    seeds, searches = len(known.by_seed), None
    seed_sd, search_sd = _spread(known)
    if known.searches is not None:
        known = known.by_search()
        searches = len(known.by_seed)
    values, over_images = known.by_seed, known.answers is not None
    value = float(np.mean(values)) if seeds else float("nan")
    variances = (np.nan, np.nan)
    if len(values) > 1:
        between, count = float(np.var(values, ddof=1)), len(values)
        of_repeats = over_folds(between, count) if known.in_folds else between / count
        variances = of_repeats, _image_variance(known.answers)
    subjects = known.answers.shape[1] if known.few_units and known.answers is not None else None
    return Estimate(
        value,
        seeds,
        *variances,
        over_images,
        searches,
        seed_sd,
        search_sd,
        by_repeat=tuple(map(float, values)),
        subjects=subjects,
        in_folds=known.in_folds,
        looks=looks,
    )


def over_folds(variance: float, folds: int) -> float:
    """The variance of a mean over folds from that between them (Nadeau and Bengio 2003)."""
    return variance * (1 / folds + 1 / (folds - 1))


def _of_folds(observed: Observed) -> Estimate:
    assert observed.answers is not None
    by_seed, by_fold = observed.by_seed, observed.answers.mean(axis=0)
    folds, value = len(by_fold), float(np.mean(by_seed)) if len(by_seed) else float("nan")
    variance = over_folds(float(np.var(by_fold, ddof=1)), folds) if folds > 1 else float("nan")
    seed_sd = float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan")
    return Estimate(value, len(by_seed), variance, 0.0, seed_sd=seed_sd, by_repeat=tuple(by_fold), folds=folds)


def _spread(observed: Observed) -> tuple[float, float]:
    """The standard deviations between seeds of one winner and between searches, by the method of moments; the second
    is 0 where seeds alone spread as much as the searches' means. NaN of what cannot be told.
    """
    values = observed.by_seed
    groups = np.zeros(len(values)) if observed.searches is None else observed.searches
    parts = [values[groups == group] for group in np.unique(groups)]
    within, between = len(values) - len(parts), len(parts) - 1
    if within < 1:
        return np.nan, np.nan
    of_seeds = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / within
    if between < 1:
        return float(np.sqrt(of_seeds)), np.nan
    sizes = np.array([len(part) for part in parts])
    of_means = sum(len(part) * (part.mean() - values.mean()) ** 2 for part in parts) / between
    a_search = (len(values) - (sizes**2).sum() / len(values)) / between
    return float(np.sqrt(of_seeds)), float(np.sqrt(max(0.0, of_means - of_seeds) / a_search))


def _image_variance(answers: ArrayLike | None) -> float:
    """Of the mean: (mean square of images - mean square of the remainder) / (K N), at least 0."""
    if answers is None:
        return 0.0
    table = np.asarray(answers, float)
    seeds, units = table.shape
    if units < 2:
        return 0.0
    by_unit = table.mean(axis=0)
    remainder = table - by_unit - table.mean(axis=1, keepdims=True) + table.mean()
    of_images = seeds * by_unit.var(ddof=1)
    of_remainder = float((remainder**2).sum()) / ((seeds - 1) * (units - 1))
    return float(max(0.0, of_images - of_remainder) / (seeds * units))
