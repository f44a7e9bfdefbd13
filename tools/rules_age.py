"""Lists the sources of the placements' rules, the oldest first: `make rules-age`.

A source without a date is a stored copy that bears none; it stands before all others.
"""

from adscore.checks.rules import placements


def main() -> None:
    """Prints a line for each source: its date, its rules, where it is."""
    used: dict[tuple[str, bool, str, str], set[str]] = {}
    for placement in placements().values():
        for rule in placement.rules:
            source = rule.source
            key = (source.date, source.confirmed, source.title, source.address)
            used.setdefault(key, set()).add(f"{placement.name} {rule.name}")
    for (date, confirmed, title, address), rules in sorted(used.items()):
        state = "" if confirmed else "unconfirmed: "
        count = f"{len(rules)} {'rule' if len(rules) == 1 else 'rules'}"
        print(f"{date or 'undated':10}  {count:>9}  {state}{title}\n{'':23}{address}")


if __name__ == "__main__":
    main()
