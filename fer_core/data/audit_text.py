"""An audit in words and a table of counts."""

from fer_core.data.audit import KNOWN_FER2013, Audit
from fer_core.data.dataset import EMOTIONS
from fer_core.data.likeness import SAME_PHOTOGRAPH
from fer_core.features import noun

MOST_COLUMNS = 12


def audit_text(audit: Audit) -> str:
    """Some twenty lines for a person."""
    each = noun(audit.features)
    twins = [
        f"  {len(rows):,} {pair.partition(' -> ')[2]} {each}s have an identical twin in {pair.partition(' -> ')[0]}"
        for pair, rows in audit.across.items()
    ]
    contradicting = sum(map(len, audit.contradicting))
    lines = [
        f"{audit.name}: {audit.images:,} {each}s, {audit.form}, fingerprint {audit.fingerprint}",
        "",
        *_counts_table(audit),
        "",
        *([_comparison(audit)] if audit.classes == EMOTIONS else []),
        f"{audit.distinct:,} distinct {each}s; {len(audit.groups):,} groups of identical ones"
        + (":" if twins else "."),
        *twins,
        *_photographs(audit),
        *_subjects(audit),
        *_votes(audit),
        f"{len(audit.contradicting):,} groups carry more than one {'target' if audit.targets else 'label'} "
        f"({contradicting:,} {each}s).",
        _suspicious(audit),
        f"{len(audit.unreadable):,} unreadable files" + (":" if audit.unreadable else "."),
        *(f"  {problem}" for problem in audit.unreadable),
    ]
    return "\n".join(lines)


def _suspicious(audit: Audit) -> str:
    """The rows from which nothing can be learned."""
    if audit.features is None:
        return f"{len(audit.constant):,} constant images{_rows(audit.constant)}."
    return f"{len(audit.not_finite):,} examples with numbers that are not finite{_rows(audit.not_finite)}."


def _photographs(audit: Audit) -> list[str]:
    if audit.photographs is None:
        return []
    if not audit.photographs:
        return ["photographs in two parts: there is one part."]
    lines = []
    for pair, found in audit.photographs.items():
        earlier, later = pair.split(" -> ")
        twins = set(audit.across.get(pair, []))
        others = [one for one in found if one.row not in twins]
        unlike = sum(not one.same_label for one in others)
        lines.append(
            f"  {len(found):,} {later} images show a photograph of {earlier}: {len(twins):,} pixel for pixel, "
            f"{len(others):,} in another crop, size or brightness ({unlike:,} of these with another label)"
        )
    return [f"photographs in two parts (likeness of at least {SAME_PHOTOGRAPH:g}):", *lines]


def _subjects(audit: Audit) -> list[str]:
    if not audit.subjects:
        return []
    counts = ", ".join(f"{count:,} in {usage}" for usage, count in audit.subjects.items())
    return [
        f"subjects: {counts}" + (":" if audit.shared else "."),
        *(f"  {len(people):,} are in both {pair.replace(' -> ', ' and ')}" for pair, people in audit.shared.items()),
    ]


def _votes(audit: Audit) -> list[str]:
    if audit.agreement is None or audit.unanimous is None:
        return []
    each = noun(audit.features)
    for_label, unanimous = 100 * audit.agreement, 100 * audit.unanimous / audit.images
    return [
        f"votes: {for_label:.1f} % are for the label; {audit.unanimous:,} {each}s ({unanimous:.1f} %) have no others."
    ]


def _counts_table(audit: Audit) -> list[str]:
    if audit.targets:
        return _targets_table(audit)
    if len(audit.classes) > MOST_COLUMNS:
        return _long_table(audit)
    columns = [max(10, len(name) + 1) for name in audit.classes]
    head = f"{'':12}" + "".join(f"{name:>{width}}" for name, width in zip(audit.classes, columns, strict=True))
    return [head + f"{'all':>10}"] + [
        f"{usage:12}"
        + "".join(f"{n:>{width},}" for n, width in zip(counts.values(), columns, strict=True))
        + f"{sum(counts.values()):>10,}"
        for usage, counts in audit.counts.items()
    ]


def _targets_table(audit: Audit) -> list[str]:
    """A line a target, below how many there are."""
    counts = ", ".join(f"{number:,} {usage}" for usage, of in audit.counts.items() for number in of.values())
    width = max(map(len, audit.targets))
    spans = [
        f"  {name:{width}}  {low:.4g} to {high:.4g}, mean {mean:.4g}"
        for name, (low, mean, high) in audit.targets.items()
    ]
    return [f"{counts}; to be learned:", *spans]


def _long_table(audit: Audit) -> list[str]:
    """A line a class."""
    width = max(map(len, audit.classes))
    lines = [f"{'':{width}}" + "".join(f"{usage:>13}" for usage in audit.counts)]
    lines += [
        f"{name:{width}}" + "".join(f"{counts[name]:>13,}" for counts in audit.counts.values())
        for name in audit.classes
    ]
    return [*lines, f"{'all':{width}}" + "".join(f"{sum(counts.values()):>13,}" for counts in audit.counts.values())]


def _comparison(audit: Audit) -> str:
    if audit.is_fer2013:
        return "The counts are those of the original FER2013."
    known = {usage: sum(counts) for usage, counts in KNOWN_FER2013.items()}
    return f"The counts are not those of the original FER2013 ({', '.join(f'{n:,} {u}' for u, n in known.items())})."


def _rows(rows: list[int], most: int = 12) -> str:
    if not rows:
        return ""
    return f" (rows {', '.join(str(row + 1) for row in rows[:most])}{', ...' if len(rows) > most else ''})"
