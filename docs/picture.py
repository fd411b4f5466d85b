"""Draw docs/demo.png, the picture of the README: the overview that `likely demo` writes."""

import tempfile
from pathlib import Path

from likely.demo import Shipped, run
from likely.writing import written_whole

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), road=Shipped(), seed=0)
        with written_whole(Path(__file__).with_name("demo.png")) as picture:
            picture.write_bytes((Path(folder) / "overview.png").read_bytes())
