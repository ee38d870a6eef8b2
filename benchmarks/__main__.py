"""`make bench`: every figure in the README, made again. Each part says what it compares, in one run, by medians."""

from benchmarks import (
    audit_log,
    backup,
    clock_engine,
    clock_list,
    clocks_json,
    export,
    footprint,
    forge_events,
    peer,
    recompute,
)


def main() -> None:
    """Run all parts, one after the other."""
    for part in (
        clock_engine,
        recompute,
        clock_list,
        audit_log,
        backup,
        clocks_json,
        peer,
        forge_events,
        export,
        footprint,
    ):
        print(f"\n== {part.__name__.rpartition('.')[2]}: {(part.__doc__ or '').splitlines()[0]}", flush=True)
        part.main()


main()
