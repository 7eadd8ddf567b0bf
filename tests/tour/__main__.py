"""`python -m tests.tour STORY`: play a story of docs/tour.md into the database of RTSM_HOME (or RTSM_DATABASE_URL)."""

import sys

from allocation.errors import RTSMError
from allocation.ledger.database import open_database
from tests.tour.stage import Stage
from tests.tour.stories import STORIES


def main(arguments: list[str]) -> int:
    """Play the story that is named, and say who is in it. Exit code 2 for a name that is none."""
    if len(arguments) != 1 or arguments[0] not in STORIES:
        print(f"say which story: {', '.join(STORIES)}", file=sys.stderr)
        return 2
    file, story = STORIES[arguments[0]]
    database = open_database()
    try:
        stage = Stage(database, file)
        people = story(stage)
    except RTSMError as error:
        print(
            f"{error}\nA story is played into an empty database: set RTSM_HOME to a new folder.",
            file=sys.stderr,
        )
        return 2
    finally:
        database.dispose()
    print(f"Played {stage.study_id} to {stage.today}.")
    for name, group in people.items():
        print(f"  {name}: {' '.join(group)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
